"""Consumer groups: librdkafka and Apache Kafka's consumer and ConsumerGroupCommand, in both protocols, mixed in one group."""
import os
import subprocess
import tempfile
import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from checks import BOOTSTRAP, check, equal, finish

PARTITIONS = 6
RECORDS = 600
LIBS = os.environ["LIBS"]
WORK = tempfile.mkdtemp(prefix="kavka-interop-")
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def topic(prefix="groups"):
    name = f"{prefix}-{uuid.uuid4()}"
    admin.create_topics([NewTopic(name, PARTITIONS, 1)], operation_timeout=10)[name].result(20)
    return name


def produce(name, count=RECORDS):
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for number in range(count):
        producer.produce(name, str(number), partition=number % PARTITIONS)
    equal(producer.flush(30), 0, "records left in the queue")


def member(group, **settings):
    return Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group,
            "auto.offset.reset": "earliest",
            # What was seen is committed before a partition is given up, and nothing else.
            "enable.auto.offset.store": True,
            **settings,
        }
    )


MODERN = {"group.protocol": "consumer"}
CLASSIC = {"partition.assignment.strategy": "range", "heartbeat.interval.ms": 500}
COOPERATIVE = {"partition.assignment.strategy": "cooperative-sticky", "heartbeat.interval.ms": 500}


class Group:
    """Members that are polled in turn, and what they have seen."""

    def __init__(self, *topics):
        self.id = f"g-{uuid.uuid4()}"
        self.topics = list(topics)
        self.members = []
        self.seen = []

    def join(self, topics=None, **settings):
        consumer = member(self.id, **settings)
        consumer.subscribe(topics or self.topics)
        self.members.append(consumer)
        return consumer

    def poll(self):
        for consumer in self.members:
            message = consumer.poll(0.02)
            if message is not None:
                assert message.error() is None, message.error()
                self.seen.append((message.topic(), message.partition(), message.offset()))

    def until(self, holds, what, seconds=60):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"{what}: {[len(each.assignment()) for each in self.members]}, {len(self.seen)} records"
            self.poll()

    def shares(self):
        return sorted(len(each.assignment()) for each in self.members)

    def balanced(self, *shares):
        """Every partition has one owner, and the numbers are these."""

        def holds():
            owned = [(p.topic, p.partition) for each in self.members for p in each.assignment()]
            return len(owned) == len(set(owned)) and self.shares() == sorted(shares)

        self.until(holds, f"shares of {shares}")

    def close(self):
        for consumer in self.members:
            consumer.close()
        self.members = []


def seen_once(group, count):
    group.until(lambda: len(group.seen) >= count, "all records")
    equal(len(group.seen), count, "records")
    equal(len(set(group.seen)), count, "different records")


