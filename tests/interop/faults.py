"""Faults on a real server process, judged by the simulator's checker: kill -9, SIGSTOP, a slow disk, a full disk.

Java's and librdkafka's idempotent producers write to a topic while consumers of both read it; each notes what it did
and when. When the faults are over, both read the topic from its start, and sim/check.ts judges the whole history. With
FAULTS_CONTROL=1 Apache Kafka is the server (no full disk there: it ends its process then); it must pass as well.
Five kills, a hundred with KAVKA_INTEROP_LONG=1. FAULTS_SEED repeats a schedule; what the clients do meanwhile differs.
Called with arguments it is one of librdkafka's clients: faults.py produce|consume BOOTSTRAP TOPIC PARTITIONS PROCESS.
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time

TOPIC = "faults"
PARTITIONS = 3
IN_FLIGHT = 500
PART = 12


def now_ms():
    return time.monotonic() * 1000


def follow_input():
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    return ended


def line(fields):
    print(json.dumps(fields, separators=(",", ":")), flush=True)


def produce(bootstrap, topic, partitions, process):
    from confluent_kafka import Producer

    ended, room = follow_input(), threading.Semaphore(IN_FLIGHT)
    client = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 2,
            "batch.size": 100_000,
            "message.timeout.ms": 120_000,
            "reconnect.backoff.max.ms": 200,
            "log_level": 2,  # that the server is away is no news here
        }
    )

    def noted(value, partition, invoked):
        def delivered(error, message):
            room.release()
            send = ["send", f"{topic}/{partition}", value, None if error else message.offset()]
            line(
                {
                    "type": "info" if error else "ok",
                    "process": process,
                    "invokeMs": invoked,
                    "completeMs": now_ms(),
                    "micro": [send],
                }
            )

        return delivered

    number = 0
    while not ended.is_set():
        while not room.acquire(blocking=False):
            client.poll(0.01)
        value, partition = process * 1_000_000_000 + number, number // 50 % partitions
        # Some batches are large enough for a segment file, some lie in the store itself.
        padding = b"" if number // 500 % 2 == 0 else bytes(2_000)
        on_delivery = noted(value, partition, now_ms())
        client.produce(topic, struct.pack(">q", value) + padding, partition=partition, on_delivery=on_delivery)
        client.poll(0)
        number += 1
        if number % 10 == 0:
            time.sleep(0.02)
    client.flush(150)


def consume(bootstrap, topic, partitions, process):
    from confluent_kafka import Consumer, TopicPartition

    ended = follow_input()
    client = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"faults-{process}",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "reconnect.backoff.max.ms": 200,
            "log_level": 2,
        }
    )
    invoked = now_ms()
    client.assign([TopicPartition(topic, each, 0) for each in range(partitions)])
    names = [f"{topic}/{each}" for each in range(partitions)]
    line(
        {
            "kind": "assign", "type": "ok", "process": process, "invokeMs": invoked, "completeMs": now_ms(), "to": names,
        }
    )
    while not ended.is_set():
        invoked, polled = now_ms(), {}
        for message in client.consume(500, 0.2):
            if message.error() is None:
                records = polled.setdefault(f"{topic}/{message.partition()}", [])
                records.append([message.offset(), struct.unpack(">q", message.value()[:8])[0]])
        if polled:
            line(
                {
                    "type": "ok", "process": process, "invokeMs": invoked, "completeMs": now_ms(),
                    "micro": [["poll", polled]],
                }
            )
    client.close()


class Client:
    """A process that writes its part of the history to a file."""

    def __init__(self, command, path):
        self.path = path
        with open(path, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out)

    def size(self):
        return os.path.getsize(self.path)

    def lines(self):
        with open(self.path) as file:
            return file.read().rpartition("\n")[0].splitlines()

    def polled(self):
        """Records that this consumer got."""
        micros = (json.loads(text).get("micro", [["", {}]])[0] for text in self.lines())
        return sum(len(records) for _, partitions in micros for records in partitions.values())

    def finish(self, seconds=180):
        self.process.stdin.close()
        if self.process.wait(seconds) != 0:
            raise AssertionError(f"{self.path} ended with code {self.process.returncode}")


class Disk:
    """The orders that faulty_disk.c follows."""

    def __init__(self, folder):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs/c/faulty_disk.c")
        self.library, self.path = os.path.join(folder, "faulty_disk.so"), os.path.join(folder, "orders")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", self.library, source, "-ldl"], check=True)
        self.order()

    def order(self, slow_ms=0, full=0):
        # In place: the server has mapped the file.
        with open(self.path, "r+b" if os.path.exists(self.path) else "wb") as file:
            file.write(struct.pack("=II", slow_ms, full))

    def environment(self):
        return {"LD_PRELOAD": self.library, "FAULTY_DISK": self.path}


class KafkaServer:
    """Apache Kafka with the calls of server.Server, from the jars of LIBS."""

    def __init__(self, port, folder, environment):
        from server import free_port

        self.bootstrap, self.environment, self.process = f"127.0.0.1:{port}", environment, None
        self.file, self.output = os.path.join(folder, "kafka.properties"), os.path.join(folder, "kafka.log")
        controller = free_port()
        with open(self.file, "w") as out:
            out.write(
                "process.roles=broker,controller\nnode.id=1\n"
                f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
                f"listeners=PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}\n"
                "controller.listener.names=CONTROLLER\n"
                f"log.dirs={folder}/kafka\n"
                "offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n"
                "transaction.state.log.min.isr=1\n"
            )
        self.java = ["java", "-Xmx512m", "-cp", f"{os.environ['LIBS']}/*"]
        self.run([*self.java, "kafka.tools.StorageTool", "format", "-c", self.file, "-t", "4L6g3nShT-eMCtK--X86sw"]).wait()

    def run(self, command):
        with open(self.output, "ab") as out:
            return subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def start(self):
        self.process = self.run([*self.java, "kafka.Kafka", self.file])

    def kill(self):
        self.process.kill()
        self.process.wait(20)


def until(what, condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.2)


class World:
    """The server under its faults, the clients, and what they have noted."""

    def __init__(self, is_control):
        from server import Server, free_port, temporary_directory

        self.folder, port = temporary_directory(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        self.disk = Disk(self.folder)
        environment = self.disk.environment()
        self.server = (
            KafkaServer(port, self.folder, environment)
            if is_control
            else Server(kafka=self.bootstrap, environment=environment)
        )
        self.here = os.path.dirname(os.path.abspath(__file__))
        self.clients = []

    def client(self, language, role, process):
        java = ["java", "-cp", f"{os.environ['LIBS']}/*", f"{self.here}/programs/java/FaultClient.java"]
        command = java if language == "java" else [sys.executable, os.path.abspath(__file__)]
        arguments = [role, self.bootstrap, TOPIC, str(PARTITIONS), str(process)]
        self.clients.append(Client([*command, *arguments], f"{self.folder}/history-{process}"))
        return self.clients[-1]

    def goes_on(self, seconds=60):
        """Each producer hears of records again."""
        for each in self.clients[:2]:
            before = each.size()
            until(f"{each.path} grows", lambda: each.size() > before, seconds)

    def log_end(self):
        """Records of all partitions; nothing else is in them."""
        from confluent_kafka import Consumer, TopicPartition

        client = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "faults-end", "log_level": 2})
        ends = [client.get_watermark_offsets(TopicPartition(TOPIC, each), timeout=30) for each in range(PARTITIONS)]
        client.close()
        return sum(high for _, high in ends)

    def kill(self):
        self.server.kill()
        self.server.start()

    def stop_and_continue(self, seconds):
        self.server.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.server.process.send_signal(signal.SIGCONT)

    def with_disk(self, seconds, **orders):
        self.disk.order(**orders)
        time.sleep(seconds)
        self.disk.order()

    def end(self):
        for each in self.clients:
            if each.process.poll() is None:
                each.process.kill()
        if self.server.process is not None and self.server.process.poll() is None:
            self.server.process.send_signal(signal.SIGCONT)
            self.server.kill()


def begin(world):
    """Topic and clients; returns when each has noted something."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    world.server.start()
    admin = AdminClient({"bootstrap.servers": world.bootstrap, "log_level": 2})

    def answers():
        try:
            return admin.list_topics(timeout=5) is not None
        except KafkaException:
            return False

    until("the server answers", answers, 60)
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(20)
    roles = [("java", "produce"), ("python", "produce"), ("java", "consume"), ("python", "consume")]
    for process, (language, role) in enumerate(roles):
        world.client(language, role, process)
    until("everybody has noted something", lambda: all(each.size() > 1_000 for each in world.clients), 90)
    return "two producers, two consumers"


