"""Two groups of three members over a topic of 12 partitions, while members join, leave, are killed and stall.

One group speaks the classic protocol, the other the consumer protocol (KIP-848); members are processes of librdkafka. Their
notes (churn_member.py) are judged at the end:

1. each group has read every record;
2. a partition has one owner at a time: who gets it finds that whoever had it gave it up, or was dead or stalled;
3. what a group has committed is not read again, and a record is read twice only where its first reader was killed,
   stalled, or could not commit before it lost the partition;
4. the partitions of a killed member are with others within the session timeout, the next heartbeat and a rebalance (one
   more session where another member stalls or dies in that time, since a rebalance waits for everyone).

Before that: a server that was killed and started again finds its groups as they were, members included.
60,000 records in about 20 s; with KAVKA_INTEROP_LONG=1 1,000,000 in about 4 minutes. SEED=n repeats a choice of events.
"""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

from server import Server, free_port, temporary_directory

from checks import LONG, ROOT, check, equal, finish

PARTITIONS = 12
RECORDS = 1_000_000 if LONG else 60_000
CHURN_SECONDS = 180 if LONG else 14
MEMBERS = 3
SESSION_SECONDS = 6
# The next look of the coordinator, the others' next heartbeats, and a loaded machine.
MOVE_SECONDS = SESSION_SECONDS + 6
SEED = int(os.environ.get("SEED", random.randrange(1 << 30)))
GROUP_SETTINGS = {
    "group.consumer.min.session.timeout.ms": 6_000,
    "group.consumer.session.timeout.ms": 1_000 * SESSION_SECONDS,
    "group.consumer.min.heartbeat.interval.ms": 500,
    "group.consumer.heartbeat.interval.ms": 500,
    "group.initial.rebalance.delay.ms": 100,
}
FLAGS = [word for name, value in GROUP_SETTINGS.items() for word in ("--override", f"{name}={value}")]


