"""The tutorial's consumer: prints the value of every record of the topic `test`.

usage: python consumer.py [NAME=VALUE …], settings of KafkaConsumer such as auto_offset_reset=earliest
"""
import os
import sys

from kafka import KafkaConsumer

settings = dict(argument.split("=", 1) for argument in sys.argv[1:])
if "consumer_timeout_ms" in settings:  # without it the program runs until it is interrupted
    settings["consumer_timeout_ms"] = int(settings["consumer_timeout_ms"])

consumer = KafkaConsumer("test", bootstrap_servers=os.environ.get("BOOTSTRAP", "localhost:9092"), **settings)
for message in consumer:
    sys.stdout.write(message.value.decode())
consumer.close()