def plan_of(chance, kills, faults):
    """All faults in an order that the seed draws."""
    plan = ["kill"] * kills + faults * max(1, kills // 10)
    chance.shuffle(plan)
    return plan


def suffer(world, chance, plan):
    """One fault after the other, each followed by acknowledgements; returns how many there were."""
    for fault in plan:
        time.sleep(chance.uniform(0.1, 1.0))
        if fault == "kill":
            world.kill()
        elif fault == "stop":
            world.stop_and_continue(chance.uniform(0.5, 4))
        elif fault == "slow":
            world.with_disk(chance.uniform(0.5, 3), slow_ms=chance.randrange(20, 300))
        else:
            world.with_disk(chance.uniform(2, 5), full=1)
        world.goes_on()
    return ", ".join(f"{plan.count(fault)} x {fault}" for fault in dict.fromkeys(plan))


def read_to_the_end(world):
    for each in world.clients[:2]:
        each.finish()
    end = world.log_end()
    finals = [world.client("java", "consume", 4), world.client("python", "consume", 5)]
    until("the last two consumers are at the end", lambda: all(each.polled() >= end for each in finals), 120)
    for each in world.clients[2:]:
        each.finish()
    return f"{end} records"


def judge(world, about):
    """Shows the checker's report, and fails with it."""
    path = os.path.join(world.folder, "history.jsonl")
    header = {"kavka": "history", "version": 1, "profile": "idempotent", "finalReads": True, "about": about}
    with open(path, "w") as history:
        history.write(json.dumps(header) + "\n")
        for each in world.clients:
            history.writelines(text + "\n" for text in each.lines())
    deno, root = json.loads(os.environ["KAVKA_COMMAND"])[0], os.path.dirname(os.path.dirname(world.here))
    command = [deno, "run", "--no-check", "--allow-read", f"{root}/sim/check.ts", path]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=300)
    report = (judged.stdout + judged.stderr).splitlines()
    print("\n".join("  " + text for text in report), flush=True)
    if judged.returncode != 0:
        raise AssertionError(f"the checker ended with code {judged.returncode}; the history is {path}")
    return report[0]


