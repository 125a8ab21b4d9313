"""What the Python programs share: a loop that reads one JSON request a line and answers each with one line.

../CONTRACT.md says which operations there are. An operation is a function of a program's `OPERATIONS`; what it
raises becomes `{"error": …}` with Kafka's error code where the client tells it.
"""
import base64
import json
import os
import sys
import threading
import time

BOOTSTRAP = os.environ["BOOTSTRAP"]
DEADLINE_S = 40


def pack(value):
    """Bytes as base64 text; None stays None."""
    return None if value is None else base64.b64encode(bytes(value)).decode()


def unpack(text):
    return None if text is None else base64.b64decode(text)


def records(request):
    """The records of a produce request: (partition, key, value, headers, timestamp in ms)."""
    for each in request["records"]:
        headers = [(name, unpack(value)) for name, value in each.get("h", [])]
        yield each["p"], unpack(each.get("k")), unpack(each.get("v")), headers, each["t"]


def record(partition, offset, key, value, headers, timestamp):
    """One record as `read` and `seek` answer it."""
    packed = [[name, pack(content)] for name, content in headers or []]
    return {"p": partition, "o": offset, "k": pack(key), "v": pack(value), "h": packed, "t": timestamp}


class KafkaFailure(Exception):
    """An error code that the server sent and the client hands over without raising."""

    def __init__(self, code, message=""):
        super().__init__(message or f"error {code}")
        self.code = code


class Member(threading.Thread):
    """A member of a group on a thread of its own: `poll` is called until `leave`."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lock = threading.Lock()
        self.taken = []
        self.assigned = []
        self.failure = None
        self.leaving = threading.Event()

    def run(self):
        try:
            self.work()
        except Exception as error:  # told to who asks next
            self.failure = error

    def take(self):
        if self.failure is not None:
            raise self.failure
        with self.lock:
            taken, self.taken = self.taken, []
        return {"records": taken, "assigned": sorted(self.assigned)}

    def leave(self):
        self.leaving.set()
        self.join(DEADLINE_S)
        if self.is_alive():
            raise TimeoutError("the member did not leave in time")
        return self.take()


def until(condition, what):
    """Until `condition()` holds; `what()` says how far it came when it does not in time."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what())


def serve(operations, error_code):
    """Answers requests until the input ends. `error_code` finds Kafka's code in what a client raised, or None."""
    member = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            op = request["op"]
            if op == "join":
                member = operations["join"](request)
                member.start()
                result = None
            elif op == "take":
                result = member.take()
            elif op == "leave":
                result, member = member.leave(), None
            else:
                result = operations[op](request)
            answer = {"ok": result}
        except Exception as error:
            code = error.code if isinstance(error, KafkaFailure) else error_code(error)
            answer = {"error": {"code": code, "message": f"{type(error).__name__}: {error}"[:500]}}
        print(json.dumps(answer), flush=True)
    os._exit(0)  # clients' background threads must not hold the process
