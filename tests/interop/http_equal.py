"""One topic, two doors: what Kafka clients wrote reads the same over HTTP byte for byte, and the other way round."""
import base64
import json
import os
import random
import urllib.request
import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from checks import BOOTSTRAP, HTTP, check, equal, finish

PARTITIONS = 2
FOREVER = {"retention.ms": "-1"}  # the records are old, and the default would let them go
topic = f"equal-{uuid.uuid4()}"
rows = []  # (partition, offset, timestamp, key, value, headers) as the producer was told


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(HTTP + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def plain(data):
    """Bytes of a key or value as HTTP shows it."""
    if data is None:
        return None
    if data["type"] == "binary":
        return base64.b64decode(data["data"], validate=True)
    if data["type"] == "json":
        return json.dumps(data["data"]).encode()
    return data["data"].encode()


def over_http(name, partition, query):
    got, offset = [], 0
    while True:
        page = call("GET", f"/v1/topics/{name}/partitions/{partition}/records?offset={offset}&{query}")
        for record in page["records"]:
            headers = [(each["key"], plain(each["value"])) for each in record["headers"]]
            got.append(
                (partition, record["offset"], record["timestamp"], plain(record["key"]), plain(record["value"]), headers)
            )
        if not page["records"]:
            equal(page["nextOffset"], page["highWatermark"], "nextOffset at the end")
            return got
        offset = page["nextOffset"]


def over_kafka(name, partition, count):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "equal", "enable.auto.commit": False})
    consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING)])
    messages = consumer.consume(count, 20)
    consumer.close()
    return [(m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value(), m.headers() or []) for m in messages]


def random_bytes(generator):
    shape = generator.randrange(5)
    if shape == 0:
        return None
    if shape == 1:
        return b""
    if shape == 2:
        return "grüße, \u0000 \U0001f426".encode()
    if shape == 3:
        return b'{"big": 12345678901234567890}'
    return generator.randbytes(generator.randrange(1, 400))


@check("records of every shape go in over Kafka, in each codec")
def _():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1, config=FOREVER)])[topic].result(20)
    generator = random.Random(7)
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "compression.type": codec, "linger.ms": 20})
        for _ in range(400):
            key, value = random_bytes(generator), random_bytes(generator)
            # librdkafka ends a header's name at a zero byte.
            names = [(random_bytes(generator) or b"h").replace(b"\0", b"0") for _ in range(generator.randrange(3))]
            headers = [name.decode("latin-1") for name in names]
            headers = [(name, random_bytes(generator)) for name in headers]
            stamp = generator.randrange(1, 1_700_000_000_000)  # the future is out of bounds by default

            def delivered(error, message, row=(stamp, key, value, headers)):
                assert error is None, error
                rows.append((message.partition(), message.offset(), *row))

            producer.produce(
                topic, key=key, value=value, headers=headers, timestamp=stamp,
                partition=generator.randrange(PARTITIONS), on_delivery=delivered,
            )
        equal(producer.flush(30), 0, "left in the queue")
    rows.sort()
    equal(len(rows), 2_000, "delivered")


for query in ["format=binary&maxRecords=300", "format=auto&maxBytes=5000", "format=binary&maxRecords=1000&waitMs=50"]:

    @check(f"HTTP gives the same bytes: {query}")
    def _():
        got = [row for partition in range(PARTITIONS) for row in over_http(topic, partition, query)]
        equal(len(got), len(rows), "records")
        for left, right in zip(got, rows):
            equal(left, right)


@check("a Kafka consumer gives the same bytes as HTTP")
def _():
    for partition in range(PARTITIONS):
        mine = [row for row in rows if row[0] == partition]
        equal(over_kafka(topic, partition, len(mine)), over_http(topic, partition, "format=binary"))


@check("HTTP finds a position by timestamp")
def _():
    wanted = sorted(row[2] for row in rows if row[0] == 0)[100]
    page = call("GET", f"/v1/topics/{topic}/partitions/0/records?timestamp={wanted}&maxRecords=1&format=binary")
    first = min(row[1] for row in rows if row[0] == 0 and row[2] >= wanted)
    equal(page["records"][0]["offset"], first, "offset")


@check("records that go in over HTTP come out of a Kafka consumer with the same bytes")
def _():
    name, generator = f"{topic}-back", random.Random(8)
    call("POST", "/v1/topics", {"name": name, "partitionCount": PARTITIONS, "configs": FOREVER})

    def shown(data):
        return None if data is None else {"type": "binary", "data": base64.b64encode(data).decode()}

    sent = []
    for batch in range(5):
        records, expected = [], []
        for number in range(50):
            key, value, extra = (random_bytes(generator) for _ in range(3))
            stamp = 1_700_000_000_000 + number
            records.append(
                {
                    "partition": number % PARTITIONS,
                    "timestamp": stamp,
                    "key": shown(key),
                    "value": shown(value),
                    "headers": [{"key": "h", "value": shown(extra)}],
                }
            )
            expected.append((stamp, key, value, [("h", extra)]))
        answer = call("POST", f"/v1/topics/{name}/records", {"records": records})
        for place, row in zip(answer["records"], expected):
            sent.append((place["partition"], place["offset"], *row))
    sent.sort()
    for partition in range(PARTITIONS):
        mine = [row for row in sent if row[0] == partition]
        equal(over_kafka(name, partition, len(mine)), mine)


@check("topics are listed, described and deleted over HTTP, and the Kafka side agrees")
def _():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    listed = call("GET", "/v1/topics?limit=1000")["topics"]
    assert topic in [each["name"] for each in listed], "not listed"
    described = call("GET", f"/v1/topics/{topic}")
    equal([each["highWatermark"] for each in described["partitions"]], [sum(r[0] == p for r in rows) for p in range(PARTITIONS)])
    call("DELETE", f"/v1/topics/{topic}")
    assert topic not in admin.list_topics(timeout=10).topics, "still in the metadata"
    equal(call("GET", "/healthz") is not None, True, "healthz")


finish()
