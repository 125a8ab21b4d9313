"""Other people's web clients, unchanged: @upstash/kafka, @durable-streams/client, eventsource, ws, websockets, httpx-sse, cloudevents,
curl, an OpenMetrics parser."""
import json
import os
import socket
import subprocess
import time
import urllib.request

from checks import ROOT, check, equal, finish
from server import Server
from web.environment import npm_folder, program

SOURCES = os.path.join(ROOT, "tests", "interop", "web")
ADMIN = "interop-admin-key-0123456789"


def call(url, body=None, key=None):
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    data = None if body is None else json.dumps(body).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20))


def node(script, **environment):
    command = ["node", os.path.join(npm_folder(), script)]
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=90)
    assert run.returncode == 0, run.stderr[-1500:]


def curl(*arguments):
    run = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], capture_output=True, timeout=30)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode()


@check("the clients are installed")
def install():
    npm_folder()
    program("python")


server = Server(flags=["--log", "warn", "--override", "group.initial.rebalance.delay.ms=0"])
server.start()
HTTP = server.http


@check("@upstash/kafka")
def upstash():
    node("upstash.mjs", HTTP=HTTP, KEY="none")


@check("@durable-streams/client")
def durable_streams():
    node("durable_streams.mjs", HTTP=HTTP)


@check("eventsource goes on by Last-Event-ID when it is cut off")
def eventsource():
    call(f"{HTTP}/v1/topics", {"name": "tail", "partitionCount": 2})
    node("eventsource.mjs", HTTP=HTTP, TOPICS="tail", TAIL="/v1/topics/tail/live?from=earliest")


@check("eventsource on several topics and on a pattern, and ws over a WebSocket, go on when they are cut off")
def several_topics():
    for kind in ["names", "pattern", "socket"]:
        topics = [f"{kind}-{each}" for each in "abc"]
        for name in topics:
            call(f"{HTTP}/v1/topics", {"name": name, "partitionCount": 2})
        wanted = f"pattern={kind}-.*" if kind == "pattern" else "topics=" + ",".join(topics)
        script = "ws.mjs" if kind == "socket" else "eventsource.mjs"
        node(script, HTTP=HTTP, TOPICS=",".join(topics), TAIL=f"/v1/live?from=earliest&{wanted}")


