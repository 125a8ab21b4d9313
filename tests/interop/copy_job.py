"""Copy jobs of four clients, killed at random again and again, and the broker with them (kill -9).

Each consumes, transforms, produces and commits its offsets in one transaction. What a read_committed consumer finds in the
end is exactly the function of the input: nothing lost, nothing twice, in order. Two kills for each client, 100 with
KAVKA_INTEROP_LONG=1; every tenth (the last, in the short form) hits the broker as well. COPY_JOB_CLIENTS names some of
them; COPY_JOB_KILLS, COPY_JOB_BROKER_KILL_EVERY and COPY_JOB_SEED override the rest. COPY_JOB_BROKER=kafka has Apache
Kafka in place of Kavka, as the control: what is stuck there, too, is the client's doing.
"""
import os
import random
import shutil
import subprocess
import sys
import threading
import time

from apache_kafka import ApacheKafka
from checks import LONG, check, finish
from server import ROOT, Server, free_port, temporary_directory

HERE = os.path.join(ROOT, "tests/interop/copy_job")
CACHE = os.environ.get("CACHE", os.path.join(ROOT, ".cache/interop"))
LIBS = os.environ.get("LIBS", os.path.join(CACHE, "java"))
PARTITIONS = 3
KILLS = int(os.environ.get("COPY_JOB_KILLS", 100 if LONG else 2))
SEED = int(os.environ.get("COPY_JOB_SEED", random.randrange(1 << 31)))
BROKER_KILL_EVERY = int(os.environ.get("COPY_JOB_BROKER_KILL_EVERY", 10 if LONG else 2))
BROKER_NAME = os.environ.get("COPY_JOB_BROKER", "kavka")
BROKER = {"kavka": Server, "kafka": ApacheKafka}[BROKER_NAME]
RECORDS_PER_SECOND = 400 if LONG else 1_000


def build_go():
    target = os.path.join(CACHE, "copy-job-franz")
    subprocess.run(["go", "build", "-o", target, "."], cwd=HERE, check=True, capture_output=True)
    return [target]


