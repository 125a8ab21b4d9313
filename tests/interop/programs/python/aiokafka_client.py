"""aiokafka as a program of the contract in ../CONTRACT.md."""
import asyncio
import threading

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from ops import BOOTSTRAP, DEADLINE_S, KafkaFailure, Member, record, records, serve

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()


def wait(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(DEADLINE_S)


async def started(make):
    client = make()
    await client.start()
    return client


admin = wait(started(lambda: AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)))


def on_loop(function):
    return lambda request: wait(function(request))


def hello(_):
    return {"client": "aiokafka", "version": aiokafka.__version__, "lacks": ["group consumer"]}


async def metadata(request):
    brokers = [each["node_id"] for each in (await admin.describe_cluster())["brokers"]]
    (topic,) = await admin.describe_topics([request["topic"]])
    if topic["error_code"]:
        raise KafkaFailure(topic["error_code"])
    return {"brokers": brokers, "partitions": [{"id": p["partition"], "leader": p["leader"]} for p in topic["partitions"]]}


def first_error(entries):
    """This client returns the codes of the answer: (topic, code, …)."""
    for entry in entries:
        if entry[1] != 0:
            raise KafkaFailure(*entry[1:3])


async def create_topic(request):
    new = NewTopic(request["topic"], request["partitions"], 1, topic_configs=request.get("configs", {}))
    first_error((await admin.create_topics([new])).topic_errors)


async def delete_topic(request):
    first_error((await admin.delete_topics([request["topic"]])).topic_error_codes)


async def create_partitions(request):
    await admin.create_partitions({request["topic"]: NewPartitions(request["count"])})


async def describe_config(request):
    resource = ConfigResource(ConfigResourceType.TOPIC, request["topic"])
    (answer,) = await admin.describe_configs([resource])
    (found,) = answer.resources
    if found[0]:
        raise KafkaFailure(*found[:2])
    return next(entry[1] for entry in found[4] if entry[0] == request["key"])


async def alter_config(request):
    resource = ConfigResource(ConfigResourceType.TOPIC, request["topic"], {request["key"]: request["value"]})
    for answer in await admin.alter_configs([resource]):
        for code, text, *_ in answer.resources:
            if code:
                raise KafkaFailure(code, text)


async def produce(request):
    codec = None if request["codec"] == "none" else request["codec"]
    producer = AIOKafkaProducer(
        bootstrap_servers=BOOTSTRAP, compression_type=codec, linger_ms=5, max_request_size=8_000_000,
        enable_idempotence=True,
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                request["topic"], value, key, partition=partition, timestamp_ms=timestamp, headers=headers
            )
            for partition, key, value, headers, timestamp in records(request)
        ]
        for each in sent:
            await asyncio.wait_for(each, 30)
    finally:
        await producer.stop()


def message(m):
    return record(m.partition, m.offset, m.key, m.value, m.headers, m.timestamp)


def reader(**settings):
    return AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, max_partition_fetch_bytes=4_000_000, enable_auto_commit=False,
        # Where a record is gone, an error says so.
        **{"auto_offset_reset": "none", **settings},
    )


async def read(request):
    consumer = await started(reader)
    try:
        partition = TopicPartition(request["topic"], request["partition"])
        consumer.assign([partition])
        consumer.seek(partition, request["from"])
        return [message(await asyncio.wait_for(consumer.getone(), 20)) for _ in range(request["count"])]
    finally:
        await consumer.stop()


async def seek(request):
    consumer = await started(reader)
    try:
        partition = TopicPartition(request["topic"], request["partition"])
        consumer.assign([partition])
        got = []
        for offset in request["offsets"]:
            consumer.seek(partition, offset)
            got.append(message(await asyncio.wait_for(consumer.getone(), 20)))
        return got
    finally:
        await consumer.stop()


async def offsets(request):
    consumer = await started(reader)
    partition = TopicPartition(request["topic"], request["partition"])

    async def offset(time):
        if time == -1:
            return (await consumer.end_offsets([partition]))[partition]
        if time == -2:
            return (await consumer.beginning_offsets([partition]))[partition]
        found = (await consumer.offsets_for_times({partition: time}))[partition]
        return -1 if found is None else found.offset

    try:
        return [await offset(time) for time in request["times"]]
    finally:
        await consumer.stop()


class GroupMember(Member, ConsumerRebalanceListener):
    """Commits what it took before it gives a partition up."""

    def __init__(self, request):
        super().__init__()
        self.request = request

    async def on_partitions_revoked(self, revoked):
        if self.consumer.assignment():
            await self.commit()
        self.assigned = []

    async def on_partitions_assigned(self, assigned):
        self.assigned = [each.partition for each in assigned]

    async def commit(self):
        """What was taken, not what was fetched: the listener runs beside the loop that takes."""
        if self.positions:
            await self.consumer.commit(self.positions)
        self.positions = {}

    async def poll(self):
        self.positions = {}
        self.consumer = reader(
            group_id=self.request["group"], auto_offset_reset="earliest", heartbeat_interval_ms=500,
            session_timeout_ms=30_000, partition_assignment_strategy=[RangePartitionAssignor],
        )
        await self.consumer.start()
        self.consumer.subscribe([self.request["topic"]], listener=self)
        while not self.leaving.is_set():
            for partition, batch in (await self.consumer.getmany(timeout_ms=100)).items():
                with self.lock:
                    self.taken.extend([m.partition, m.offset] for m in batch)
                self.positions[partition] = batch[-1].offset + 1
        await self.commit()
        await self.consumer.stop()

    def work(self):
        asyncio.run_coroutine_threadsafe(self.poll(), loop).result()


serve(
    {
        "hello": hello,
        "metadata": on_loop(metadata),
        "createTopic": on_loop(create_topic),
        "listTopics": on_loop(lambda _: admin.list_topics()),
        "describeConfig": on_loop(describe_config),
        "alterConfig": on_loop(alter_config),
        "createPartitions": on_loop(create_partitions),
        "deleteTopic": on_loop(delete_topic),
        "produce": on_loop(produce),
        "read": on_loop(read),
        "seek": on_loop(seek),
        "offsets": on_loop(offsets),
        "join": GroupMember,
    },
    lambda error: getattr(error, "errno", None),
)
