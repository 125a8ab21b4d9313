"""kafka-python as a program of the contract in ../CONTRACT.md."""
import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.consumer.subscription_state import ConsumerRebalanceListener

from ops import BOOTSTRAP, Member, record, records, serve, until

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def hello(_):
    return {"client": "kafka-python", "version": kafka.__version__, "lacks": ["group consumer"]}


def metadata(request):
    brokers = [each["broker_id"] for each in admin.describe_cluster()["brokers"]]
    (topic,) = admin.describe_topics([request["topic"]])
    partitions = [{"id": p["partition_index"], "leader": p["leader_id"]} for p in topic["partitions"]]
    return {"brokers": brokers, "partitions": partitions}


def create_topic(request):
    new = NewTopic(request["topic"], request["partitions"], 1, topic_configs=request.get("configs", {}))
    admin.create_topics([new])


def describe_config(request):
    resource = ConfigResource(ConfigResourceType.TOPIC, request["topic"])
    found = admin.describe_configs([resource], config_filter="all")
    return found["topic"][request["topic"]][request["key"]]["value"]


def alter_config(request):
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, request["topic"], {request["key"]: request["value"]})])


def produce(request):
    codec = None if request["codec"] == "none" else request["codec"]
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP, compression_type=codec, acks="all", linger_ms=5, max_request_size=8_000_000,
        retries=3,
    )
    try:
        sent = [
            producer.send(request["topic"], value, key, headers, partition, timestamp)
            for partition, key, value, headers, timestamp in records(request)
        ]
        for each in sent:
            each.get(30)
    finally:
        producer.close(5)


def message(m):
    return record(m.partition, m.offset, m.key, m.value, m.headers, m.timestamp)


def reader():
    return KafkaConsumer(
        bootstrap_servers=BOOTSTRAP, max_partition_fetch_bytes=4_000_000, enable_auto_commit=False,
        auto_offset_reset="none",  # where a record is gone, an error says so
    )


def read(request):
    consumer = reader()
    partition = TopicPartition(request["topic"], request["partition"])
    consumer.assign([partition])
    consumer.seek(partition, request["from"])
    got = []

    def enough():
        for batch in consumer.poll(200).values():
            got.extend(message(m) for m in batch)
        return len(got) >= request["count"]

    until(enough, lambda: f"read {len(got)} records")
    consumer.close()
    return got


def seek(request):
    consumer = reader()
    partition = TopicPartition(request["topic"], request["partition"])
    consumer.assign([partition])
    got = []
    for offset in request["offsets"]:
        consumer.seek(partition, offset)
        found = []

        def enough():
            found.extend(m for batch in consumer.poll(200, max_records=1).values() for m in batch)
            return found

        until(enough, lambda: f"no record at {offset}")
        got.append(message(found[0]))
    consumer.close()
    return got


def offsets(request):
    consumer = reader()
    partition = TopicPartition(request["topic"], request["partition"])

    def offset(time):
        if time == -1:
            return consumer.end_offsets([partition])[partition]
        if time == -2:
            return consumer.beginning_offsets([partition])[partition]
        found = consumer.offsets_for_times({partition: time})[partition]
        return -1 if found is None else found.offset

    result = [offset(time) for time in request["times"]]
    consumer.close()
    return result


class GroupMember(Member, ConsumerRebalanceListener):
    """This client commits what `poll` returned before it gives a partition up: its listeners must not block."""

    def __init__(self, request):
        super().__init__()
        self.consumer = KafkaConsumer(
            bootstrap_servers=BOOTSTRAP, group_id=request["group"], auto_offset_reset="earliest",
            heartbeat_interval_ms=500, session_timeout_ms=30_000,
            partition_assignment_strategy=[RangePartitionAssignor],
        )
        self.consumer.subscribe([request["topic"]], listener=self)

    def on_partitions_revoked(self, revoked):
        self.assigned = []

    def on_partitions_assigned(self, assigned):
        self.assigned = [each.partition for each in assigned]

    def work(self):
        while not self.leaving.is_set():
            for batch in self.consumer.poll(100).values():
                with self.lock:
                    self.taken.extend([m.partition, m.offset] for m in batch)
        self.consumer.close()


serve(
    {
        "hello": hello,
        "metadata": metadata,
        "createTopic": create_topic,
        "listTopics": lambda _: admin.list_topics(),
        "describeConfig": describe_config,
        "alterConfig": alter_config,
        "createPartitions": lambda r: admin.create_partitions({r["topic"]: NewPartitions(r["count"])}) and None,
        "deleteTopic": lambda r: admin.delete_topics([r["topic"]]) and None,
        "produce": produce,
        "read": read,
        "seek": seek,
        "offsets": offsets,
        "join": GroupMember,
    },
    lambda error: getattr(error, "errno", None),
)
