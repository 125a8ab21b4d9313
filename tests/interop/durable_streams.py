"""The public conformance package of Durable Streams (npm), run by vitest under Deno against a server with a file store and one in memory."""
import http.client
import json
import os
import random
import shutil
import subprocess
import threading
import time
import urllib.request

from checks import ROOT, check, finish
from server import COMMAND, Server, clean_environment

SOURCES = os.path.join(ROOT, "tests", "interop", "durable_streams")
FOLDER = os.path.join(os.environ.get("CACHE", os.path.join(ROOT, ".cache", "interop")), "durable_streams")
RESULTS = os.path.join(FOLDER, "results.json")
DENO = COMMAND[0]
TEST = """
import { runConformanceTests } from "@durable-streams/server-conformance-tests";
runConformanceTests({ baseUrl: process.env.BASE, longPollTimeoutMs: 500, subscriptions: true });
"""
# The suite waits for long polls to end, and its webhooks are on this machine.
SETTINGS = ["stream.long.poll.timeout.ms=500", "stream.webhook.local.enable=true"]


@check("the conformance package is installed")
def install():
    os.makedirs(FOLDER, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(SOURCES, name), FOLDER)
    with open(os.path.join(FOLDER, "conformance.test.mjs"), "w") as file:
        file.write(TEST)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=FOLDER, check=True, timeout=180)


def conformance(address, store):
    """Runs all of it; prints a line for each test."""
    if os.path.exists(RESULTS):
        os.remove(RESULTS)
    command = [
        DENO, "run", "-A", "node_modules/vitest/vitest.mjs", "run", "conformance.test.mjs",
        "--testTimeout=30000", "--reporter=json", f"--outputFile={RESULTS}",
    ]
    subprocess.run(command, cwd=FOLDER, env={**os.environ, "BASE": address}, timeout=230, capture_output=True)
    with open(RESULTS) as file:
        report = json.load(file)
    assert report["numTotalTests"] >= 338, f"only {report['numTotalTests']} tests were found"
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in report["testResults"]:
        for test in suite["assertionResults"]:
            status = test["status"] if test["status"] in ("passed", "failed") else "skipped"
            counts[status] += 1
            if status == "failed":
                first = (test["failureMessages"] or ["no message"])[0].splitlines()[0]
                print(f"FAIL {store}: {test['fullName']}: {first}", flush=True)
            elif status == "passed":
                print(f"ok {store}: {test['fullName']}", flush=True)
    assert counts["skipped"] == 0, f"{counts['skipped']} tests did not run"
    return ", ".join(f"{count} {status}" for status, count in counts.items())


@check("the conformance package ran to its end on the file store")
def on_files():
    flags = [word for setting in SETTINGS for word in ("--override", setting)]
    with Server(flags=flags) as server:
        return conformance(server.http, "file store")


@check("the conformance package ran to its end on the store in memory")
def in_memory():
    script = os.path.join(ROOT, "tests", "interop", "programs", "memory_server.ts")
    server = subprocess.Popen(
        [DENO, "run", "-A", script, *SETTINGS], cwd=ROOT, env=clean_environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )
    try:
        return conformance(server.stdout.readline().split()[-1], "store in memory")
    finally:
        server.kill()
        server.wait(20)


ROUNDS = 4
PRODUCERS = 4


class Producer(threading.Thread):
    """Appends 0, 1, 2 … idempotently; sends each again until it is told that it is stored."""

    def __init__(self, address, name, stop):
        super().__init__(daemon=True)
        self.address, self.name_, self.stop = address, name, stop
        self.stored = self.doubtful = 0

    def run(self):
        number, first = 0, True
        while not (self.stop.is_set() and first):
            first = False
            try:
                if self.append(number) == 204:
                    self.doubtful += 1
                number, first = number + 1, True
                self.stored = number
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)

    def append(self, number):
        body = json.dumps({"producer": self.name_, "number": number}).encode()
        headers = {
            "content-type": "application/json", "producer-id": self.name_, "producer-epoch": "0", "producer-seq": str(number),
        }
        request = urllib.request.Request(f"{self.address[0]}/v1/stream/killed", body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status


@check("kill -9 in the middle of appends loses nothing and doubles nothing")
def killed():
    server = Server()
    server.start()
    address = [server.http]
    create = urllib.request.Request(
        f"{server.http}/v1/stream/killed", b"", {"content-type": "application/json"}, method="PUT"
    )
    urllib.request.urlopen(create, timeout=10).close()
    stop = threading.Event()
    producers = [Producer(address, f"p{index}", stop) for index in range(PRODUCERS)]
    for producer in producers:
        producer.start()
    for _ in range(ROUNDS):
        time.sleep(0.5 + random.random())
        server.kill()
        server.start()
        address[0] = server.http
    time.sleep(0.5)
    stop.set()
    for producer in producers:
        producer.join(60)
        assert not producer.is_alive(), "a producer does not get on"
    numbers = {producer.name_: [] for producer in producers}
    offset = "-1"
    while True:
        with urllib.request.urlopen(f"{server.http}/v1/stream/killed?offset={offset}", timeout=10) as answer:
            for record in json.load(answer):
                numbers[record["producer"]].append(record["number"])
            offset = answer.headers["stream-next-offset"]
            if answer.headers["stream-up-to-date"] == "true":
                break
    server.kill()
    for producer in producers:
        assert numbers[producer.name_] == list(range(producer.stored)), f"{producer.name_}: not 0 to {producer.stored - 1}"
    total = sum(producer.stored for producer in producers)
    doubtful = sum(producer.doubtful for producer in producers)
    return f"{total} appends over {ROUNDS} kills, {doubtful} had been stored without an answer"


finish()
