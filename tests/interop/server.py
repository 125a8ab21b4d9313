"""Starts and ends Kavka as a process of its own, for the suites about starting, ending and killing it.

KAVKA_COMMAND is the command line as a JSON array (the runner takes it from the task `start`).
"""
import json
import os
import queue
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

if "KAVKA_COMMAND" not in os.environ:
    # `deno task start` would not do: a signal would reach the task and not the server.
    sys.exit("KAVKA_COMMAND is not set: run this by `deno task test:interop`")
COMMAND = json.loads(os.environ["KAVKA_COMMAND"])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_port():
    """A port that nobody listened on a moment ago; for servers that must come back at the same address.

    It lies below the ports that the system gives to clients: a client that keeps connecting to a closed port
    among those can be given that very port, and so connect to itself.
    """
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", random.randrange(15_000, 32_000)))
                return probe.getsockname()[1]
            except OSError:
                pass  # taken: try another


def temporary_directory():
    return tempfile.mkdtemp(prefix="kavka-interop-")


def clean_environment():
    """The environment without settings of Kavka's that the caller happens to have."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KAVKA_")}


class Server:
    """One server process. `start()` returns the seconds from its spawn to the line of the last listener."""

    def __init__(self, data=None, kafka="127.0.0.1:0", http="127.0.0.1:0", flags=(), environment=None):
        self.data = data or temporary_directory()
        self.environment = environment or {}
        self.arguments = [*COMMAND, "--kafka", kafka, "--http", http, "--data", self.data, *flags]
        self.bootstrap = self.http = None
        self.errors = []
        self.process = None

    def spawn(self):
        """Starts the process without waiting; returns when it was started (monotonic seconds)."""
        begin = time.monotonic()
        self.process = subprocess.Popen(
            self.arguments,
            cwd=ROOT,
            env={**clean_environment(), **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True).start()
        threading.Thread(target=self._read_errors, args=(self.process.stderr,), daemon=True).start()
        return begin

    def _read(self, stream, lines):
        # The reader of a process that was killed may end when the next one has begun: each has a queue of its own.
        for line in stream:
            lines.put((time.monotonic(), line.decode(errors="replace").rstrip()))
        lines.put((time.monotonic(), None))

    def _read_errors(self, stream):
        for line in stream:
            self.errors.append(line.decode(errors="replace").rstrip())

    def ready(self, begin, seconds=30):
        """Waits for both listeners; returns the seconds since `begin`."""
        self.bootstrap = self.http = None
        while self.bootstrap is None or self.http is None:
            at, line = self.lines.get(timeout=seconds)
            if line is None:
                raise AssertionError(f"the server ended with code {self.process.wait()}: {self.errors[-3:]}")
            if match := re.match(r"kavka: kafka listening on (\S+)$", line):
                self.bootstrap = match[1]
            elif match := re.match(r"kavka: http listening on (\S+)$", line):
                self.http = match[1]
        return at - begin

    def start(self):
        return self.ready(self.spawn())

    def end(self, number=signal.SIGTERM, seconds=20):
        """Sends the signal and returns the exit code and the seconds until the process was gone."""
        begin = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        return code, time.monotonic() - begin

    def kill(self):
        """kill -9; nobody listens any more when it returns."""
        ended = self.end(signal.SIGKILL)
        host, _, port = (self.bootstrap or ":").rpartition(":")
        if port:
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((host, int(port))) != 0, "the server still listens after kill -9"
        return ended

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def run_to_end(flags, seconds=15):
    """Runs the server with `flags` until it ends by itself; returns its exit code and the lines it printed."""
    process = subprocess.Popen(
        [*COMMAND, *flags], cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"the server with {flags} did not end") from None
    lines = [line for line in (out + err).decode(errors="replace").splitlines() if line.strip()]
    return process.returncode, lines


def resident_megabytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) / 1024
