"""subscribe.py ROUNDS NAME=BOOTSTRAP…: milliseconds from subscribe to the first record, for new members of new groups.

Servers take turns in every round; the client is librdkafka with its defaults, in both protocols. Prints a line of JSON
for each server and protocol. Started by subscribe.ts.
"""
import json
import statistics
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC, PARTITIONS = "subscribe", 12
rounds = int(sys.argv[1])
servers = dict(each.split("=", 1) for each in sys.argv[2:])


def prepare(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(1_200):
        producer.produce(TOPIC, b"x" * 100, partition=number % PARTITIONS)
    assert producer.flush(30) == 0


def first_record(bootstrap, protocol):
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": str(uuid.uuid4()),
        "group.protocol": protocol,
        "auto.offset.reset": "earliest",
        "log_level": 2,
    })
    begin = time.perf_counter()
    consumer.subscribe([TOPIC])
    while True:
        message = consumer.poll(30)
        assert message is not None, f"no record from {bootstrap} in 30 s"
        if message.error() is None:
            break
    taken = (time.perf_counter() - begin) * 1_000
    consumer.close()
    return taken


for bootstrap in servers.values():
    prepare(bootstrap)
times = {(name, protocol): [] for name in servers for protocol in ("classic", "consumer")}
# The first round warms up: the servers' own topics, compiled code.
for turn in range(rounds + 1):
    for protocol in ("classic", "consumer"):
        for name, bootstrap in servers.items():
            taken = first_record(bootstrap, protocol)
            if turn > 0:
                times[name, protocol].append(taken)
for (name, protocol), taken in times.items():
    taken.sort()
    print(json.dumps({
        "server": name,
        "protocol": protocol,
        "medianMs": round(statistics.median(taken), 1),
        "p90Ms": round(taken[int(len(taken) * 0.9)], 1),
        "rounds": len(taken),
    }))
