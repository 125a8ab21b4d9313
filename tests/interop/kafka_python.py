"""kafka-python: the tutorial's two programs with a file of 100,000 lines, then admin, keys and headers."""
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from checks import BOOTSTRAP, check, equal, finish

HERE = os.path.dirname(os.path.abspath(__file__))
LINES = 100_000
lines = [f"line {number} of the file, with ümlauts and spaces\n" for number in range(LINES)]
path = os.path.join(tempfile.mkdtemp(prefix="kavka-interop-"), "input.txt")
with open(path, "w") as file:
    file.writelines(lines)


def program(name, *arguments):
    """Runs one of the tutorial's programs and returns what it printed."""
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, "programs", name), *arguments],
        env={**os.environ, "BOOTSTRAP": BOOTSTRAP},
        capture_output=True,
        timeout=180,
    )
    equal(done.returncode, 0, f"exit code ({done.stderr.decode()[-300:]})")
    return done.stdout.decode().splitlines(keepends=True)


def same_lines(printed, expected):
    equal(len(printed), len(expected), "number of lines")
    for number, (left, right) in enumerate(zip(printed, expected)):
        equal(left, right, f"line {number}")


def admin():
    return KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


@check("admin creates the topic")
def _():
    client = admin()
    if "test" in client.list_topics():
        client.delete_topics(["test"])
        time.sleep(1)
    client.create_topics([NewTopic("test", num_partitions=1, replication_factor=1)])
    assert "test" in client.list_topics()
    client.close()


@check("the tutorial's producer sends 100,000 lines")
def _():
    begin = time.monotonic()
    program("producer.py", path)
    return f"{time.monotonic() - begin:.1f} s"


@check("the tutorial's consumer prints all of them, in order, once")
def _():
    same_lines(program("consumer.py", "auto_offset_reset=earliest", "consumer_timeout_ms=3000"), lines)


@check("run again with earliest and no group, it prints all of them again")
def _():
    same_lines(program("consumer.py", "auto_offset_reset=earliest", "consumer_timeout_ms=3000"), lines)


group = f"group-{uuid.uuid4()}"


@check("with a group id it prints all of them and commits")
def _():
    same_lines(
        program("consumer.py", "auto_offset_reset=earliest", "consumer_timeout_ms=5000", f"group_id={group}"), lines
    )


@check("with latest and that group id it continues from what was consumed earlier")
def _():
    more = [f"later line {number}\n" for number in range(1_000)]
    later = path + ".later"
    with open(later, "w") as file:
        file.writelines(more)
    program("producer.py", later)
    same_lines(
        program("consumer.py", "auto_offset_reset=latest", "consumer_timeout_ms=5000", f"group_id={group}"), more
    )


@check("keys, headers, timestamps and null values come back as they were sent")
def _():
    topic = f"kp-{uuid.uuid4()}"
    client = admin()
    forever = {"retention.ms": "-1"}  # the records are of 2023, which the default would let go
    client.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1, topic_configs=forever)])
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", linger_ms=5)
    sent = []
    for number in range(300):
        key = None if number % 7 == 0 else bytes([number % 256, 0, 255])
        value = None if number % 5 == 0 and key is not None else os.urandom(number)
        headers = [("h", bytes([number % 256])), ("empty", b"")] if number % 3 == 0 else []
        stamp = 1_700_000_000_000 + number
        where = producer.send(topic, key=key, value=value, headers=headers, timestamp_ms=stamp).get(timeout=30)
        sent.append((where.partition, where.offset, stamp, key, value, headers))
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", consumer_timeout_ms=3000)
    consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
    got = [(m.partition, m.offset, m.timestamp, m.key, m.value, list(m.headers)) for m in consumer]
    equal(sorted(got, key=lambda row: row[2]), sent)
    ends = consumer.end_offsets([TopicPartition(topic, partition) for partition in range(3)])
    equal(sum(ends.values()), 300, "sum of the end offsets")
    found = consumer.offsets_for_times({TopicPartition(topic, p): 1_700_000_000_000 + 150 for p in range(3)})
    for partition in range(3):
        first = min(row[1] for row in sent if row[0] == partition and row[2] >= 1_700_000_000_000 + 150)
        equal(found[TopicPartition(topic, partition)].offset, first, f"offset by time of partition {partition}")
    consumer.close()
    client.close()


@check("two consumers of a group share the partitions, and one takes over when the other leaves")
def _():
    topic = f"kp-{uuid.uuid4()}"
    client = admin()
    client.create_topics([NewTopic(topic, num_partitions=4, replication_factor=1)])
    client.close()
    assigned, leave, threads = [set(), set()], [threading.Event(), threading.Event()], []

    def member(index):
        consumer = KafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, group_id=topic, auto_offset_reset="earliest")
        while not leave[index].is_set():
            consumer.poll(200)
            assigned[index] = {each.partition for each in consumer.assignment()}
        consumer.close()
        assigned[index] = set()

    def until(expected):
        end = time.monotonic() + 40
        while [len(each) for each in assigned] != expected or len(assigned[0] | assigned[1]) != 4:
            assert time.monotonic() < end, f"{assigned} is not {expected}"
            time.sleep(0.05)

    try:
        for index in range(2):
            threads.append(threading.Thread(target=member, args=(index,), daemon=True))
            threads[index].start()
        until([2, 2])
        leave[1].set()
        until([4, 0])
    finally:
        for index in range(2):
            leave[index].set()
            threads[index].join(10)


@check("gzip, snappy, lz4 and zstd batches that are available here")
def _():
    topic = f"kp-{uuid.uuid4()}"
    done = []
    for codec in ["gzip", "snappy", "lz4", "zstd"]:
        try:
            producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, compression_type=codec, linger_ms=20)
        except RuntimeError:
            continue  # the optional library of this codec is not installed
        for number in range(500):
            producer.send(topic, f"{codec} {number}".encode())
        producer.flush()
        producer.close()
        done.append(codec)
    consumer = KafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", consumer_timeout_ms=3000)
    equal([m.value.decode() for m in consumer], [f"{codec} {n}" for codec in done for n in range(500)])
    consumer.close()
    assert "gzip" in done
    return ", ".join(done)


finish()
