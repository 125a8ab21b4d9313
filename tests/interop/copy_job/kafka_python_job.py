"""A copy job with kafka-python 3: what ../copy_job.py starts and kills.

Arguments: bootstrap, group, input, output, transactional id.
"""
import logging
import sys

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, ProducerFencedError
from kafka.structs import OffsetAndMetadata


def rewind(consumer):
    """Back to what was committed last, so that what was aborted is read again."""
    for partition in consumer.assignment():
        offset = consumer.committed(partition)
        if offset is None:
            consumer.seek_to_beginning(partition)
        else:
            consumer.seek(partition, offset)


def main(bootstrap, group, source, target, transactional_id):
    logging.disable(logging.CRITICAL)  # that the server is away is no news here
    consumer = KafkaConsumer(
        source,
        bootstrap_servers=bootstrap,
        group_id=group,
        group_instance_id=transactional_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=200,
        max_poll_records=200,
        reconnect_backoff_max_ms=200,
    )
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        transactional_id=transactional_id,
        transaction_timeout_ms=30_000,
        reconnect_backoff_max_ms=200,
    )
    producer.init_transactions()
    while True:
        polled = consumer.poll(timeout_ms=200)
        if not polled:
            continue
        producer.begin_transaction()
        try:
            offsets = {}
            for place, records in polled.items():
                for record in records:
                    producer.send(target, record.value[::-1], partition=record.partition)
                offsets[place] = OffsetAndMetadata(records[-1].offset + 1, "", -1)
            producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
            producer.commit_transaction()
            print("committed", flush=True)
        except ProducerFencedError:
            raise
        except KafkaError as error:
            print("aborted:", error, file=sys.stderr, flush=True)
            producer.abort_transaction()
            rewind(consumer)


main(*sys.argv[1:])