def java(*arguments, timeout=90):
    done = subprocess.run(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBS}/*", *arguments],
        capture_output=True,
        timeout=timeout,
    )
    return done.stdout.decode()


def tool(*arguments):
    name = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    said = java(name, "--bootstrap-server", BOOTSTRAP, *arguments)
    # After 30 s without an answer it prints this, exits with 0, and the lines that a check looks for are missing.
    assert "Executing consumer group command failed" not in said, said.strip()
    return said


def three_members(settings):
    first, second = topic(), topic()
    produce(first)
    produce(second)
    group = Group(first, second)
    group.join(**settings)
    group.balanced(2 * PARTITIONS)
    group.join(**settings)
    group.join(**settings)
    group.balanced(4, 4, 4)
    seen_once(group, 2 * RECORDS)
    group.members.pop(0).close()
    group.balanced(6, 6)
    produce(first)
    seen_once(group, 3 * RECORDS)
    group.close()


check("three members on two topics, cooperative-sticky")(lambda: three_members(COOPERATIVE))
check("three members on two topics, group.protocol=consumer")(lambda: three_members(MODERN))
check("three members, group.protocol=consumer, assignor range")(
    lambda: three_members({**MODERN, "group.remote.assignor": "range"})
)


@check("a new topic that matches the regular expression is picked up")
def _():
    prefix = f"re-{uuid.uuid4()}"
    group = Group()
    group.join([f"^{prefix}.*"], **MODERN)
    produce(topic(prefix))
    group.balanced(PARTITIONS)
    produce(topic(prefix))
    group.balanced(2 * PARTITIONS)
    seen_once(group, 2 * RECORDS)
    group.close()


@check("new partitions are picked up")
def _():
    name = topic()
    group = Group(name)
    group.join(**MODERN)
    group.balanced(PARTITIONS)
    admin.create_partitions([NewPartitions(name, PARTITIONS + 2)])[name].result(20)
    group.balanced(PARTITIONS + 2)
    group.close()


def migrates(settings):
    name = topic()
    produce(name)
    group = Group(name)
    classic = [group.join(**settings), group.join(**settings)]
    group.balanced(3, 3)
    group.until(lambda: len(group.seen) >= RECORDS, "all records")
    modern = group.join(**MODERN)
    group.balanced(2, 2, 2)
    produce(name)
    group.until(lambda: len(set(group.seen)) >= 2 * RECORDS, "all records")
    group.members.remove(modern)
    modern.close()
    group.balanced(3, 3)
    produce(name)
    group.until(lambda: len(set(group.seen)) >= 3 * RECORDS, "all records")
    equal(len(set(group.seen)), 3 * RECORDS, "different records")
    for each in classic:
        group.members.remove(each)
        group.join(**MODERN)
        each.close()
    group.balanced(3, 3)
    group.close()


check("a live group goes over to the consumer protocol and back, range")(lambda: migrates(CLASSIC))
check("a live group goes over to the consumer protocol and back, cooperative-sticky")(lambda: migrates(COOPERATIVE))


@check("Kafka's own consumer and librdkafka in one group, group.protocol=consumer")
def _():
    name = topic()
    produce(name)
    group = Group(name)
    group.join(**MODERN)
    group.balanced(PARTITIONS)
    process = subprocess.Popen(
        ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBS}/*"]
        + ["org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", BOOTSTRAP, "--topic", name]
        + ["--group", group.id, "--consumer-property", "group.protocol=consumer", "--timeout-ms", "15000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        group.balanced(3)
        group.until(lambda: len(group.seen) >= RECORDS, "all records")
        produce(name)
        group.until(lambda: len(group.seen) >= RECORDS + RECORDS // 2, "half of the new records")
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            group.poll()
        printed = process.communicate(timeout=30)[0].decode().splitlines()
    finally:
        process.kill()
    # Its last line may be a count.
    equal(len([line for line in printed if line.isdigit()]), RECORDS // 2, "records of Kafka's consumer")
    group.balanced(PARTITIONS)
    group.close()


def described(settings, kind):
    name = topic()
    produce(name)
    group = Group(name)
    group.join(**settings, **{"group.instance.id": "instance-1"})
    group.balanced(PARTITIONS)
    seen_once(group, RECORDS)
    for consumer in group.members:
        consumer.commit(asynchronous=False)
    assert f"{group.id}" in tool("--list"), "listed"
    listing = tool("--list", "--type", kind, "--state")
    assert any(group.id in line and "Stable" in line for line in listing.splitlines()), listing
    rows = [line.split() for line in tool("--describe", "--group", group.id).splitlines() if group.id in line]
    equal([row[3:6] for row in rows], [[str(RECORDS // PARTITIONS)] * 2 + ["0"]] * PARTITIONS, "offsets and lag")
    members = tool("--describe", "--group", group.id, "--members", "--verbose")
    assert "instance-1" in members and f"{name}:0,1,2,3,4,5" in members, members
    assert "could not be deleted" in tool("--delete", "--group", group.id), "it has members"
    group.close()


@check("ConsumerGroupCommand describes members of the consumer protocol")
def _():
    described(MODERN, "consumer")


@check("ConsumerGroupCommand describes members of the classic protocol")
def _():
    described(CLASSIC, "classic")


@check("ConsumerGroupCommand resets and deletes offsets and groups")
def _():
    name = topic()
    produce(name)
    group = Group(name)
    group.join(**MODERN)
    seen_once(group, RECORDS)
    group.close()

    def offsets():
        lines = tool("--describe", "--group", group.id).splitlines()
        return [line.split()[3] for line in lines if line.startswith(group.id)]

    equal(offsets(), ["100"] * 6, "committed when it left")
    tool("--reset-offsets", "--group", group.id, "--topic", name, "--shift-by", "-40", "--execute")
    equal(offsets(), ["60"] * 6, "shifted")
    tool("--reset-offsets", "--group", group.id, "--topic", f"{name}:0,1", "--to-earliest", "--execute")
    equal(sorted(offsets()), ["0", "0", "60", "60", "60", "60"], "two reset")
    export = tool("--reset-offsets", "--group", group.id, "--all-topics", "--to-latest", "--export", "--dry-run")
    path = os.path.join(WORK, "offsets.csv")
    with open(path, "w") as file:
        file.write(export.strip() + "\n")
    tool("--reset-offsets", "--group", group.id, "--from-file", path, "--execute")
    equal(offsets(), ["100"] * 6, "from the file")
    tool("--delete-offsets", "--group", group.id, "--topic", f"{name}:0")
    equal(offsets(), ["100"] * 5, "one deleted")
    assert "was successful" in tool("--delete", "--group", group.id)
    assert group.id not in tool("--list")


finish()
