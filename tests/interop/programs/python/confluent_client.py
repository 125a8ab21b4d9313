"""confluent-kafka (librdkafka) as a program of the contract in ../CONTRACT.md."""
import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
)

from ops import BOOTSTRAP, Member, record, records, serve, until

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def hello(_):
    version = f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"
    return {"client": "confluent-kafka", "version": version, "lacks": []}


def metadata(request):
    found = admin.list_topics(request["topic"], timeout=20)
    topic = found.topics[request["topic"]]
    if topic.error:
        raise KafkaException(topic.error)
    return {"brokers": list(found.brokers), "partitions": [{"id": p.id, "leader": p.leader} for p in topic.partitions.values()]}


def create_topic(request):
    new = NewTopic(request["topic"], request["partitions"], 1, config=request.get("configs", {}))
    admin.create_topics([new], operation_timeout=10)[request["topic"]].result(20)


def delete_topic(request):
    admin.delete_topics([request["topic"]], operation_timeout=10)[request["topic"]].result(20)


def create_partitions(request):
    admin.create_partitions([NewPartitions(request["topic"], request["count"])])[request["topic"]].result(20)


def describe_config(request):
    resource = ConfigResource(ConfigResource.Type.TOPIC, request["topic"])
    return admin.describe_configs([resource])[resource].result(20)[request["key"]].value


def alter_config(request):
    entry = ConfigEntry(request["key"], request["value"], incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, request["topic"], incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(20)


def produce(request):
    producer = Producer({
        "bootstrap.servers": BOOTSTRAP, "compression.type": request["codec"], "linger.ms": 5,
        "message.max.bytes": 8_000_000, "enable.idempotence": True,
    })
    failures = []
    for partition, key, value, headers, timestamp in records(request):
        producer.produce(
            request["topic"], value, key, partition, lambda error, _: error and failures.append(error),
            timestamp=timestamp, headers=headers or None,
        )
        producer.poll(0)
    if producer.flush(30) > 0:
        raise TimeoutError("records are left in the queue")
    if failures:
        raise KafkaException(failures[0])


def message(m):
    if m.error():
        raise KafkaException(m.error())
    return record(m.partition(), m.offset(), m.key(), m.value(), m.headers(), m.timestamp()[1])


def reader(**settings):
    return Consumer({
        "bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False,
        # Where a record is gone, an error says so; from the end on one would wait in vain.
        "fetch.message.max.bytes": 4_000_000, "auto.offset.reset": "error", **settings,
    })


def read(request):
    consumer = reader()
    consumer.assign([TopicPartition(request["topic"], request["partition"], request["from"])])
    got = []

    def enough():
        got.extend(message(m) for m in consumer.consume(request["count"] - len(got), 0.2))
        return len(got) >= request["count"]

    until(enough, lambda: f"read {len(got)} records")
    consumer.close()
    return got


def seek(request):
    consumer = reader()
    got = []
    for index, offset in enumerate(request["offsets"]):
        place = TopicPartition(request["topic"], request["partition"], offset)
        if index == 0:
            consumer.assign([place])
        else:
            consumer.seek(place)
        found = []

        def enough():
            found.extend(consumer.consume(1, 0.2))
            return found

        until(enough, lambda: f"no record at {offset}")
        got.append(message(found[0]))
    consumer.close()
    return got


def offsets(request):
    consumer = reader()
    low, high = consumer.get_watermark_offsets(TopicPartition(request["topic"], request["partition"]), timeout=20)

    def offset(time):
        if time < 0:
            return high if time == -1 else low
        (found,) = consumer.offsets_for_times([TopicPartition(request["topic"], request["partition"], time)], timeout=20)
        return found.offset  # OFFSET_END is -1

    result = [offset(time) for time in request["times"]]
    consumer.close()
    return result


class GroupMember(Member):
    """Commits what it took before it gives a partition up."""

    def __init__(self, request):
        super().__init__()
        classic = {
            "partition.assignment.strategy": "range", "heartbeat.interval.ms": 500, "session.timeout.ms": 30_000,
        }
        chosen = {"group.protocol": "consumer"} if request["protocol"] == "consumer" else classic
        self.consumer = reader(**{"group.id": request["group"], "auto.offset.reset": "earliest", **chosen})
        self.consumer.subscribe([request["topic"]], on_assign=self.on_assign, on_revoke=self.on_revoke)

    def on_assign(self, _, partitions):
        self.assigned = sorted({*self.assigned, *(each.partition for each in partitions)})

    def on_revoke(self, _, partitions):
        self.commit()
        self.assigned = [each for each in self.assigned if each not in {p.partition for p in partitions}]

    def commit(self):
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].name() != "_NO_OFFSET":
                raise

    def work(self):
        while not self.leaving.is_set():
            m = self.consumer.poll(0.1)
            if m is not None:
                message(m)
                with self.lock:
                    self.taken.append([m.partition(), m.offset()])
        self.consumer.close()


def error_code(error):
    return error.args[0].code() if isinstance(error, KafkaException) else None


serve(
    {
        "hello": hello,
        "metadata": metadata,
        "createTopic": create_topic,
        "listTopics": lambda _: list(admin.list_topics(timeout=20).topics),
        "describeConfig": describe_config,
        "alterConfig": alter_config,
        "createPartitions": create_partitions,
        "deleteTopic": delete_topic,
        "produce": produce,
        "read": read,
        "seek": seek,
        "offsets": offsets,
        "join": GroupMember,
    },
    error_code,
)
