"""confluent-kafka (librdkafka): admin, idempotent produce, every codec, groups, a record of 1 MB."""
import os
import time
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from checks import BOOTSTRAP, check, equal, finish

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(partitions=1, **config):
    topic = f"ck-{uuid.uuid4()}"
    new = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
    admin.create_topics([new], operation_timeout=10)[topic].result(20)
    return topic


def produce(topic, records, **settings):
    """Produces (key, value, headers, timestamp) rows in order and returns [(partition, offset)]."""
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "message.max.bytes": 2_000_000, **settings})
    where = [None] * len(records)

    def delivered(index):
        def callback(error, message):
            where[index] = error if error else (message.partition(), message.offset())

        return callback

    for index, (key, value, headers, stamp) in enumerate(records):
        while True:
            try:
                producer.produce(
                    topic, key=key, value=value, headers=headers, timestamp=stamp, on_delivery=delivered(index)
                )
                break
            except BufferError:  # the client's queue is full
                producer.poll(0.1)
        producer.poll(0)
    equal(producer.flush(60), 0, "records left in the queue")
    for each in where:
        assert isinstance(each, tuple), f"not delivered: {each}"
    return where


def read_all(topic, count, partitions=1, seconds=30, **settings):
    """Reads `count` messages of all partitions from their beginning, without a group."""
    consumer = Consumer(
        {"bootstrap.servers": BOOTSTRAP, "group.id": f"none-{uuid.uuid4()}", "enable.auto.commit": False, **settings}
    )
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    got, end = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < end:
        for message in consumer.consume(1000, 0.5):
            assert message.error() is None, message.error()
            got.append(message)
    extra = consumer.consume(1, 0.3)
    consumer.close()
    equal((len(got), len(extra)), (count, 0), "messages read")
    return got


@check("admin: create, list, describe configuration, delete")
def _():
    topic = create(3, **{"retention.ms": "3600000"})
    metadata = admin.list_topics(timeout=10)
    equal(sorted(metadata.topics[topic].partitions), [0, 1, 2], "partitions")
    assert metadata.controller_id in metadata.brokers, f"controller {metadata.controller_id}"
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    config = admin.describe_configs([resource])[resource].result(20)
    equal(config["retention.ms"].value, "3600000", "retention.ms")
    equal(config["cleanup.policy"].value, "delete", "cleanup.policy")
    cluster = admin.describe_cluster().result(20)
    assert cluster.cluster_id and len(cluster.nodes) == len(metadata.brokers)
    admin.delete_topics([topic])[topic].result(20)
    end = time.monotonic() + 10
    while topic in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < end, "the topic is still listed"


@check("admin: a topic that exists, a bad name, a bad configuration are refused by their names")
def _():
    topic = create()

    def code(new):
        try:
            admin.create_topics([new])[new.topic].result(20)
        except KafkaException as error:
            return error.args[0].code()
        return None

    equal(code(NewTopic(topic, 1, 1)), KafkaError.TOPIC_ALREADY_EXISTS, "create again")
    equal(code(NewTopic("no/slash", 1, 1)), KafkaError.TOPIC_EXCEPTION, "bad name")
    equal(code(NewTopic("ck-config", 1, 1, config={"retention.ms": "soon"})), KafkaError.INVALID_CONFIG, "bad value")
    equal(code(NewTopic("ck-replicas", 1, 5)), KafkaError.INVALID_REPLICATION_FACTOR, "five replicas")


@check("idempotent produce with keys, headers, nulls and timestamps, read back byte for byte")
def _():
    topic = create()
    rows = []
    for number in range(5_000):
        key = None if number % 3 == 0 else os.urandom(8)
        value = None if number % 11 == 0 and key else os.urandom(number % 200)
        headers = [("a", b"\x00\xff"), ("a", b"twice"), ("none", None)] if number % 4 == 0 else None
        rows.append((key, value, headers, 1_600_000_000_000 + number))
    where = produce(topic, rows, **{"enable.idempotence": True, "linger.ms": 5})
    equal(where, [(0, offset) for offset in range(len(rows))], "offsets")
    got = read_all(topic, len(rows))
    back = [(m.key(), m.value(), m.headers(), m.timestamp()[1]) for m in got]
    for left, right in zip(back, rows):
        equal(left, right)


