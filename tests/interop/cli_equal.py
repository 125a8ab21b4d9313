"""The commands in bin/ against Kafka's own tools, the same arguments on the same server: output and exit codes are equal.

Where a command changes something, Kafka's tool gets names with `zqtheirs` in place of {} and ours with `zqourown`, as long since columns are padded, and
both outputs are compared with {} back in their place. The order of lines is Kafka's hash tables' where a line says "sorted".
What goes to standard error is not compared: there Kafka prints its stack traces and its help.
A short form in CI; all of them with KAVKA_INTEROP_LONG=1.
"""
import json
import os
import re
import shlex
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from checks import BOOTSTRAP, LONG, ROOT, check, finish

LIBS = os.environ["LIBS"]
WORK = tempfile.mkdtemp(prefix="kavka-cli-")
TOOLS = "org.apache.kafka.tools."
CLASSES = {
    "topics": TOOLS + "TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "get-offsets": TOOLS + "GetOffsetShell",
    "delete-records": TOOLS + "DeleteRecordsCommand",
    "log-dirs": TOOLS + "LogDirsCommand",
    "consumer-groups": TOOLS + "consumer.group.ConsumerGroupCommand",
    "share-groups": TOOLS + "consumer.group.ShareGroupCommand",
}
# Lines in groups: those of a group follow each other, groups run side by side. "~" before a line: sorted; "+": only in
# the long form.
GROUPS = {
    "topics": """
        topics --create --topic a{} --partitions 3 --config retention.ms=100000
        +topics --create --topic b.{}
        +topics --create --topic ra{} --replica-assignment 1,1,1
        +~topics --list --topic a{},b.{},ra{}
        topics --describe --topic a{}
        +topics --describe --topics-with-overrides --topic a{}
        topics --alter --topic a{} --partitions 5
        topics --alter --topic a{} --partitions 2
        +topics --alter --topic nope --partitions 2
        +topics --alter --topic nope --partitions 2 --if-exists
        +topics --alter --topic a{}
        +topics --alter --topic a{} --partitions 7 --replica-assignment 1,1,1,1,1,1,1
        +topics --alter --topic a{} --partitions 8 --config x=y
        +topics --describe --under-replicated-partitions --topic a{}
        +topics --describe --unavailable-partitions --topic a{}
        +topics --describe --under-min-isr-partitions --topic a{}
        +topics --describe --at-min-isr-partitions --topic a{}
        +topics --describe --topic-id AAAAAAAAAAAAAAAAAAAAAQ
        +topics --create --topic a{} --if-not-exists
        +topics --create --topic a{}
        +topics --create --topic bad/name
        +topics --create --topic x --partitions 0
        +topics --create --topic x --config retention.ms
        +topics --delete --topic nope
        +topics --delete --topic a{},b.{},ra{}
    """,
    "configs": """
        +topics --create --topic c{}
        configs --alter --topic c{} --add-config retention.ms=200000,cleanup.policy=[compact,delete]
        configs --describe --topic c{}
        +configs --describe --topic c{} --all
        +configs --alter --topic c{} --delete-config retention.ms
        +configs --alter --topic c{} --delete-config retention.ms
        +configs --alter --topic c{} --add-config foo=bar
        +configs --alter --topic c{} --add-config retention.ms
        +configs --alter --topic c{}
        +configs --describe --topic nope
        +configs --describe --topic c{} --entity-type topics
        +configs --describe --entity-type frogs
        +configs --describe
        +configs --describe --broker 1
        +configs --describe --broker x
        +configs --describe --broker 7
        +configs --describe --broker-defaults
        +configs --describe --entity-type brokers
        +configs --alter --user alice{} --add-config producer_byte_rate=1024,consumer_byte_rate=2048
        +configs --describe --entity-type users --entity-name alice{} --entity-type clients --entity-default
        +configs --alter --user alice{} --client app{} --add-config request_percentage=12.5
        +configs --describe --user alice{} --client app{}
        +configs --alter --user alice{} --delete-config controller_mutation_rate
        +configs --alter --client app{} --add-config foo=1
        +configs --alter --group g{} --add-config consumer.session.timeout.ms=50000
        +configs --describe --group g{}
        +configs --describe --group nope
        +configs --alter --client-metrics m{} --add-config interval.ms=1000,metrics=[a,b]
        +configs --describe --client-metrics m{}
    """,
    "offsets": """
        get-offsets --topic seen
        +get-offsets --topic seen --time earliest
        +get-offsets --topic seen --time -3
        +get-offsets --topic seen --time -4
        +get-offsets --topic seen --time -5
        +get-offsets --topic seen --time 0
        +get-offsets --topic seen --time foo
        +get-offsets --topic seen --partitions 0,2
        +get-offsets --topic seen --partitions 0,x
        +get-offsets --topic nope
        +get-offsets --topic-partitions seen:0-2
        +get-offsets --topic-partitions seen:-1
        +get-offsets --topic-partitions seen --topic seen
        delete-records --offset-json-file nothing.json
        +delete-records --offset-json-file twice.json
        +delete-records --offset-json-file frob.json
        +delete-records
        ~log-dirs --describe --topic-list seen
        +log-dirs --describe --broker-list 1,5
        +log-dirs --describe --topic-list nope
    """,
    "groups": """
        +~consumer-groups --list --state empty
        +consumer-groups --list --state frog
        consumer-groups --describe --group e1
        +consumer-groups --describe --group e1 --offsets --verbose
        +consumer-groups --describe --group e1 --members --verbose
        consumer-groups --describe --group e1 --state --verbose
        +consumer-groups --describe --group nope --members
        +consumer-groups --validate-regex a(b
        ~consumer-groups --reset-offsets --group e1 --topic seen --to-earliest --dry-run
        +~consumer-groups --reset-offsets --group e1 --topic seen --to-latest --dry-run
        +consumer-groups --reset-offsets --group e1 --topic seen:0 --to-offset 2 --dry-run
        +consumer-groups --reset-offsets --group e1 --topic seen:0 --to-offset 200 --dry-run
        +~consumer-groups --reset-offsets --group e1 --topic seen --shift-by -1 --dry-run
        +~consumer-groups --reset-offsets --group e1 --all-topics --to-current --dry-run
        +~consumer-groups --reset-offsets --group e1 --topic seen --to-datetime 2020-01-01T00:00:00.000 --dry-run
        +~consumer-groups --reset-offsets --group e1 --topic seen --to-datetime 2099-01-01T00:00:00.000 --dry-run
        +consumer-groups --reset-offsets --group e1 --topic seen --to-datetime frog --dry-run
        +~consumer-groups --reset-offsets --group e1 --topic seen --by-duration PT1H --dry-run
        +~consumer-groups --reset-offsets --group e1 --group e2 --topic seen --to-earliest --export --dry-run
        +~consumer-groups --reset-offsets --group e1 --from-file offsets.csv --dry-run
        +consumer-groups --reset-offsets --group e1 --topic seen:99 --to-earliest --dry-run
        +consumer-groups --reset-offsets --group new --topic seen:0 --shift-by 1 --dry-run
        +consumer-groups --reset-offsets --group e1 --topic seen
        +consumer-groups --reset-offsets --group e1 --topic seen --to-earliest --to-latest
        +~consumer-groups --reset-offsets --group e1 --topic seen --to-earliest --execute
        +consumer-groups --delete-offsets --group e1
        +consumer-groups --delete --all-groups --group e1
        +share-groups --list
        +share-groups --list --state frog
        +share-groups --describe --group nope
        +~share-groups --reset-offsets --group sg{} --topic seen --to-earliest --execute
        +share-groups --describe --group sg{}
        +share-groups --delete-offsets --group sg{} --topic seen
        +share-groups --delete --group sg{}
        +share-groups --delete --group nope
    """,
}


