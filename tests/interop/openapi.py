"""schemathesis over our own OpenAPI document: no 5xx, and every answer as documented, also for wrong requests."""
import json
import os
import re
import subprocess
import urllib.request

from checks import LONG, check, finish
from server import Server
from web.environment import program

# Answers there never end.
STREAMS = r"/(live|events|socket)$"
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "use_after_free",
]


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=20).read()


@check("schemathesis finds no 5xx and nothing undocumented", 600)
def document():
    with Server(flags=["--log", "warn"]) as server:
        # The example of the document, so that requests meet something.
        post(f"{server.http}/v1/topics", {"name": "orders"})
        post(f"{server.http}/v1/topics/orders/records", {"records": [{"key": "k", "value": "v"}] * 5})
        command = [
            program("schemathesis"), "run", f"{server.http}/openapi.json", "--exclude-path-regex", STREAMS,
            "--max-examples", "100" if LONG else "3", "--phases", "coverage,fuzzing" if LONG else "fuzzing",
            # With more workers Python's parser sometimes fails in schemathesis itself ("AST constructor recursion depth mismatch").
            "--seed", "1", "--workers", "1", "--request-timeout", "20", "--no-color", "--checks", ",".join(CHECKS),
        ]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=580, cwd=os.environ["TMPDIR"],
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert server.process.poll() is None, "the server ended"
    failures = re.search(r"=+ FAILURES =+\n(.*?)=+ WARNINGS", run.stdout, re.S)
    assert run.returncode == 0, (failures.group(1) if failures else run.stdout[-2000:] + run.stderr[-500:])
    operations = re.search(r"Tested: (\d+)", run.stdout)
    cases = re.search(r"(\d+) generated", run.stdout)
    assert int(operations.group(1)) >= 80, run.stdout[-1500:]
    return f"{operations.group(1)} operations, {cases.group(1)} requests"


finish()
