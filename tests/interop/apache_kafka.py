"""Apache Kafka 4.3.1 as one KRaft node on loopback, with what the suites ask of server.Server: the control of a suite that
kills its broker.
"""
import os
import socket
import subprocess
import time
import uuid

from server import ROOT, Server, free_port, temporary_directory

CACHE = os.environ.get("CACHE", os.path.join(ROOT, ".cache/interop"))
JAVA = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", os.path.join(os.environ.get("LIBS", f"{CACHE}/java"), "*")]


class ApacheKafka(Server):
    """One process. What is in `data` is found again by the next one."""

    def __init__(self, data=None, kafka=None):
        self.data = data or temporary_directory()
        self.address = kafka or f"127.0.0.1:{free_port()}"
        self.bootstrap = self.process = None

    def start(self, seconds=60):
        """Returns the seconds from its spawn until it answers."""
        file = os.path.join(self.data, "server.properties")
        if not os.path.exists(file):
            self._format(file)
        begin = time.monotonic()
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([*JAVA, "kafka.Kafka", file], cwd=self.data, **quiet)
        host, port = self.address.split(":")
        while time.monotonic() < begin + seconds:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    self.bootstrap = self.address
                    return time.monotonic() - begin
            if self.process.poll() is not None:
                raise AssertionError(f"Apache Kafka ended with code {self.process.returncode}")
            time.sleep(0.05)
        raise AssertionError(f"Apache Kafka does not listen after {seconds} s")

    def _format(self, file):
        controller = f"127.0.0.1:{free_port()}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": os.path.join(self.data, "data"),
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
        }
        with open(file, "w") as properties:
            properties.writelines(f"{name}={value}\n" for name, value in settings.items())
        format = [*JAVA, "kafka.tools.StorageTool", "format", "-t", uuid.uuid4().hex[:22], "-c", file]
        done = subprocess.run(format, cwd=self.data, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"Cannot format a log directory: {done.stderr.strip()[-300:]}")