def prepare():
    from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for name, count in (("seen", 3), ("czqtheirs", 1), ("czqourown", 1)):
        # In the short form those two are not created by their lines.
        if name == "seen" or not LONG:
            admin.create_topics([NewTopic(name, count, 1)])[name].result(20)
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for number in range(30):
        producer.produce("seen", b"x%d" % number, partition=number % 3)
    assert producer.flush(30) == 0
    for group in ("e1", "e2"):
        offsets = [TopicPartition("seen", number, 2 + number) for number in range(3)]
        for future in admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, offsets)]).values():
            future.result(20)
    entry = {"topic": "seen", "partition": 0, "offset": 0}
    files = {
        "nothing.json": json.dumps({"partitions": [entry], "version": 1}),
        "twice.json": json.dumps({"partitions": [entry, entry]}),
        "frob.json": "frob",
        "offsets.csv": "seen,0,1\nseen,1,0\n",
    }
    for name, text in files.items():
        with open(os.path.join(WORK, name), "w") as file:
            file.write(text)


def run(command, words, who, is_sorted):
    words = [word.replace("{}", who) for word in words]
    done = subprocess.run(
        [*command, "--bootstrap-server", BOOTSTRAP, *words],
        cwd=WORK, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )
    # Ids are as random as the letters in them.
    text = re.sub(r"TopicId: \S+", "TopicId: ?", done.stdout).replace(who, "{}")
    lines = text.splitlines()
    if is_sorted:
        # Also within a line of JSON.
        lines = sorted("".join(sorted(line)) if line.startswith("{") else line for line in lines)
    return done.returncode, lines


def compare(lines):
    differences, count = [], 0
    for line in (each.strip() for each in lines.strip().splitlines()):
        if line.startswith("+") and not LONG:
            continue
        line = line.removeprefix("+")
        is_sorted, line = line.startswith("~"), line.removeprefix("~")
        tool, *words = shlex.split(line)
        java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{LIBS}/*", CLASSES[tool]]
        theirs = run(java, words, "zqtheirs", is_sorted)
        ours = run([os.path.join(ROOT, f"bin/kafka-{tool}.sh")], words, "zqourown", is_sorted)
        count += 1
        if theirs != ours:
            differences.append(f"{line}: Kafka's {theirs}, ours {ours}")
    return count, differences


prepare()
with ThreadPoolExecutor(2) as pool:
    results = {name: pool.submit(compare, lines) for name, lines in GROUPS.items()}
    for name, future in results.items():

        @check(f"bin/ prints what Kafka's tools print: {name}", 900)
        def _():
            count, differences = future.result()
            for each in differences:
                print(f"  {each}"[:2_000])
            assert not differences, f"{len(differences)} of {count} command lines differ: {differences[0]}"
            return f"{count} command lines"


finish()
