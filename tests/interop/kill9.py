"""kill -9 of the server while three clients produce with acks=all, again and again.

After each restart every acknowledged record is at its acknowledged offset and each client's records are in
order; what an idempotent producer sent is there exactly once. Three rounds, ten with KAVKA_INTEROP_LONG=1.
Called with arguments it is one of the producers: kill9.py KIND BOOTSTRAP FILE, until its input ends.
"""
import os
import random
import statistics
import subprocess
import sys
import threading
import time

from frames import Connection, batch

TOPIC = "kill9"
KINDS = {"kafka-python-idempotent": True, "confluent-idempotent": True, "kafka-python-plain": False}
IN_FLIGHT = 2_000


def producer(kind, bootstrap, path):
    """Sends numbered records until standard input ends, and notes `number offset` of each acknowledgement."""
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    stop, room = threading.Event(), threading.Semaphore(IN_FLIGHT)

    def wait_for_end():
        sys.stdin.read()
        stop.set()

    def acknowledged(number, offset):
        os.write(notes, f"{number} {offset}\n".encode())
        room.release()

    def failed(number, error):
        os.write(notes, f"error {number} {' '.join(str(error).split())}\n".encode())
        room.release()

    def pause(number):
        if number % 50 == 0:
            time.sleep(0.005)  # at most 10,000 a second: the log is read whole in every round

    threading.Thread(target=wait_for_end, daemon=True).start()
    number = 0
    if kind == "confluent-idempotent":
        from confluent_kafka import Producer

        client = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "reconnect.backoff.max.ms": 200,
                "message.timeout.ms": 120_000,
                "log_level": 2,  # that the server is away is no news here
            }
        )

        def delivered(error, message):
            this = int(message.value().split(b" ")[1])
            if error is None:
                acknowledged(this, message.offset())
            else:
                failed(this, error)

        while not stop.is_set():
            while not room.acquire(blocking=False):
                client.poll(0.01)
            client.produce(TOPIC, f"{kind} {number}".encode(), partition=0, on_delivery=delivered)
            client.poll(0)
            number += 1
            pause(number)
        client.flush(60)
    else:
        from kafka import KafkaProducer

        client = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            enable_idempotence=KINDS[kind],
            max_in_flight_requests_per_connection=5 if KINDS[kind] else 1,
            linger_ms=2,
            reconnect_backoff_max_ms=200,
        )
        while not stop.is_set():
            room.acquire()
            sent = client.send(TOPIC, f"{kind} {number}".encode(), partition=0)
            sent.add_callback(lambda where, this=number: acknowledged(this, where.offset))
            sent.add_errback(lambda error, this=number: failed(this, error))
            number += 1
            pause(number)
        client.flush(60)
        client.close()
    os.write(notes, f"sent {number}\n".encode())


class Client:
    """A producer process and what it noted so far."""

    def __init__(self, kind, bootstrap, folder):
        self.kind, self.path = kind, os.path.join(folder, kind)
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), kind, bootstrap, self.path], stdin=subprocess.PIPE
        )

    def notes(self):
        """({number: offset}, [errors], number of records sent or None while it runs)"""
        acknowledged, errors, sent = {}, [], None
        with open(self.path) as file:
            for line in file.read().rpartition("\n")[0].splitlines():
                words = line.split(" ", 2)
                if words[0] == "error":
                    errors.append(line)
                elif words[0] == "sent":
                    sent = int(words[1])
                else:
                    acknowledged[int(words[0])] = int(words[1])
        return acknowledged, errors, sent

    def finish(self):
        self.process.stdin.close()
        self.process.wait(90)


