"""A copy job with confluent-kafka: what ../copy_job.py starts and kills.

Arguments: bootstrap, group, input, output, transactional id.
"""
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition


def rewind(consumer):
    """Back to what was committed last, so that what was aborted is read again."""
    for place in consumer.committed(consumer.assignment(), timeout=20):
        offset = place.offset if place.offset >= 0 else OFFSET_BEGINNING
        consumer.seek(TopicPartition(place.topic, place.partition, offset))


def main(bootstrap, group, source, target, transactional_id):
    common = {"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 200, "log_level": 2}
    consumer = Consumer(
        {
            **common,
            "group.id": group,
            "group.instance.id": transactional_id,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 200,
        }
    )
    producer = Producer(
        {**common, "transactional.id": transactional_id, "transaction.timeout.ms": 30_000, "linger.ms": 0}
    )
    producer.init_transactions(60)
    consumer.subscribe([source])
    while True:
        messages = [each for each in consumer.consume(200, 0.2) if each.error() is None]
        if not messages:
            continue
        try:
            producer.begin_transaction()
            for message in messages:
                producer.produce(target, message.value()[::-1], partition=message.partition())
            offsets = {}
            for message in messages:
                offsets[message.partition()] = TopicPartition(source, message.partition(), message.offset() + 1)
            producer.send_offsets_to_transaction(
                list(offsets.values()), consumer.consumer_group_metadata(), 30
            )
            while True:
                try:
                    producer.commit_transaction(30)
                    break
                except KafkaException as error:
                    if not error.args[0].retriable():
                        raise
            print("committed", flush=True)
        except KafkaException as error:
            # Fatal errors, of a fenced producer for example, end the program.
            if not error.args[0].txn_requires_abort():
                raise
            print("aborted:", error, file=sys.stderr, flush=True)
            producer.abort_transaction(30)
            rewind(consumer)


main(*sys.argv[1:])
