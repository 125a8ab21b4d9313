"""PyPI's cloudevents, unchanged: events written over HTTP in two modes and over Kafka in two, read over both."""
import datetime
import json
import os
import urllib.request

from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from kafka import KafkaConsumer, KafkaProducer

HTTP, BOOTSTRAP, TOPIC = (os.environ[name] for name in ("HTTP", "BOOTSTRAP", "TOPIC"))
NAMES = ["type", "source", "id", "specversion", "time", "subject", "partitionkey", "datacontenttype", "comexample"]


def make(id, data, type="application/json"):
    return CloudEvent({
        "id": id,
        "type": "com.example.someevent",
        "source": "/mycontext/subcontext",
        "time": datetime.datetime(2026, 4, 5, 17, 31, tzinfo=datetime.timezone.utc),
        "subject": 'Euro € 😀, 50% "quoted"',
        "partitionkey": "kéy",
        "comexample": "value",
        "datacontenttype": type,
    }, data)


def plain(event):
    attributes = event.get_attributes()
    return [attributes.get(name) for name in NAMES], event.get_data()


def post(message):
    request = urllib.request.Request(f"{HTTP}/v1/topics/{TOPIC}/records", message.body, message.headers)
    assert urllib.request.urlopen(request, timeout=20).status == 200


document = {"a": "ä", "n": [1, None, True]}
events = [
    make("http-binary", document),
    make("http-structured", "<a>ä</a>", "application/xml"),
    make("http-bytes", b"\xff\x00", "application/octet-stream"),
    make("kafka-binary", document),
    make("kafka-structured", document),
]
post(http.to_binary_event(events[0]))
post(http.to_structured_event(events[1]))
post(http.to_structured_event(events[2]))
producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
for message in kafka.to_binary_event(events[3]), kafka.to_structured_event(events[4]):
    producer.send(TOPIC, message.value, message.key.encode(), headers=list(message.headers.items()))
producer.close()

url = f"{HTTP}/v1/topics/{TOPIC}/partitions/0/records?format=cloudevents"
batch = json.load(urllib.request.urlopen(url, timeout=20))
over_http = [JSONFormat().read(None, json.dumps(each)) for each in batch]
assert [plain(each) for each in over_http] == [plain(each) for each in events], over_http

consumer = KafkaConsumer(TOPIC, bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", consumer_timeout_ms=5_000)
records = []
for record in consumer:
    records.append(record)
    if len(records) == len(events):
        break
over_kafka = [
    kafka.from_kafka_event(kafka.KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value))
    for record in records
]
assert [plain(each) for each in over_kafka] == [plain(each) for each in events], [plain(each) for each in over_kafka]
consumer.close()
