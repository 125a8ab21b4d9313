"""A share group as a queue: consumers that crash, stall and give back, and a server that is killed, lose and repeat nothing.

Every record is acknowledged once in the end; one is delivered again only after a crash, a release, a lock that ran out or a
kill of the server. 6,000 records, 4 consumers and one kill; 200,000, 8 and five with KAVKA_INTEROP_LONG=1. Kafka's own
console consumer and group command read the same. Called with arguments it is one of the consumers:
share.py BOOTSTRAP FILE SEED.
"""
import os
import random
import struct
import subprocess
import sys
import time

TOPIC = "jobs"
GROUP = "workers"
LOCK_SECONDS = 3


def consumer(bootstrap, path, seed):
    """Works until it is killed, or kills itself; notes what it was given (d), says of it (a, r), and was told (A, R, F)."""
    from confluent_kafka import AcknowledgeType, KafkaException, ShareConsumer

    chance = random.Random(seed)
    # A short run has few polls.
    often = 1 if os.environ.get("KAVKA_INTEROP_LONG") == "1" else 3
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(kind, messages):
        at = time.monotonic()
        lines = "".join(f"{at:.4f} {kind} {m.partition()} {m.offset()}\n" for m in messages)
        os.write(notes, lines.encode())

    queue = ShareConsumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": GROUP,
            "share.acknowledgement.mode": "explicit",
            "max.poll.records": 100,
            "reconnect.backoff.max.ms": 200,
            "log_level": 2,  # that the server is away is no news here
        }
    )
    queue.subscribe([TOPIC])
    while True:
        try:
            given = [message for message in queue.poll(timeout=1.0) if message.error() is None]
        except KafkaException:
            continue
        if not given:
            continue
        note("d", given)
        if chance.random() < 0.02 * often:
            os._exit(9)  # with everything in hand
        if chance.random() < 0.02:
            time.sleep(LOCK_SECONDS + 0.5)
        released = [message for message in given if chance.random() < 0.02]
        accepted = [message for message in given if message not in released]
        note("r", released)
        note("a", accepted)
        for message in released:
            queue.acknowledge(message, AcknowledgeType.RELEASE)
        for message in accepted:
            queue.acknowledge(message, AcknowledgeType.ACCEPT)
        if chance.random() < 0.01 * often:
            os._exit(9)  # before it was said
        try:
            failed = {(t.topic, t.partition) for t, error in queue.commit_sync(timeout=20).items() if error is not None}
        except KafkaException:
            failed = {(TOPIC, message.partition()) for message in given}
        if chance.random() < 0.01 * often:
            os._exit(9)  # before it could be noted
        for kind, messages in (("A", accepted), ("R", released)):
            note(kind, [m for m in messages if (m.topic(), m.partition()) not in failed])
            note("F", [m for m in messages if (m.topic(), m.partition()) in failed])


if len(sys.argv) > 1:
    consumer(sys.argv[1], sys.argv[2], int(sys.argv[3]))

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from checks import LONG, check, equal, finish
from frames import Connection, request
from server import Server, free_port, temporary_directory
from share_group import begin_at_the_start

RECORDS = 200_000 if LONG else 6_000
CONSUMERS = 8 if LONG else 4
KILLS = 5 if LONG else 1
PARTITIONS = 6
DEADLINE_SECONDS = 900 if LONG else 120


class Worker:
    """A consumer process that is started again when it dies, as another one."""

    def __init__(self, bootstrap, folder):
        self.bootstrap, self.folder, self.lives = bootstrap, folder, []
        self.start()

    def start(self):
        path = os.path.join(self.folder, f"{id(self)}-{len(self.lives)}")
        open(path, "w").close()
        seed = hash((id(self), len(self.lives)))
        command = [sys.executable, os.path.abspath(__file__), self.bootstrap, path, str(seed)]
        self.lives.append({"path": path, "process": subprocess.Popen(command)})

    def tend(self):
        if self.lives[-1]["process"].poll() is not None:
            self.start()

    def stop(self):
        process = self.lives[-1]["process"]
        process.kill()
        process.wait()