for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:

    @check(f"codec {codec}: 20,000 records in 3 partitions")
    def _():
        topic = create(3)
        rows = [(f"k{n % 50}".encode(), f"{codec} value {n} ".encode() * 8, None, 1_600_000_000_000) for n in range(20_000)]
        where = produce(topic, rows, **{"compression.type": codec, "linger.ms": 20})
        got = {(m.partition(), m.offset()): (m.key(), m.value()) for m in read_all(topic, len(rows), 3)}
        equal(len(got), len(rows), "distinct positions")
        for place, row in zip(where, rows):
            equal(got[place], row[:2])


@check("acks=0 and acks=1 are delivered")
def _():
    topic = create()
    for acks in ["0", "1"]:
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "acks": acks})
        for number in range(200):
            producer.produce(topic, f"{acks} {number}")
        equal(producer.flush(20), 0, "left")
    equal([m.value().decode() for m in read_all(topic, 400)], [f"{a} {n}" for a in "01" for n in range(200)])


@check("a record of 1 MB goes through, one above message.max.bytes is refused")
def _():
    topic = create()
    big = os.urandom(1_048_000)
    produce(topic, [(None, big, None, 1)])
    equal(read_all(topic, 1)[0].value(), big)
    failures = []
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "message.max.bytes": 4_000_000, "message.timeout.ms": 20_000})
    producer.produce(topic, os.urandom(1_200_000), on_delivery=lambda error, _: failures.append(error))
    producer.flush(30)
    equal(failures[0].code() if failures[0] else None, KafkaError.MSG_SIZE_TOO_LARGE, "error")
    equal(produce(topic, [(None, b"after", None, 1)]), [(0, 1)], "next offset")


@check("a group consumes, commits, and continues after a restart")
def _():
    topic, group = create(4), f"ck-group-{uuid.uuid4()}"
    settings = {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    rows = [(str(n).encode(), f"{n}".encode(), None, 1) for n in range(1_000)]
    produce(topic, rows[:600])

    def consume(count, seconds=40):
        consumer = Consumer(settings)
        consumer.subscribe([topic])
        got, end = [], time.monotonic() + seconds
        while len(got) < count and time.monotonic() < end:
            message = consumer.poll(0.5)
            if message is not None:
                assert message.error() is None, message.error()
                got.append(int(message.value()))
        if got:
            consumer.commit(asynchronous=False)
        left = consumer.poll(0.5)
        consumer.close()
        assert left is None, "a record too many"
        return sorted(got)

    equal(consume(600), list(range(600)))
    produce(topic, rows[600:])
    equal(consume(400), list(range(600, 1_000)))
    consumer = Consumer(settings)
    committed = consumer.committed([TopicPartition(topic, partition) for partition in range(4)], timeout=10)
    equal(sum(each.offset for each in committed), 1_000, "sum of the committed offsets")
    low_high = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10) for p in range(4)]
    equal(sum(high for _, high in low_high), 1_000, "sum of the high watermarks")
    consumer.close()


@check("a waiting consumer gets a new record at once")
def _():
    topic = create()
    consumer = Consumer(
        {"bootstrap.servers": BOOTSTRAP, "group.id": "w", "enable.auto.commit": False, "fetch.wait.max.ms": 5_000}
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert consumer.poll(1.5) is None
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    producer.produce(topic, b"warm")  # the first record also pays for the producer's connection
    producer.flush(10)
    assert consumer.poll(10) is not None
    taken = []
    for _ in range(5):
        time.sleep(0.3)
        begin = time.monotonic()
        producer.produce(topic, b"now")
        producer.poll(0)
        message = consumer.poll(10)
        assert message is not None and message.error() is None
        taken.append((time.monotonic() - begin) * 1_000)
    producer.flush(10)
    consumer.close()
    assert sorted(taken)[2] < 1_000, f"median of {taken} ms with fetch.wait.max.ms=5000"
    return f"median {sorted(taken)[2]:.0f} ms"


finish()