def read_log(bootstrap, at_least):
    """Every record of the topic as [(offset, kind, number)], up to its end, which is `at_least` so far."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=20)
    assert low == 0 and high >= at_least, f"the log is {low} to {high}, acknowledged were {at_least}"
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    log, end = [], time.monotonic() + 60
    while len(log) < high:
        assert time.monotonic() < end, f"{len(log)} of {high} records read"
        for message in consumer.consume(10_000, 0.5):
            assert message.error() is None, message.error()
            kind, number = message.value().decode().split(" ")
            log.append((message.offset(), kind, int(number)))
    consumer.close()
    return log


def verify(log, notes):
    """Compares the log with what was acknowledged; `notes` is {kind: {number: offset}}."""
    at = {offset: (kind, number) for offset, kind, number in log}
    assert [row[0] for row in log] == list(range(len(log))), "the offsets have gaps or repeats"
    for kind, acknowledged in notes.items():
        for number, offset in acknowledged.items():
            assert at.get(offset) == (kind, number), f"{kind} {number} was at {offset}, there is {at.get(offset)}"
        offsets = [acknowledged[number] for number in sorted(acknowledged)]
        assert offsets == sorted(offsets), f"{kind}: acknowledged out of order"
        numbers = [number for _, each, number in log if each == kind]
        if KINDS[kind]:
            assert len(set(numbers)) == len(numbers), f"{kind}: duplicates"
            assert numbers == list(range(len(numbers))), f"{kind}: out of order or with gaps"
        missing = set(acknowledged) - set(numbers)
        assert not missing, f"{kind}: {len(missing)} acknowledged records are gone"


def first_acknowledgement(server, spawned, topic):
    """Seconds from the spawn to the first acknowledged record, by a client that does nothing else."""
    record, host_port = batch([b"first"]), server
    while time.monotonic() < spawned + 30:
        try:
            connection = Connection(host_port)
            answer = connection.produce(topic, record)
            taken = time.monotonic() - spawned
            connection.close()
            if answer is not None and answer[0] == 0:
                return taken
        except OSError:
            pass  # not listening yet
        time.sleep(0.002)
    raise AssertionError("no record was acknowledged in 30 s")


def main():
    from confluent_kafka.admin import AdminClient, NewTopic

    from checks import LONG, check, finish
    from server import Server, free_port, temporary_directory

    rounds = 10 if LONG else 3
    bootstrap = f"127.0.0.1:{free_port()}"
    server = Server(kafka=bootstrap)
    clients, starts = [], []
    try:

        @check("three producers begin")
        def _():
            server.start()
            admin = AdminClient({"bootstrap.servers": bootstrap})
            for future in admin.create_topics([NewTopic(TOPIC, 1, 1), NewTopic("first", 1, 1)]).values():
                future.result(20)
            folder = temporary_directory()
            clients.extend(Client(kind, bootstrap, folder) for kind in KINDS)
            end = time.monotonic() + 30
            while not all(os.path.exists(each.path) and len(each.notes()[0]) > 100 for each in clients):
                assert time.monotonic() < end, "a producer got no acknowledgement"
                time.sleep(0.1)

        for number in range(1, rounds + 1):
            if not clients:
                break

            @check(f"round {number} of {rounds}: everything acknowledged is there after kill -9")
            def _():
                before = {each.kind: len(each.notes()[0]) for each in clients}
                time.sleep(1 + random.random())
                server.kill()
                notes = {each.kind: each.notes()[0] for each in clients}
                spawned = server.spawn()
                starts.append(first_acknowledgement(bootstrap, spawned, "first"))
                server.ready(spawned)
                verify(read_log(bootstrap, 1 + max(max(each.values(), default=-1) for each in notes.values())), notes)
                end = time.monotonic() + 30
                while any(len(each.notes()[0]) <= len(notes[each.kind]) for each in clients):
                    assert time.monotonic() < end, "a producer did not go on after the restart"
                    time.sleep(0.05)
                fresh = sum(len(each) for each in notes.values()) - sum(before.values())
                return f"{fresh} more acknowledged before the kill, first one after it {starts[-1] * 1000:.0f} ms"

        @check("in the end: exactly once from the idempotent producers, nothing acknowledged lost")
        def _():
            assert len(starts) == rounds, f"only {len(starts)} of {rounds} rounds killed the server and saw it back"
            for each in clients:
                each.finish()
            notes, count = {}, 0
            for each in clients:
                acknowledged, errors, sent = each.notes()
                notes[each.kind] = acknowledged
                count += len(acknowledged)
                if KINDS[each.kind]:
                    assert not errors, f"{each.kind}: {errors[:2]}"
                    assert sent == len(acknowledged), f"{each.kind}: {len(acknowledged)} of {sent} acknowledged"
            verify(read_log(bootstrap, 0), notes)
            return f"{count} records acknowledged"

        @check("start of the process to the first acknowledged record")
        def _():
            median = statistics.median(starts)
            assert median < 2, f"median {median:.2f} s, the aim is 1 s"
            return f"median {median * 1000:.0f} ms, slowest {max(starts) * 1000:.0f} ms, the aim is 1000 ms"

    finally:
        for each in clients:
            if each.process.poll() is None:
                each.process.kill()
        if server.process is not None and server.process.poll() is None:
            server.kill()
    finish()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        producer(*sys.argv[1:])
    else:
        main()