def prepare(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(20)
    begin_at_the_start(
        bootstrap, GROUP, share_record_lock_duration_ms=LOCK_SECONDS * 1000, share_delivery_count_limit=25
    )


def produce(bootstrap, count, first=0):
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "batch.num.messages": 200})
    for number in range(first, first + count):
        producer.produce(TOPIC, str(number).encode(), partition=number % PARTITIONS)
        producer.poll(0)
        if number % 10_000 == 0:
            producer.flush(60)
    equal(producer.flush(60), 0, "records that were not sent")


def read_notes(workers):
    """[(time, kind, (partition, offset), life)] in order of time."""
    notes = []
    for worker in workers:
        for life in worker.lives:
            with open(life["path"]) as file:
                for line in file.read().rpartition("\n")[0].splitlines():
                    at, kind, partition, offset = line.split()
                    notes.append((float(at), kind, (int(partition), int(offset)), id(life)))
    notes.sort(key=lambda note: note[0])
    return notes


def count_done(workers):
    """Records of which somebody was told that they are acknowledged."""
    return sum(1 for _, kind, *_ in read_notes(workers) if kind == "A")


def judge(notes, kills):
    accepted, doubtful, delivered, redelivered = {}, set(), {}, 0
    ended_by = {}
    last_word = {life: at for at, _, _, life in notes}
    for at, kind, record, life in notes:
        if kind == "d":
            for earlier_at, earlier_life in delivered.get(record, [])[-1:]:
                redelivered += 1
                cause = ended_by.get((record, earlier_life))
                crashed = last_word[earlier_life] <= at
                timed_out = at - earlier_at >= LOCK_SECONDS - 0.2
                killed = any(earlier_at - LOCK_SECONDS - 1 <= kill <= at for kill in kills)
                assert cause or crashed or timed_out or killed, f"{record} came again after {at - earlier_at:.3f} s"
            delivered.setdefault(record, []).append((at, life))
            assert record not in accepted or timed_late(delivered[record], accepted[record]), f"{record} came after its acknowledgement"
        elif kind == "r":
            ended_by[(record, life)] = "released"
        elif kind == "F":
            ended_by[(record, life)] = "refused"
        elif kind == "a":
            doubtful.add(record)
        elif kind == "A":
            assert record not in accepted, f"{record} was acknowledged twice"
            accepted[record] = at
    return accepted, doubtful, delivered, redelivered


def timed_late(deliveries, accepted_at):
    """A client may show a record that it had before: it cannot acknowledge it any more."""
    return deliveries[-1][0] - accepted_at < LOCK_SECONDS


def lag(bootstrap):
    """Records that are still to be done, by DescribeShareGroupOffsets v1; None while that is not known."""
    name = GROUP.encode()
    connection = Connection(bootstrap)
    connection.send(request(90, 1, b"\0" + b"\2" + bytes([len(name) + 1]) + name + b"\0" + b"\0" + b"\0"))
    reply = Reader(connection.reply())
    connection.socket.close()
    reply.take(4 + 1 + 4)  # correlation, tags, throttle time
    total = None
    for _ in range(reply.length()):
        reply.text()
        for _ in range(reply.length()):
            reply.text()
            reply.take(16)
            for _ in range(reply.length()):
                _, _, _, behind, error = struct.unpack(">iqiqh", reply.take(26))
                reply.text()
                reply.take(1)
                assert error == 0, error
                total = None if behind < 0 else (total or 0) + behind
            reply.take(1)
        reply.take(2)
        reply.text()
        reply.take(1)
    return total


