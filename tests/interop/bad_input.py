"""Wrong configuration, wrong frames, wrong batches, wrong HTTP: one clear answer, and nobody else is disturbed."""
import http.client as http_client
import json
import os
import random
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request

from frames import Connection, batch, produce, request
from server import COMMAND, ROOT, Server, clean_environment, run_to_end, temporary_directory

from checks import check, equal, finish

FREE = ["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0"]


def refused(*words):
    """Runs the server with flags that it must refuse: one line that has all the words, and the code given."""

    def run(code, *flags):
        actual, lines = run_to_end(flags)
        equal(actual, code, f"exit code, after {lines[:3]}")
        equal(len(lines), 1, f"number of lines in {lines}")
        for word in words:
            assert word.lower() in lines[0].lower(), f"no {word!r} in {lines[0]!r}"
        return lines[0][:160]

    return run


def directory():
    return ["--data", temporary_directory()]


@check("unknown flag")
def _():
    return refused("--nonsense")(2, "--nonsense", *FREE)


@check("flag without its value")
def _():
    return refused("--http")(2, "--http")


@check("address without a port")
def _():
    return refused("nowhere", "http")(2, "--http", "nowhere")


@check("broker id that is no number")
def _():
    return refused("broker-id", "x1")(2, "--broker-id", "x1", *FREE)


@check("setting with a wrong value")
def _():
    return refused("num.partitions", "many")(2, "--override", "num.partitions=many", *FREE)


@check("configuration file that does not exist")
def _():
    return refused("nothing.properties")(2, "--config", "/nowhere/nothing.properties", *FREE)


@check("configuration file with a wrong value")
def _():
    path = temporary_directory() + "/server.properties"
    with open(path, "w") as file:
        file.write("log.retention.hours=soon\n")
    return refused("log.retention.hours", "soon")(2, "--config", path, *FREE)


@check("certificate authorities that are malformed")
def _():
    path = temporary_directory() + "/ca.pem"
    with open(path, "w") as file:
        file.write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return refused("webhook.ca.location", path, "malformed")(2, "--override", f"webhook.ca.location={path}", *FREE)


for flag, other in [("--kafka", "--http"), ("--http", "--kafka")]:

    @check(f"port in use: {flag}")
    def _():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            return refused(str(port))(1, flag, f"127.0.0.1:{port}", other, "127.0.0.1:0", *directory())


@check("data directory that is a file")
def _():
    path = temporary_directory() + "/file"
    open(path, "w").close()
    return refused(path)(1, *FREE, "--data", path)


@check("data directory that cannot be made")
def _():
    path = "/proc/kavka" if os.geteuid() == 0 else "/kavka-data"  # permissions do not stop root
    return refused(path)(1, *FREE, "--data", path)


@check("data directory in use by another server")
def _():
    with Server() as server:
        return refused(server.data)(1, *FREE, "--data", server.data)


@check("key-value file of a newer layout")
def _():
    with Server() as server:
        data = server.data
        server.end()
    script = os.path.join(ROOT, "tests", "interop", "programs", "newer_layout.ts")
    done = subprocess.run(
        [COMMAND[0], "run", "-A", script, os.path.join(data, "kavka.sqlite")],
        cwd=ROOT, env=clean_environment(), capture_output=True, timeout=60,
    )
    equal(done.returncode, 0, f"exit code of newer_layout.ts ({done.stderr.decode()[-300:]})")
    return refused("layout")(1, *FREE, "--data", data)


TOPIC = "victim"
server = Server()
healthy = None


@check("a server for the wrong frames")
def _():
    global healthy
    from confluent_kafka.admin import AdminClient, NewTopic

    server.start()
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in [TOPIC, "healthy", "liar"]]).values():
        future.result(20)
    healthy = Connection(server.bootstrap)


def others_are_well(offset=[0]):
    """The connection that did nothing wrong still works, and nothing was written to the victim."""
    answer = healthy.produce("healthy", batch([b"fine"]))
    equal(answer, (0, offset[0]), "the healthy connection's Produce")
    offset[0] += 1
    equal(healthy.end_offset(TOPIC), 0, "end offset of the victim")


