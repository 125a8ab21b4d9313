"""The public conformance package of Durable Streams (npm), run by vitest under Deno against a server with a file store."""
import json
import os
import shutil
import subprocess

from checks import ROOT, check, finish
from server import COMMAND, Server

SOURCES = os.path.join(ROOT, "tests", "interop", "durable_streams")
FOLDER = os.path.join(os.environ.get("CACHE", os.path.join(ROOT, ".cache", "interop")), "durable_streams")
RESULTS = os.path.join(FOLDER, "results.json")
DENO = COMMAND[0]
# The suite waits for long polls to end, and its webhooks are on this machine.
FLAGS = ["--override", "stream.long.poll.timeout.ms=500", "--override", "stream.webhook.local.enable=true"]


@check("the conformance package is installed")
def install():
    os.makedirs(FOLDER, exist_ok=True)
    for name in os.listdir(SOURCES):
        shutil.copy(os.path.join(SOURCES, name), FOLDER)
    command = [DENO, "install", "--quiet", "--node-modules-dir=auto"]
    subprocess.run(command, cwd=FOLDER, check=True, timeout=180, capture_output=True)


@check("the conformance package ran to its end")
def conformance():
    if os.path.exists(RESULTS):
        os.remove(RESULTS)
    with Server(flags=FLAGS) as server:
        command = [
            DENO, "run", "-A", "node_modules/vitest/vitest.mjs", "run", "conformance.test.mjs",
            "--testTimeout=30000", "--reporter=json", f"--outputFile={RESULTS}",
        ]
        subprocess.run(command, cwd=FOLDER, env={**os.environ, "BASE": server.http}, timeout=230, capture_output=True)
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
                print(f"FAIL {test['fullName']}: {first}", flush=True)
            elif status == "passed":
                print(f"ok {test['fullName']}", flush=True)
    assert counts["skipped"] == 0, f"{counts['skipped']} tests did not run"
    return ", ".join(f"{count} {status}" for status, count in counts.items())


finish()
