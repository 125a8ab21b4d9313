"""A member of a group for group_churn.py: reads, commits now and then, and notes what happens, a JSON array a line.

churn_member.py BOOTSTRAP TOPIC GROUP PROTOCOL NAME FILE. SIGTERM lets it leave in order. Times are monotonic seconds, which
all processes of a machine share. A note is in the file (written, not buffered) before what it is about has an effect:
records before their commit, a revocation before the group hears of it.

  ["assigned", t, [p…]]   ["revoked", t, [p…]]   ["lost", t, [p…]]   the callbacks, revoked: when it is done
  ["read", t, p, first, last]   ["committed", t, {p: offset}]   ["refused", t, "why"]   ["left", t]
"""
import json
import os
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException

bootstrap, topic, group, protocol, name, path = sys.argv[1:]
notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
COMMIT_SECONDS = 0.4
leaving = False
settings = {
    "bootstrap.servers": bootstrap,
    "group.id": group,
    "client.id": name,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "log_level": 2,
    "max.poll.interval.ms": 30_000,
}
if protocol == "consumer":
    settings["group.protocol"] = "consumer"
else:
    settings |= {
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 500,
        "partition.assignment.strategy": "range" if protocol == "classic" else protocol,
    }
consumer = Consumer(settings)


def note(*fields):
    os.write(notes, (json.dumps([fields[0], round(time.monotonic(), 4), *fields[1:]]) + "\n").encode())


def commit():
    try:
        done = consumer.commit(asynchronous=False)
        note("committed", {each.partition: each.offset for each in done if each.error is None})
        for each in done:
            if each.error is not None:
                note("refused", str(each.error))
    except KafkaException as error:
        if error.args[0].name() != "_NO_OFFSET":
            note("refused", error.args[0].name())


def numbers(partitions):
    return sorted(each.partition for each in partitions)


def on_assign(_, partitions):
    note("assigned", numbers(partitions))


def on_revoke(_, partitions):
    commit()
    note("revoked", numbers(partitions))


def on_lost(_, partitions):
    note("lost", numbers(partitions))


def stop(*_):
    global leaving
    leaving = True


signal.signal(signal.SIGTERM, stop)
consumer.subscribe([topic], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost)
next_commit = time.monotonic() + COMMIT_SECONDS
while not leaving:
    ranges = []
    for message in consumer.consume(2_000, 0.1):
        if message.error() is not None:
            note("refused", message.error().name())
            continue
        partition, offset = message.partition(), message.offset()
        if ranges and ranges[-1][0] == partition and ranges[-1][2] == offset - 1:
            ranges[-1][2] = offset
        else:
            ranges.append([partition, offset, offset])
    for partition, first, last in ranges:
        note("read", partition, first, last)
    if time.monotonic() >= next_commit:
        commit()
        next_commit = time.monotonic() + COMMIT_SECONDS
consumer.close()
note("left")