@check("httpx-sse reads and resumes")
def httpx_sse():
    script = f"""
import httpx, json
from httpx_sse import connect_sse
seen, last = [], None
with httpx.Client(timeout=20) as client:
    for _ in range(4):
        headers = {{}} if last is None else {{"Last-Event-ID": last}}
        with connect_sse(client, "GET", "{HTTP}/v1/topics/tail/live?from=earliest", headers=headers) as source:
            for event in source.iter_sse():
                if event.event != "record": continue
                seen.append(int(json.loads(event.data)["value"]["data"])); last = event.id
                if len(seen) % 12 == 0: break
assert sorted(seen) == list(range(48)), seen
"""
    run = subprocess.run([program("python"), "-c", script], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr[-800:]


@check("cloudevents of npm: over HTTP and over Kafka, each read by both")
def cloudevents_js():
    call(f"{HTTP}/v1/topics", {"name": "events-js"})
    node("cloudevents.mjs", HTTP=HTTP, BOOTSTRAP=server.bootstrap, TOPIC="events-js")


@check("cloudevents of PyPI: over HTTP and over Kafka, each read by both")
def cloudevents_python():
    call(f"{HTTP}/v1/topics", {"name": "events-python"})
    environment = {"HTTP": HTTP, "BOOTSTRAP": server.bootstrap, "TOPIC": "events-python"}
    run = subprocess.run(
        [program("python"), os.path.join(SOURCES, "cloud_events.py")],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=90,
    )
    assert run.returncode == 0, run.stderr[-1500:]


@check("curl: produce, read, compressed both ways, a stream of records both ways")
def with_curl():
    url = f"{HTTP}/v1/topics/curl/records"
    answer = json.loads(curl(url, "-H", "content-type: application/json", "-d", '{"key": "a", "value": "hello"}'))
    equal([(each["partition"], each["offset"]) for each in answer["records"]], [(0, 0)])
    body = os.path.join(os.environ["TMPDIR"], "body.gz")
    subprocess.run(["sh", "-c", f"""printf '{{"value": "zipped"}}' | gzip > {body}"""], check=True)
    head = ["-H", "content-type: application/json", "-H", "content-encoding: gzip"]
    equal(json.loads(curl(url, *head, "--data-binary", f"@{body}"))["records"][0]["offset"], 1)
    read = json.loads(curl("--compressed", f"{HTTP}/v1/topics/curl/partitions/0/records"))
    equal([each["value"]["data"] for each in read["records"]], ["hello", "zipped"])
    cluster = json.loads(curl(f"{HTTP}/v3/clusters"))["data"][0]["cluster_id"]
    lines = "".join('{"value": {"type": "STRING", "data": "%d"}}' % n for n in range(20))
    reports = curl(
        f"{HTTP}/v3/clusters/{cluster}/topics/curl/records", "-H", "content-type: application/json",
        "-H", "transfer-encoding: chunked", "-d", lines,
    )
    equal([json.loads(line)["offset"] for line in reports.split()], list(range(2, 22)))


@check("prometheus_client's OpenMetrics parser takes /metrics")
def metrics():
    script = """
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = {family.name: family for family in text_string_to_metric_families(sys.stdin.read())}
assert len(families) >= 20, sorted(families)
produced = [s.value for s in families["kavka_http_requests"].samples if s.labels["route"] == "produceRecords"]
assert sum(produced) >= 3, produced
assert any(s.labels["actor"] == "partition" and s.value > 0
           for s in families["kavka_commit_seconds"].samples if s.name.endswith("_count"))
"""
    text = urllib.request.urlopen(f"{HTTP}/metrics", timeout=20).read()
    run = subprocess.run([program("python"), "-c", script], input=text, capture_output=True, timeout=60)
    assert run.returncode == 0, run.stderr.decode()[-800:]


@check("websockets: filters, a topic that comes later, pause and resume, ping, the end with 1001")
def websockets():
    script = f"""
import asyncio, json, os, signal, urllib.request
import websockets

HTTP = "{HTTP}"

def produce(topic, *records):
    body = json.dumps({{"records": records}}).encode()
    request = urllib.request.Request(HTTP + f"/v1/topics/{{topic}}/records", body, {{"content-type": "application/json"}})
    urllib.request.urlopen(request, timeout=20).read()

def record(value, key, kind):
    return {{"value": value, "key": key, "headers": [{{"key": "kind", "value": kind}}]}}

async def main():
    url = HTTP.replace("http", "ws") + "/v1/live?pattern=py-.*&key=k&header=kind:paid"
    async with websockets.connect(url) as tail:
        async def take(count):
            return [json.loads(await asyncio.wait_for(tail.recv(), 20)) for _ in range(count)]
        assert (await take(1))[0]["event"] == "position"
        produce("py-a", record("0", "k", "due"), record("1", "x", "paid"), record("2", "k", "paid"))
        created, first = await take(2)
        assert (created["event"], created["data"]["topic"]) == ("topicCreated", "py-a"), created
        assert first["data"]["value"]["data"] == "2" and first["data"]["offset"] == 2, first
        await asyncio.wait_for(await tail.ping(), 20)
        await tail.send(json.dumps({{"type": "pause"}}))
        await asyncio.wait_for(await tail.ping(), 20)
        produce("py-a", *[record(str(n), "k", "paid") for n in range(500)])
        try:
            raise AssertionError(await asyncio.wait_for(tail.recv(), 0.5))
        except asyncio.TimeoutError:
            pass
        await tail.send(json.dumps({{"type": "resume"}}))
        offsets = [each["data"]["offset"] for each in await take(500)]
        assert offsets == list(range(3, 503)), offsets[:5]
        os.kill({server.process.pid}, signal.SIGTERM)
        try:
            while True:
                await asyncio.wait_for(tail.recv(), 20)
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1001, closed

asyncio.run(main())
"""
    run = subprocess.run([program("python"), "-c", script], capture_output=True, text=True, timeout=90)
    assert run.returncode == 0, run.stderr[-800:]


@check("the server that was told to stop ended in order")
def ended():
    equal(server.process.wait(20), 0, "exit code")


server.__exit__()


@check("curl: whatever lasts ends in order when the server is told to stop")
def stopping():
    with Server(flags=["--log", "error"]) as lasting:
        records = f"{lasting.http}/v1/topics/t"
        call(f"{records}/records", {"value": "a"})
        stream = f"{lasting.http}/v1/stream/s"
        curl("-X", "PUT", stream, "-H", "content-type: text/plain", "-d", "a")
        # The streams tell at once that they are there; the polls do not.
        streams = [f"{lasting.http}/v1/events", f"{records}/live", f"{stream}?offset=-1&live=sse"]
        polls = [f"{stream}?offset=now&live=long-poll", f"{records}/partitions/0/records?offset=latest&waitMs=30000"]
        running = {
            url: subprocess.Popen(
                ["curl", "-sS", "-N", "--max-time", "40", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for url in streams + polls
        }
        host, port = lasting.http.removeprefix("http://").split(":")
        cluster = call(f"{lasting.http}/v3/clusters")["data"][0]["cluster_id"]
        record = b'{"value": {"type": "STRING", "data": "b"}}'
        with socket.create_connection((host, int(port)), timeout=40) as producer:
            head = [
                f"POST /v3/clusters/{cluster}/topics/t/records HTTP/1.1", f"Host: {host}", "Content-Type: application/json",
                "Transfer-Encoding: chunked", "", "",
            ]
            producer.sendall("\r\n".join(head).encode() + b"%x\r\n%s\r\n" % (len(record), record))
            answer = b""
            while b'"offset":1' not in answer:
                answer += producer.recv(4096)
            for url in streams:
                assert running[url].stdout.read(1), f"{url} did not begin"
            time.sleep(1)  # the polls are on their way
            code, seconds = lasting.end()
            equal(code, 0, "exit code of the server")
            while piece := producer.recv(4096):
                answer += piece
            assert answer.endswith(b"\r\n0\r\n\r\n"), f"a stream of records has no end: {answer[-200:]}"
        for url, process in running.items():
            _, errors = process.communicate(timeout=20)
            equal((process.returncode, errors.decode().strip()), (0, ""), f"{url}: exit code and errors of curl")
        return f"{len(running) + 1} ends, {seconds:.1f} s"


@check("clients with keys: Upstash's and Durable Streams' with one for their topics, none without")
def keys():
    with Server(
        flags=["--log", "error", "--override", "group.initial.rebalance.delay.ms=0"],
        environment={"KAVKA_ADMIN_KEY": ADMIN},
    ) as keyed:
        scopes = ["produce:upstash-*", "produce:clients/*", "consume"]
        key = call(f"{keyed.http}/v1/api-keys", {"name": "clients", "scopes": scopes}, ADMIN)["key"]
        node("upstash.mjs", HTTP=keyed.http, KEY=key)
        node("durable_streams.mjs", HTTP=keyed.http, KEY=key)
        equal(curl("-o", "/dev/null", "-w", "%{http_code}", f"{keyed.http}/v1/topics"), "401")


finish()
