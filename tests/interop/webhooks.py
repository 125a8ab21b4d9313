"""Webhooks to a receiver that checks every signature with the Standard Webhooks package, while the server is killed (kill -9) again and again.

Every record is delivered or a dead letter, in the order of its partition, and the group's lag is what Kafka's own tool shows.
"""
import json
import os
import subprocess
import threading
import time
import urllib.request

from checks import LONG, ROOT, check, equal, finish
from server import Server, free_port
from web.environment import npm_folder

ROUNDS = 10 if LONG else 3
EACH = 60


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")


class Receiver:
    def __init__(self):
        self.process = subprocess.Popen(
            ["node", os.path.join(npm_folder(), "webhook_receiver.mjs")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.url = self.process.stdout.readline().strip()
        self.taken = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.taken.append(json.loads(line))

    def trust(self, secret):
        self.process.stdin.write(secret + "\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        self.process.wait(10)


server = Server(
    kafka=f"127.0.0.1:{free_port()}",
    http=f"127.0.0.1:{free_port()}",
    flags=[
        "--log", "error", "--override", "group.initial.rebalance.delay.ms=0",
        "--override", "webhook.allowed.addresses=127.0.0.0/8",
    ],
)


def caught_up(seconds=60):
    end = time.monotonic() + seconds
    while True:
        status = call("GET", f"{server.http}/v1/webhooks/mail")
        if status["lag"] == 0:
            return status
        assert time.monotonic() < end, status
        time.sleep(0.1)


@check("killed again and again, it leaves no record out, and the signatures are right")
def killed():
    receiver = Receiver()
    server.start()
    call("POST", f"{server.http}/v1/topics", {"name": "t", "partitionCount": 2})
    wish = {
        "url": receiver.url, "topics": ["t"], "from": "earliest", "maxRecords": 7, "maxAttempts": 4,
        "backoffMs": 20, "maxBackoffMs": 100, "format": "string",
    }
    receiver.trust(call("PUT", f"{server.http}/v1/webhooks/mail", wish)["secret"])
    produced = {0: [], 1: []}
    for number in range(ROUNDS * EACH):
        partition = number % 2
        value = "poison" if number % EACH == 17 else str(number)
        record = {"partition": partition, "value": {"type": "string", "data": value}}
        call("POST", f"{server.http}/v1/topics/t/records", {"records": [record]})
        produced[partition].append(value)
        if number % EACH == EACH - 20:
            server.kill()
            server.start()
    caught_up()
    assert not any("forged" in each for each in receiver.taken), receiver.taken
    duplicates = 0
    for partition, values in produced.items():
        firsts = {}
        for each in receiver.taken:
            if each["partition"] != partition:
                continue
            for offset, value in zip(each["offsets"], each["values"]):
                duplicates += offset in firsts
                equal(firsts.setdefault(offset, value), value)
        equal(list(firsts), sorted(firsts), f"order of partition {partition}")
        expected = {offset: value for offset, value in enumerate(values) if value != "poison"}
        equal(firsts, expected, f"partition {partition}")
    letters = call("GET", f"{server.http}/v1/topics/mail.dlq/partitions/0/records?maxRecords=1000")["records"]
    origins = {}
    for letter in letters:
        headers = {each["key"]: each["value"]["data"] for each in letter["headers"]}
        origins[(int(headers["kavka.dlq.partition"]), int(headers["kavka.dlq.offset"]))] = letter["value"]["data"]
    poison = {(p, o): "poison" for p, values in produced.items() for o, v in enumerate(values) if v == "poison"}
    equal(origins, poison, "dead letters")
    receiver.end()
    return f"{ROUNDS} kills, {len(receiver.taken)} requests taken, {duplicates} records twice"


@check("kafka-consumer-groups.sh shows the webhook's lag, and resets its offsets while it is paused")
def tool():
    command = [os.path.join(ROOT, "bin", "kafka-consumer-groups.sh"), "--bootstrap-server", server.bootstrap]

    def run(*arguments):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    rows = [line.split() for line in run("--describe", "--group", "mail").splitlines() if line.startswith("mail ")]
    equal([row[5] for row in rows], ["0", "0"], "lag")
    assert all("webhook-mail" in row[-1] for row in rows), rows
    call("POST", f"{server.http}/v1/webhooks/mail/pause", {})
    run("--group", "mail", "--topic", "t", "--reset-offsets", "--to-latest", "--execute")
    status = call("POST", f"{server.http}/v1/webhooks/mail/resume")
    assert status["state"] in ("joining", "active"), status


server.end()
finish()