class Reader:
    """A reply of a flexible version, field by field."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count : self.at]

    def length(self):
        """One byte is enough here; 0 stands for null."""
        return max(0, self.take(1)[0] - 1)

    def text(self):
        return self.take(self.length())


def quiet(bootstrap, seconds):
    """What another consumer is given; it keeps none of it."""
    from confluent_kafka import ShareConsumer

    queue = ShareConsumer(
        {"bootstrap.servers": bootstrap, "group.id": GROUP, "share.acknowledgement.mode": "explicit", "log_level": 2}
    )
    queue.subscribe([TOPIC])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if given := [(m.partition(), m.offset()) for m in queue.poll(timeout=0.5) if m.error() is None]:
            return given
    queue.close()
    return []


FLAGS = [
    "--override", "group.share.min.record.lock.duration.ms=1000",
    "--override", "group.share.max.delivery.count.limit=25",
    # Until then the partitions of one that died wait for it, if nobody else reads them.
    "--override", "group.share.session.timeout.ms=6000",
    "--override", "group.share.heartbeat.interval.ms=1000",
]
PORT = free_port()
server = Server(kafka=f"127.0.0.1:{PORT}", flags=FLAGS)
server.start()
folder = temporary_directory()
prepare(server.bootstrap)


@check("consumers that crash and a server that is killed: every record is acknowledged once", seconds=DEADLINE_SECONDS + 60)
def _():
    begin = time.monotonic()
    produce(server.bootstrap, RECORDS)
    workers = [Worker(server.bootstrap, folder) for _ in range(CONSUMERS)]
    kills, looked = [], time.monotonic()
    try:
        while time.monotonic() - begin < DEADLINE_SECONDS:
            time.sleep(0.1)
            for worker in workers:
                worker.tend()
            if time.monotonic() - looked < (3 if LONG else 0.5):
                continue
            looked = time.monotonic()
            done = count_done(workers)
            if len(kills) < KILLS and done > RECORDS * (len(kills) + 1) / (KILLS + 2):
                server.kill()
                kills.append(time.monotonic())
                server.start()
            if len(kills) == KILLS and lag(server.bootstrap) == 0:
                break
    finally:
        for worker in workers:
            worker.stop()
    equal(lag(server.bootstrap), 0, "records that are not done")
    given = quiet(server.bootstrap, LOCK_SECONDS + 2)
    accepted, doubtful, delivered, redelivered = judge(read_notes(workers), kills)
    missing = {(number % PARTITIONS, number // PARTITIONS) for number in range(RECORDS)} - accepted.keys()
    equal(missing - doubtful, set(), "records that nobody acknowledged")
    equal(given, [], "records that came after all was done")
    lives = sum(len(worker.lives) for worker in workers)
    return (
        f"{len(accepted)} acknowledged and told, {len(missing)} in the hands of one that died before it was told, "
        f"{redelivered} redeliveries, {lives - CONSUMERS} crashes, {len(kills)} kills, {time.monotonic() - begin:.0f} s"
    )


@check("share.isolation.level=read_committed: records of aborted transactions are for nobody", seconds=60)
def _():
    from confluent_kafka import ShareConsumer

    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic("payments", 1, 1)])["payments"].result(20)
    begin_at_the_start(server.bootstrap, "careful", share_isolation_level="read_committed")
    producer = Producer({"bootstrap.servers": server.bootstrap, "transactional.id": "payer"})
    producer.init_transactions(20)
    for fate in ("aborted", "committed", "aborted", "committed"):
        producer.begin_transaction()
        for number in range(3):
            producer.produce("payments", f"{fate} {number}".encode())
        producer.flush(20)
        producer.abort_transaction(20) if fate == "aborted" else producer.commit_transaction(20)
    queue = ShareConsumer({"bootstrap.servers": server.bootstrap, "group.id": "careful", "log_level": 2})
    queue.subscribe(["payments"])
    given, end = [], time.monotonic() + 30
    while len(given) < 6 and time.monotonic() < end:
        given += [m.value().decode() for m in queue.poll(timeout=0.5) if m.error() is None]
    queue.close()
    equal(given, [f"committed {number}" for number in range(3)] * 2, "records")


server.kill()
finish()