def build_java():
    target = os.path.join(CACHE, "copy-job-java")
    os.makedirs(target, exist_ok=True)
    source = os.path.join(HERE, "CopyJob.java")
    subprocess.run(["javac", "-cp", f"{LIBS}/*", "-d", target, source], check=True, capture_output=True)
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{target}:{LIBS}/*", "CopyJob"]


CLIENTS = {
    "confluent-kafka": lambda: [sys.executable, os.path.join(HERE, "confluent_job.py")],
    "kafka-python": lambda: [sys.executable, os.path.join(HERE, "kafka_python_job.py")],
    "java": build_java,
    "franz-go": build_go,
}


class Source:
    """Sends numbered records to the input from its own thread, so that there is work all the time."""

    def __init__(self, bootstrap, topic):
        self.bootstrap, self.topic = bootstrap, topic
        self.sent = [[] for _ in range(PARTITIONS)]
        self.errors = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        from confluent_kafka import Producer

        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": 120_000,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
            }
        )

        def delivered(error, _):
            if error is not None:
                self.errors.append(str(error))

        number = 0
        while not self.stopping.is_set():
            for _ in range(RECORDS_PER_SECOND // 25):
                partition = number % PARTITIONS
                value = f"{partition}:{number}"
                producer.produce(self.topic, value, partition=partition, on_delivery=delivered)
                self.sent[partition].append(value)
                number += 1
            producer.poll(0)
            time.sleep(0.04)
        producer.flush(120)

    def stop(self):
        self.stopping.set()
        self.thread.join(150)
        assert not self.thread.is_alive() and not self.errors, self.errors[:3]


class Job:
    """The program's processes, one after the other."""

    def __init__(self, command):
        self.command = command
        self.ends = []
        self.stuck = 0
        self.commits = threading.Semaphore(0)
        self.start()

    def start(self):
        self.errors = []
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        threading.Thread(target=self._read_errors, args=(self.process, self.errors), daemon=True).start()

    def _read(self, process):
        for line in process.stdout:
            if line.startswith(b"committed") and process is self.process:
                self.commits.release()

    @staticmethod
    def _read_errors(process, errors):
        for line in process.stderr:
            errors.append(line.decode(errors="replace").rstrip())
            del errors[:-20]

    def wait_for_commit(self, seconds=600, stuck_seconds=60):
        """Until something is committed from now on.

        A process that ended by itself, or that commits nothing for long, is started again, as whatever supervises it
        would do: librdkafka 2.16 can wait for ever in send_offsets_to_transaction when its broker came back while
        AddOffsetsToTxn was under way (it got its answer, and never sends TxnOffsetCommit). franz-go waits for its
        predecessor's transaction to time out, which takes 30 s.
        """
        while self.commits.acquire(blocking=False):
            pass
        begin = time.monotonic()
        end, stuck_at = begin + seconds, begin + stuck_seconds
        while time.monotonic() < end:
            if self.commits.acquire(timeout=0.2):
                return
            if time.monotonic() > stuck_at:
                stuck_at += stuck_seconds
                self.stuck += 1
                self.kill()
                self.start()
            if self.process.poll() is not None:
                self.ends.append(self.errors[-1:] or [self.process.returncode])
                assert len(self.ends) < 50, f"it ended by itself again and again: {self.ends[-3:]}"
                time.sleep(0.2)
                self.start()
        raise AssertionError(f"no transaction was committed in {seconds} s; {self.errors[-3:]}")

    def kill(self):
        self.process.kill()
        self.process.wait()


def read_all(bootstrap, topic):
    """Every record that read_committed sees, by partition, up to the last stable offset."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in range(PARTITIONS)])
    found, open_partitions = [[] for _ in range(PARTITIONS)], set(range(PARTITIONS))
    end = time.monotonic() + 120
    while open_partitions:
        assert time.monotonic() < end, f"partitions {open_partitions} have no end"
        for message in consumer.consume(10_000, 0.5):
            if message.error() is not None:
                open_partitions.discard(message.partition())
            else:
                found[message.partition()].append(message.value().decode())
    consumer.close()
    return found


def run_client(name, build):
    from confluent_kafka.admin import AdminClient, NewTopic

    chance = random.Random(f"{SEED}/{name}")
    command = build()
    data, port = temporary_directory(), free_port()
    server = BROKER(data=data, kafka=f"127.0.0.1:{port}")
    server.start()
    job, source, broker_kills, begin = None, None, 0, time.monotonic()
    try:
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        for future in admin.create_topics([NewTopic(each, PARTITIONS, 1) for each in ("in", "out")]).values():
            future.result(20)
        source = Source(server.bootstrap, "in")
        job = Job([*command, server.bootstrap, "copy", "in", "out", "copy-job"])
        for kill in range(1, KILLS + 1):
            job.wait_for_commit()
            time.sleep(chance.random() * 0.4)
            with_broker = kill % BROKER_KILL_EVERY == 0
            # The broker dies first, at the same time as the job, or while the job goes on.
            if with_broker:
                broker_kills += 1
                server.kill()
                if chance.random() < 0.5:
                    time.sleep(chance.random() * 0.3)
                    job.kill()
                server = BROKER(data=data, kafka=f"127.0.0.1:{port}")
                server.start()
                if job.process.poll() is None:
                    job.wait_for_commit()
                    time.sleep(chance.random() * 0.4)
            job.kill()
            job.start()
        source.stop()
        expected = [[value[::-1] for value in values] for values in source.sent]
        end = time.monotonic() + (900 if LONG else 120)
        while True:
            found = read_all(server.bootstrap, "out")
            if sum(map(len, found)) >= sum(map(len, expected)):
                break
            assert time.monotonic() < end, f"{sum(map(len, found))} of {sum(map(len, expected))} copied"
            if job.process.poll() is not None:
                job.start()
            time.sleep(0.5)
        job.kill()
        found = read_all(server.bootstrap, "out")
        for partition in range(PARTITIONS):
            if found[partition] == expected[partition]:
                continue
            seen = {}
            for value in found[partition]:
                seen[value] = seen.get(value, 0) + 1
            lost = [value for value in expected[partition] if value not in seen]
            twice = [value for value, count in seen.items() if count > 1]
            raise AssertionError(
                f"seed {SEED}, partition {partition}: {len(lost)} lost {lost[:3]}, {len(twice)} twice {twice[:3]}, "
                f"{len(found[partition])} of {len(expected[partition])}"
            )
        total = sum(map(len, expected))
        seconds = time.monotonic() - begin
        return (
            f"{total} records, {KILLS} kills, {broker_kills} of them with the broker, {len(job.ends)} ends by itself, "
            f"{job.stuck} times stuck, seed {SEED}, {seconds:.0f} s, broker {BROKER_NAME}"
        )
    finally:
        if source is not None:
            source.stopping.set()
        if job is not None:
            job.kill()
        if server.process.poll() is None:
            server.kill()
        shutil.rmtree(data, ignore_errors=True)


STREAMS_RECORDS = 100_000
STREAMS_KILLS = int(os.environ.get("STREAMS_KILLS", 10))


def build_streams():
    target, libs = os.path.join(CACHE, "copy-job-streams"), os.path.join(CACHE, "streams")
    if not os.path.isdir(libs):
        pom = os.path.join(HERE, "pom.xml")
        command = ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
        subprocess.run(command, check=True, capture_output=True)
    os.makedirs(target, exist_ok=True)
    source = os.path.join(HERE, "WordCount.java")
    subprocess.run(["javac", "-cp", f"{libs}/*", "-d", target, source], check=True, capture_output=True)
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{target}:{libs}/*", "WordCount"]


def committed_counts(bootstrap):
    """{word: [each count that read_committed sees, in order]}"""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition("counts", each, OFFSET_BEGINNING) for each in range(PARTITIONS)])
    counts, left = {}, set(range(PARTITIONS))
    end = time.monotonic() + 120
    while left:
        assert time.monotonic() < end, f"partitions {left} have no end"
        for message in consumer.consume(10_000, 0.5):
            if message.error() is not None:
                left.discard(message.partition())
            else:
                counts.setdefault(message.key().decode(), []).append(int(message.value()))
    consumer.close()
    return counts


def run_streams():
    from confluent_kafka import Producer
    from confluent_kafka.admin import AdminClient, NewTopic

    chance = random.Random(f"{SEED}/streams")
    command = build_streams()
    data, state, port = temporary_directory(), temporary_directory(), free_port()
    server = Server(data=data, kafka=f"127.0.0.1:{port}")
    server.start()
    application, broker_kills, begin = None, 0, time.monotonic()
    try:
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        for future in admin.create_topics([NewTopic(each, PARTITIONS, 1) for each in ("lines", "counts")]).values():
            future.result(20)
        expected, sent = {}, 0
        producer = Producer(
            {"bootstrap.servers": server.bootstrap, "enable.idempotence": True, "message.timeout.ms": 120_000, "log_level": 0}
        )

        def send(count):
            nonlocal sent
            for _ in range(count):
                words = [f"word{chance.randrange(500)}" for _ in range(3)]
                for word in words:
                    expected[word] = expected.get(word, 0) + 1
                producer.produce("lines", " ".join(words), partition=sent % PARTITIONS)
                producer.poll(0)
                sent += 1
            assert producer.flush(120) == 0

        def start():
            arguments = [*command, server.bootstrap, "lines", "counts", state]
            return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def wait_for(progress, seconds=300):
            end = time.monotonic() + seconds
            while not progress(committed_counts(server.bootstrap)):
                assert time.monotonic() < end, "the application makes no progress"
                assert application.poll() is None, "the application ended by itself"
                time.sleep(0.5)

        application = start()
        for kill in range(1, STREAMS_KILLS + 1):
            before = sum(map(len, committed_counts(server.bootstrap).values()))
            send(STREAMS_RECORDS // (STREAMS_KILLS + 1))
            wait_for(lambda counts: sum(map(len, counts.values())) > before)
            time.sleep(chance.random())
            if kill % 3 == 0:
                broker_kills += 1
                server.kill()
                server = Server(data=data, kafka=f"127.0.0.1:{port}")
                server.start()
            application.kill()
            application.wait()
            application = start()
        send(STREAMS_RECORDS - sent)
        wait_for(lambda counts: {word: each[-1] for word, each in counts.items()} == expected, 600)
        time.sleep(2)
        counts = committed_counts(server.bootstrap)
        for word, seen in counts.items():
            assert seen == sorted(set(seen)), f"the counts of {word} go back: {seen[:20]}"
        assert {word: each[-1] for word, each in counts.items()} == expected, "the counts went on"
        seconds = time.monotonic() - begin
        return f"{sent} records, {STREAMS_KILLS} kills, {broker_kills} kills of the broker, seed {SEED}, {seconds:.0f} s"
    finally:
        if application is not None:
            application.kill()
        if server.process.poll() is None:
            server.kill()
        for directory in (data, state):
            shutil.rmtree(directory, ignore_errors=True)


# Of the short form: one that stands on librdkafka, one that does not. The others take longer to start.
SHORT = "confluent-kafka,franz-go"
wanted = os.environ.get("COPY_JOB_CLIENTS", ",".join(CLIENTS) if LONG else SHORT).split(",")
if __name__ == "__main__":
    for client, build in CLIENTS.items():
        if client not in wanted:
            continue
        if client == "franz-go" and shutil.which("go") is None:
            print("# franz-go left out: there is no go", flush=True)
            continue
        check(f"copy job {client}: the output is exactly the function of the input", seconds=3_000)(
            lambda client=client, build=build: run_client(client, build)
        )
    if LONG and ("streams" in wanted or "COPY_JOB_CLIENTS" not in os.environ):
        name = "Kafka Streams word count, exactly_once_v2: the counts are exact"
        check(name, seconds=3_000)(run_streams)
    finish()
