"""Kafka's own share consumer, console and group command on a share group; the server is killed in between."""
import os
import subprocess
import threading

from checks import ROOT, check, finish
from server import Server, free_port
from share_group import begin_at_the_start

COUNT = 200
LIBS = os.environ["LIBS"]

server = Server(kafka=f"127.0.0.1:{free_port()}")
server.start()


@check("a topic with records", seconds=60)
def _():
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic("jobs", 3, 1)])["jobs"].result(20)
    begin_at_the_start(server.bootstrap, "team")
    producer = Producer({"bootstrap.servers": server.bootstrap})
    for number in range(COUNT):
        producer.produce("jobs", f"job {number}".encode())
    assert producer.flush(30) == 0


program = subprocess.Popen(
    ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBS}/*", f"{ROOT}/tests/interop/programs/java/ShareQueue.java",
     server.bootstrap, "jobs", "team", str(COUNT)],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
)
deadline = threading.Timer(180, program.kill)
deadline.start()
for line in program.stdout:
    if line.startswith("kill"):
        server.kill()
        server.start()
        program.stdin.write("back\n")
        program.stdin.flush()
    elif line.startswith(("ok ", "FAIL ")):
        print(line.rstrip(), flush=True)


@check("the program ended by itself", seconds=10)
def _():
    assert program.wait(5) == 0


deadline.cancel()
server.kill()
finish()