def main():
    from checks import LONG, check, finish

    is_control = os.environ.get("FAULTS_CONTROL") == "1"
    kills = (30 if is_control else 100) if LONG else (2 if is_control else 5)
    faults = ["stop", "slow"] if is_control else ["stop", "slow", "full"]
    seed = int(os.environ.get("FAULTS_SEED", random.randrange(1_000_000)))
    about = f"{'Apache Kafka' if is_control else 'Kavka'}, seed {seed}"
    chance, world = random.Random(seed), World(is_control)
    plan = plan_of(chance, kills, faults)
    # A check must end in time, so the faults are spread over several.
    parts = [plan[i : i + PART] for i in range(0, len(plan), PART)]
    try:
        # What follows a failure would be judged on nothing.
        (
            check(f"clients of {about}, begin")(lambda: begin(world))
            and all(check("it comes back from every fault")(lambda: suffer(world, chance, part)) for part in parts)
            and check("the producers end, and two more consumers read everything")(lambda: read_to_the_end(world))
            and check("the checker finds nothing wrong")(lambda: judge(world, about))
        )
    finally:
        world.end()
    finish()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        role, bootstrap, topic, partitions, process = sys.argv[1:]
        (produce if role == "produce" else consume)(bootstrap, topic, int(partitions), int(process))
    else:
        main()