def http(method, path, body=None, kind="application/json"):
    """Status and body text of one HTTP request."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if data is None else {"content-type": kind}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(server.http + path, data, headers, method=method), timeout=10
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def closed(name, *pieces):
    """The server closes the connection after these bytes, without a reply."""

    @check(name)
    def _():
        connection = Connection(server.bootstrap)
        try:
            for piece in pieces:
                connection.send(piece)
                time.sleep(0.02)
            equal(connection.reply(), None, "reply")
        except BrokenPipeError:
            pass  # closed while the rest was being sent
        connection.close()
        others_are_well()


good = produce(TOPIC, batch([b"never written"]))

closed("a frame of 2 GB", b"\x7f\xff\xff\xff" + bytes(100))
closed("a frame of negative length", b"\xff\xff\xff\xfe" + bytes(100))
closed("a frame of length 0", b"\0\0\0\0" + bytes(100))
closed("an HTTP request at the Kafka port", b"GET /v1/topics HTTP/1.1\r\nHost: x\r\n\r\n")
closed("an unknown API", request(999, 0))
closed("an unknown version of Produce", request(0, 99, good[8 + 4 + 9 :]))
closed("a Produce request that ends in the middle of its fields", request(0, 7, b"\xff\xff\xff\xff\0\0\x27\x10\0\0\0\x01\0\x06vic"))
closed("an array of 2,000,000,000 elements", request(3, 1, b"\x77\x35\x94\0"))
closed("random bytes", struct.pack(">i", 4_000) + random.Random(1).randbytes(4_000))


@check("half a frame and then silence, or a close, disturbs nobody")
def _():
    slow = Connection(server.bootstrap)
    slow.send(good[:40])
    gone = Connection(server.bootstrap)
    gone.send(good[: len(good) - 3])
    gone.close()
    others_are_well()
    slow.close()


@check("an unknown version of ApiVersions is answered with version 0 and UNSUPPORTED_VERSION")
def _():
    connection = Connection(server.bootstrap)
    connection.send(request(18, 99, b"\0\x02a\x02b\0"))  # from version 3 on: tagged fields, compact strings
    answer = connection.reply()
    correlation, error, count = struct.unpack_from(">ihi", answer)
    equal((correlation, error), (1, 35))
    entries = [struct.unpack_from(">hhh", answer, 10 + 6 * each) for each in range(count)]
    assert any(key == 18 for key, _, _ in entries), entries
    connection.send(request(18, 0))
    equal(struct.unpack_from(">ih", connection.reply()), (1, 0), "then version 0")
    others_are_well()


def answered(name, records, errors):
    """Produce of these bytes is answered with one of the error codes, and the connection lives on."""

    @check(name)
    def _():
        connection = Connection(server.bootstrap)
        answer = connection.produce(TOPIC, records)
        assert answer is not None and answer[0] in errors, f"Produce answered {answer}, expected one of {errors}"
        equal(connection.end_offset(TOPIC), 0, "end offset on the same connection")
        connection.close()
        others_are_well()


CORRUPT, TOO_LARGE, UNSUPPORTED, INVALID = 2, 10, 43, 87
whole = batch([b"one", b"two"])
answered("a batch with a wrong CRC", batch([b"one"], crc_xor=1), [CORRUPT])
answered("a batch that is cut short", whole[:-3], [CORRUPT, INVALID])
answered("a batch that says three records and has two", batch([b"one", b"two"], count=3), [CORRUPT, INVALID])
answered("a batch of magic 7", batch([b"one"], magic=7), [CORRUPT, UNSUPPORTED, INVALID])
answered("a batch of codec 6", batch([b"one"], attributes=6), [CORRUPT, INVALID, 76])
answered("bytes that are no batch", bytes(100), [CORRUPT, INVALID, UNSUPPORTED])
answered("a batch above message.max.bytes", batch([bytes(1_100_000)]), [TOO_LARGE])


@check("a batch that says gzip and is none: refused, or kept as it was sent and reported to who reads it")
def _():
    connection = Connection(server.bootstrap)
    answer = connection.produce("liar", batch([b"one"], attributes=1))
    if answer[0] == 0:  # compressed batches are not opened on their way in
        status, text = http("GET", "/v1/topics/liar/partitions/0/records")
        assert status >= 400 and "    at " not in text and '"title"' in text, f"{status} {text[:300]}"
    else:
        assert answer[0] in [CORRUPT, INVALID], f"Produce answered {answer}"
    connection.close()
    others_are_well()
    return f"error {answer[0]}"


@check("a topic that does not exist, a partition that does not exist")
def _():
    connection = Connection(server.bootstrap)
    equal(connection.produce("no-such-topic", whole)[0], 3, "error for the topic")
    equal(connection.produce(TOPIC, whole, partition=5)[0], 3, "error for the partition")
    others_are_well()


@check("1,000 connections that open and close")
def _():
    for _ in range(1_000):
        Connection(server.bootstrap).close()
    others_are_well()


def problem(name, status, *arguments, says=()):
    @check(f"HTTP {status}: {name}")
    def _():
        actual, text = http(*arguments)
        equal(actual, status, f"status, with {text[:200]}")
        assert "    at " not in text and ".ts:" not in text, f"a stack trace: {text[:300]}"
        for word in says:
            assert word in text, f"no {word!r} in {text[:300]}"
        others_are_well()
        return text[:140]


TOPICS, RECORDS = "/v1/topics", f"/v1/topics/{TOPIC}/records"
problem("no such route", 404, "GET", "/no/such/route")
problem("no such topic", 404, "GET", f"{TOPICS}/no-such-topic")
problem("topic name with a slash", 400, "POST", TOPICS, {"name": "a/b"}, says=["name"])
problem("no partitions", 400, "POST", TOPICS, {"name": "a", "partitionCount": 0}, says=["partitionCount"])
problem("unknown field", 400, "POST", TOPICS, {"name": "a", "parts": 1}, says=["parts"])
problem("body that is no JSON", 400, "POST", TOPICS, b"{")
problem("body of another type", 415, "POST", TOPICS, b"name=a", "text/csv")
problem("record with a wrong field", 400, "POST", RECORDS, {"records": [{"value": {"no": 1}, "partition": "x"}]}, says=["partition"])


@check("HTTP 413: a body that says it has 1 GB")
def _():
    host, port = server.http.removeprefix("http://").rsplit(":", 1)
    connection = http_client.HTTPConnection(host, int(port), timeout=10)
    connection.putrequest("POST", RECORDS)
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", "1000000000")
    connection.endheaders()
    connection.send(b'{"records":[')
    answer = connection.getresponse()
    equal(answer.status, 413, "status")
    connection.close()
    others_are_well()


problem("offset that is no number", 400, "GET", f"{TOPICS}/{TOPIC}/partitions/0/records?offset=x", says=["offset"])


@check("the server is still the same process, and its log has no stack trace")
def _():
    assert server.process.poll() is None, "it ended"
    traces = [line for line in server.errors if line.startswith("    at ")]
    assert not traces, traces[:3]
    code, seconds = server.end()
    equal(code, 0, "exit code")
    return f"{len(server.errors)} lines logged"


finish()