class Member:
    def __init__(self, group, name):
        self.name = name
        self.path = os.path.join(group.directory, f"{name}.jsonl")
        self.stalls = []  # [from, to]
        self.killed_at = None
        self.ending = False
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "tests/interop/churn_member.py"), group.bootstrap, group.topic,
             group.id, group.protocol, name, self.path],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )

    @property
    def is_live(self):
        return not self.ending and self.killed_at is None and self.process.poll() is None

    @property
    def is_stalled(self):
        return bool(self.stalls) and self.stalls[-1][1] is None

    def was_stalled_at(self, t, margin=0.0):
        return any(begin <= t <= (end or t) + margin for begin, end in self.stalls)

    def notes(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as file:
            # A killed member may leave a line without its end.
            return [json.loads(line) for line in file if line.endswith("\n")]


class Group:
    def __init__(self, bootstrap, topic, protocol, seed):
        self.bootstrap, self.topic, self.protocol = bootstrap, topic, protocol
        self.id = f"churn-{protocol}"
        self.directory = tempfile.mkdtemp(prefix="kavka-churn-")
        self.random = random.Random(f"{seed} {protocol}")
        self.members = []
        self.counts = {"join": 0, "leave": 0, "kill": 0, "stall": 0}

    def join(self):
        self.members.append(Member(self, f"m{len(self.members)}"))

    def live(self):
        return [each for each in self.members if each.is_live]

    def resume(self):
        for each in self.members:
            if each.is_stalled and time.monotonic() - each.stalls[-1][0] > SESSION_SECONDS + 3:
                each.process.send_signal(signal.SIGCONT)
                each.stalls[-1][1] = time.monotonic()

    def step(self):
        """One event; there are always members that can work."""
        working = [each for each in self.live() if not each.is_stalled]
        events = ["join"] * (len(self.live()) < MEMBERS + 2) + ["leave", "kill", "stall"] * (len(working) > 2)
        event = self.random.choice(events or ["join"])
        self.counts[event] += 1
        if event == "join":
            return self.join()
        victim = self.random.choice(working)
        if event == "stall":
            victim.stalls.append([time.monotonic(), None])
            victim.process.send_signal(signal.SIGSTOP)
        elif event == "kill":
            victim.killed_at = time.monotonic()
            victim.process.kill()
            victim.process.wait()
        else:
            victim.ending = True
            victim.process.terminate()

    def settle(self):
        """Three members at the end, none of them stalled."""
        for each in self.members:
            if each.is_stalled:
                each.process.send_signal(signal.SIGCONT)
                each.stalls[-1][1] = time.monotonic()
        while len(self.live()) < MEMBERS:
            self.join()

    def seen(self):
        """The records that were read, as sets of offsets by partition."""
        seen = [set() for _ in range(PARTITIONS)]
        for member in self.members:
            for kind, _, *fields in member.notes():
                if kind == "read":
                    partition, first, last = fields
                    seen[partition].update(range(first, last + 1))
        return seen

    def finish(self):
        for each in self.live():
            each.ending = True
            each.process.terminate()
        for each in self.members:
            _, errors = each.process.communicate(timeout=30)
            # Who was told to leave before it could listen, had nothing yet.
            is_unborn = each.process.returncode == -signal.SIGTERM and not each.notes()
            assert each.killed_at is not None or each.process.returncode == 0 or is_unborn, (
                f"{each.name} ended with {each.process.returncode}: {errors.decode()[-300:]}"
            )

    def kill_all(self):
        for each in self.members:
            if each.process.poll() is None:
                each.process.kill()
                each.process.wait()


class Judge:
    """What the notes of a group's members amount to."""

    def __init__(self, group):
        self.group = group
        self.events = sorted(
            ((t, member, kind, fields) for member in group.members for kind, t, *fields in member.notes()),
            key=lambda event: event[0],
        )

    def one_owner(self):
        owners = [dict() for _ in range(PARTITIONS)]  # member -> since
        handed_over = 0
        for t, member, kind, fields in self.events:
            if kind == "assigned":
                for partition in fields[0]:
                    for other in list(owners[partition]):
                        excused = other is member or other.killed_at is not None and other.killed_at <= t
                        # A stalled member learns late that the group went on without it.
                        excused |= other.was_stalled_at(t, margin=5.0)
                        assert excused, (
                            f"{self.group.id}: partition {partition} came to {member.name} at {t:.3f} while "
                            f"{other.name} had it since {owners[partition][other]:.3f}"
                        )
                        if other.killed_at is not None:
                            del owners[partition][other]
                    owners[partition][member] = t
                    handed_over += 1
            elif kind in ("revoked", "lost"):
                for partition in fields[0]:
                    owners[partition].pop(member, None)
        return handed_over

    def read_again(self):
        """Records that were read more than once; fails where nothing excuses it."""
        committed = [0] * PARTITIONS  # confirmed, by anyone
        reader = [[] for _ in range(PARTITIONS)]  # (first, last, member, t) in the order of reading
        highest = [-1] * PARTITIONS
        again = 0
        for t, member, kind, fields in self.events:
            if kind == "committed":
                for partition, offset in fields[0].items():
                    committed[int(partition)] = max(committed[int(partition)], offset)
            elif kind == "read":
                partition, first, last = fields
                for old_first, old_last, old, old_t in reader[partition] if first <= highest[partition] else ():
                    low, high = max(first, old_first), min(last, old_last)
                    if low > high:
                        continue
                    again += high - low + 1
                    # A member that stalled or was fenced may still hand out what it had fetched before.
                    is_late = member.was_stalled_at(t, margin=5.0)
                    assert low >= committed[partition] or is_late or old.was_stalled_at(t, margin=5.0), (
                        f"{self.group.id}: {member.name} read {partition}/{low} again at {t:.3f}, "
                        f"although {committed[partition]} was committed"
                    )
                    assert is_late or self.is_excused(old, old_t, t), (
                        f"{self.group.id}: {member.name} read {partition}/{low}..{high} again, which {old.name} had read "
                        "and could have committed"
                    )
                reader[partition].append((first, last, member, t))
                highest[partition] = max(highest[partition], last)
        return again

    def is_excused(self, member, since, until):
        """Whether it was killed or stalled in this time, or was told that it is out or its commit came too late."""
        if member.killed_at is not None and since <= member.killed_at <= until:
            return True
        if any(begin <= until and (end or until) + 5 >= since for begin, end in member.stalls):
            return True
        return any(
            who is member and kind in ("refused", "lost") and since <= t <= until
            for t, who, kind, _ in self.events
        )

    def moves(self):
        """Seconds until the partitions of each killed member were with others."""
        times = []
        for dead in (each for each in self.group.members if each.killed_at is not None):
            owned, missing = set(), None
            for t, member, kind, fields in self.events:
                if member is dead and t <= dead.killed_at:
                    if kind == "assigned":
                        owned.update(fields[0])
                    elif kind in ("revoked", "lost"):
                        owned.difference_update(fields[0])
            missing = set(owned)
            done = dead.killed_at
            for t, member, kind, fields in self.events:
                if t > dead.killed_at and kind == "assigned" and missing & set(fields[0]):
                    missing.difference_update(fields[0])
                    done = t
            assert not missing, f"{self.group.id}: partitions {sorted(missing)} of {dead.name} went to nobody"
            # A rebalance waits for every member; one that stalls or dies meanwhile has a session of its own to run out.
            others = [each for each in self.group.members if each is not dead]
            delayed = any(
                begin <= done and (end or done) >= dead.killed_at for each in others for begin, end in each.stalls
            ) or any(
                each.killed_at is not None and dead.killed_at - SESSION_SECONDS <= each.killed_at <= done
                for each in others
            )
            times.append((done - dead.killed_at, MOVE_SECONDS + SESSION_SECONDS * delayed))
        return times


def produce(bootstrap, topic, stop):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "log_level": 2})
    begin = time.monotonic()
    for number in range(RECORDS):
        # Spread over the churn, so that there is always something to read.
        if number % 500 == 0:
            wait = begin + CHURN_SECONDS * number / RECORDS - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            if stop.is_set():
                return
        while True:
            try:
                producer.produce(topic, b"%d" % number + b"." * 90, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(60) == 0, "records were not acknowledged"


def create(bootstrap, topic, partitions=PARTITIONS):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(20)


@check("groups survive kill -9 of the server: members, generations and offsets are as they were")
def _():
    from confluent_kafka import Consumer, Producer
    from kafka import KafkaConsumer, TopicPartition

    data, kafka = temporary_directory(), f"127.0.0.1:{free_port()}"
    server = Server(data, kafka=kafka, flags=FLAGS)
    server.start()
    try:
        create(kafka, "survive", 2)

        def send(count):
            producer = Producer({"bootstrap.servers": kafka})
            for number in range(count):
                producer.produce("survive", b"x", partition=number % 2)
            equal(producer.flush(30), 0, "records left")

        send(10)
        classic = KafkaConsumer(
            "survive", bootstrap_servers=kafka, group_id="classic", auto_offset_reset="earliest",
            enable_auto_commit=False, session_timeout_ms=20_000, heartbeat_interval_ms=500,
        )
        assigned = []
        modern = Consumer({
            "bootstrap.servers": kafka, "group.id": "modern", "group.protocol": "consumer",
            "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 2,
        })
        modern.subscribe(["survive"], on_assign=lambda _, partitions: assigned.append(len(partitions)))

        def read(count):
            seen, end = [0, 0], time.monotonic() + 60
            while min(seen) < count:
                assert time.monotonic() < end, f"{seen} of {count} records"
                seen[0] += sum(map(len, classic.poll(timeout_ms=200).values()))
                seen[1] += sum(each.error() is None for each in modern.consume(100, 0.2))
            return seen

        def state():
            generation = classic._coordinator.generation_if_stable() if hasattr(
                classic._coordinator, "generation_if_stable") else classic._coordinator.generation()
            listed = subprocess.run(
                [os.path.join(ROOT, "bin/kafka-consumer-groups.sh"), "--bootstrap-server", kafka, "--describe", "--group",
                 "modern", "--members", "--verbose"],
                capture_output=True, text=True, timeout=60,
            ).stdout.split("\n")[2].split()
            # GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS CURRENT-EPOCH
            return (generation.generation_id, generation.member_id), (listed[1], listed[5])

        equal(read(10), [10, 10], "records")
        classic.commit()
        modern.commit(asynchronous=False)
        before = state()
        equal(server.kill()[0], -signal.SIGKILL, "exit code")
        server = Server(data, kafka=kafka, flags=FLAGS)
        server.start()
        send(4)
        equal(read(4), [4, 4], "records behind the restart")
        classic.commit()
        modern.commit(asynchronous=False)
        equal(state(), before, "(generation, member id), (member id, epoch)")
        equal(assigned, [2], "assignments of the member of the consumer protocol")
        partitions = [TopicPartition("survive", number) for number in range(2)]
        equal([classic.committed(each) for each in partitions], [7, 7], "committed offsets")
        classic.close()
        modern.close()
        return f"generation {before[0][0]}, epoch {before[1][1]}"
    finally:
        server.kill()


with Server(flags=FLAGS) as server:
    topic = "churn"
    create(server.bootstrap, topic)
    groups = [Group(server.bootstrap, topic, protocol, SEED) for protocol in ("classic", "consumer")]
    stop = threading.Event()

    @check(f"each of two groups reads {RECORDS} records while members join, leave, are killed and stall", 900)
    def _():
        feeder = threading.Thread(target=produce, args=(server.bootstrap, topic, stop), daemon=True)
        for group in groups:
            for _ in range(MEMBERS):
                group.join()
        feeder.start()
        end = time.monotonic() + CHURN_SECONDS
        dice = random.Random(SEED)
        time.sleep(3)
        while time.monotonic() < end:
            for group in groups:
                group.resume()
            dice.choice(groups).step()
            time.sleep(dice.uniform(1, 4) if LONG else dice.uniform(0.5, 1.5))
        for group in groups:
            group.settle()
        feeder.join(120)
        assert not feeder.is_alive(), "the producer did not end"
        deadline = time.monotonic() + 120
        while True:
            left = [RECORDS - sum(map(len, group.seen())) for group in groups]
            if not any(left):
                break
            assert time.monotonic() < deadline, f"records that no member has seen: {left}, SEED={SEED}"
            time.sleep(1)
        for group in groups:
            group.finish()
        counts = {event: sum(group.counts[event] for group in groups) for event in groups[0].counts}
        return f"{counts}, SEED={SEED}"

    stop.set()
    for group in groups:
        group.kill_all()
    judges = [Judge(group) for group in groups]

    @check("no partition has two owners at a time")
    def _():
        return f"{[judge.one_owner() for judge in judges]} assignments, SEED={SEED}"

    @check("records are read again only where a member was killed, stalled, or lost them before it committed")
    def _():
        return f"{[judge.read_again() for judge in judges]} records, SEED={SEED}"

    @check(f"partitions of killed members are with others within {MOVE_SECONDS} s")
    def _():
        times = sorted(each for judge in judges for each in judge.moves())
        late = [f"{seconds:.1f} s of {allowed}" for seconds, allowed in times if seconds > allowed]
        assert not late, f"{late}, SEED={SEED}"
        return f"{len(times)} members, slowest {times[-1][0]:.1f} s" if times else "nobody was killed"

finish()
