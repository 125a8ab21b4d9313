"""The tutorial's producer: sends every line of a file to the topic `test`.

usage: python producer.py FILE
"""
import os
import sys

from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers=os.environ.get("BOOTSTRAP", "localhost:9092"))
with open(sys.argv[1]) as file:
    for line in file:
        producer.send("test", line.encode())
producer.flush()
