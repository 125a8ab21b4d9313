/** Our HTTP listener and Deno's server behind it, over real sockets. */
import assert from "node:assert/strict";
import { realEnv, upgradeWebSocket } from "../env/real.ts";
import type { Conn, Env } from "../lib/env.ts";
import { silentLogger } from "../lib/log.ts";
import { knownResponse } from "../lib/known_body.ts";
import { upgradeWith } from "./http/web_socket.ts";
import { HttpServer } from "./http_server.ts";

const env = realEnv();
const log = silentLogger;
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

type Fetch = (request: Request) => Response | Promise<Response>;

interface Served {
  readonly port: number;
  readonly otherPort: number;
  readonly server: HttpServer;
  /** Requests that Deno's server took. */
  handedOver(): number;
  /** Only Deno's server. */
  stopOther(): Promise<void>;
}

async function withServer(
  fetch: Fetch,
  use: (served: Served) => Promise<void>,
  env: Env = realEnv(),
): Promise<void> {
  let handedOver = 0;
  const other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    handedOver++;
    return fetch(request);
  });
  const listener = await env.listen({ hostname: "127.0.0.1", port: 0 });
  const server = new HttpServer({ env, log, listener, fetch, otherPort: () => other.addr.port });
  server.start();
  try {
    await use({
      port: listener.port,
      otherPort: other.addr.port,
      server,
      handedOver: () => handedOver,
      stopOther: () => other.shutdown(),
    });
  } finally {
    await Promise.all([server.shutdown(), other.shutdown()]);
  }
}

class Client {
  readonly #conn: Conn;
  #text = "";

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  async send(text: string | Uint8Array): Promise<void> {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** What came until `end` did, or everything when the server ends. */
  async until(end: string): Promise<string> {
    const buffer = new Uint8Array(4_096);
    for (;;) {
      const at = this.#text.indexOf(end);
      if (at !== -1) {
        const found = this.#text.slice(0, at + end.length);
        this.#text = this.#text.slice(at + end.length);
        return found;
      }
      const count = await this.#conn.read(buffer);
      if (count === null) return this.#text;
      this.#text += decoder.decode(buffer.subarray(0, count));
    }
  }

  /** Says that nothing more comes, and still listens. */
  async leave(): Promise<void> {
    await this.#conn.closeWrite?.();
  }

  close(): void {
    this.#conn.close();
  }
}

async function connected(port: number): Promise<Client> {
  return new Client(await env.connect({ hostname: "127.0.0.1", port }));
}

/** Answers with what came, so that a misread request is seen. */
async function echo(request: Request): Promise<Response> {
  const headers = [...request.headers].filter(([name]) => name !== "host").map(([name, value]) =>
    `${name}=${value}`
  );
  const seen = [request.method, new URL(request.url).pathname, headers.join("&"), await request.text()];
  return knownResponse(`<${seen.join("|")}>`, { headers: { "content-type": "text/plain" } });
}

const NO_ANSWER = "\r\n\r\n<NEVER>";

Deno.test("requests on one connection are answered in order, however their bytes are cut", async () => {
  await withServer(echo, async ({ port, handedOver }) => {
    const requests = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
      "GET /b HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n\r\n" +
      "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nDELETE /d HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const cut of [1, 2, 3, 7, 50, 1_000]) {
      const client = await connected(port);
      const sent = (async () => {
        for (let at = 0; at < requests.length; at += cut) await client.send(requests.slice(at, at + cut));
      })();
      assert.match(
        await client.until(">"),
        /^HTTP\/1\.1 200 OK\r\n[^<]*content-length: 32\r\n[^<]*<POST\|\/a\|content-length=5\|hello>$/,
      );
      assert.match(await client.until(">"), /<GET\|\/b\|x-a=1, 2\|>$/);
      assert.match(await client.until(">"), /<POST\|\/c\|content-length=0\|>$/);
      assert.match(await client.until(">"), /<DELETE\|\/d\|\|>$/);
      await sent;
      client.close();
    }
    assert.equal(handedOver(), 0);
  });
});

Deno.test("both servers give the same answers", async () => {
  const fetch: Fetch = (request) => {
    switch (new URL(request.url).pathname) {
      case "/known":
        return knownResponse("née", {
          status: 201,
          headers: { "content-type": "text/plain", "x-a": "\xe9" },
        });
      case "/text":
        return new Response("text", { status: 404 });
      case "/bytes":
        return new Response(new Uint8Array(100_000).fill(65));
      case "/large":
        return knownResponse(new Uint8Array(100_000).fill(65), {});
      case "/none":
        return new Response(null, { status: 204 });
      case "/empty":
        return new Response("", { status: 200 });
      case "/unchanged":
        return new Response(null, { status: 304, headers: { etag: '"a"' } });
      case "/stream":
        return new Response(
          new ReadableStream({
            async pull(controller) {
              await env.sleep(1);
              controller.enqueue(encoder.encode("one"));
              controller.enqueue(new Uint8Array(0));
              controller.enqueue(encoder.encode("two"));
              controller.close();
            },
          }),
        );
      default:
        return echo(request);
    }
  };
  await withServer(fetch, async ({ port, otherPort }) => {
    const paths = [
      "/known",
      "/text",
      "/bytes",
      "/large",
      "/none",
      "/empty",
      "/unchanged",
      "/stream",
      "/echo?a=%20b",
    ];
    for (const path of paths) {
      const [ours, denos] = await Promise.all([port, otherPort].map(async (port) => {
        const response = await globalThis.fetch(`http://127.0.0.1:${port}${path}`);
        const headers = [...response.headers].filter(([name]) =>
          name !== "date" && name !== "transfer-encoding" && name !== "content-length"
        );
        return { status: response.status, headers, body: await response.text() };
      }));
      assert.deepEqual(ours, denos, path);
    }
  });
});

const beyond: readonly [why: string, request: string, answer: RegExp][] = [
  [
    "a body in chunks",
    "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    /<POST\|\/a\|transfer-encoding=chunked\|abcde>$/,
  ],
  [
    "an expectation",
    "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nz",
    /\|z>$/,
  ],
  ["an old client", "GET /a HTTP/1.0\r\nHost: x\r\n\r\n", /<GET\|\/a\|\|>$/],
];

for (const [why, request, answer] of beyond) {
  Deno.test(`${why} is for Deno's server, also behind a plain request`, async () => {
    await withServer(echo, async ({ port, handedOver }) => {
      for (const first of ["", "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"]) {
        const client = await connected(port);
        await client.send(first + request);
        if (first !== "") assert.match(await client.until(">"), /<POST\|\/first\|content-length=2\|hi>$/);
        assert.match(await client.until(">"), answer);
        client.close();
      }
      assert.equal(handedOver(), 2);
    });
  });
}

Deno.test("what is no HTTP is refused at once, also by a client that says nothing more", async () => {
  await withServer(echo, async ({ port }) => {
    for (
      const text of [
        "BAD\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "\x16\x03\x01\x00\r\n\r\n",
        // What two servers in a row could read as two requests, or as another's header.
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: a\rY: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n",
      ]
    ) {
      const client = await connected(port);
      await client.send(text);
      assert.match(await client.until("\r\n\r\n"), /^HTTP\/1\.1 400 /, JSON.stringify(text));
      await client.until(NO_ANSWER);
      client.close();
    }
  });
});

Deno.test("a connection that began with HTTP/1.1 stays with it", async () => {
  await withServer(echo, async ({ port }) => {
    const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const first = await connected(port);
    await first.send(preface);
    // The server's own settings.
    // deno-lint-ignore no-control-regex -- frames are bytes
    assert.match(await first.until("\x04\0\0\0\0\0"), /^\0\0.\x04\0/);
    first.close();
    for (const cut of [1, 2, 1_000]) {
      const later = await connected(port);
      await later.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
      await later.until("<GET|/a||>");
      for (let at = 0; at < preface.length; at += cut) await later.send(preface.slice(at, at + cut));
      assert.match(await later.until(NO_ANSWER), /^HTTP\/1\.1 400 /);
      later.close();
    }
  });
});

Deno.test("a WebSocket goes through", async () => {
  const fetch: Fetch = (request) => {
    const options = { protocol: null, messageBytesMax: 100, silenceMsMax: 1_000 };
    const { socket, response } = upgradeWith(upgradeWebSocket)(request, options);
    socket.handlers = { opened() {}, message: (text) => socket.send(`echo ${text}`), closed() {} };
    return response;
  };
  await withServer(fetch, async ({ port, handedOver }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const heard = Promise.withResolvers<unknown>();
    const closed = Promise.withResolvers<unknown>();
    socket.onopen = () => socket.send("hi");
    socket.onmessage = ({ data }) => heard.resolve(data);
    socket.onclose = closed.resolve;
    assert.equal(await heard.promise, "echo hi");
    socket.close();
    await closed.promise;
    assert.equal(handedOver(), 0);
  });
});

Deno.test("a handshake that was read ahead loses none of the frames behind it", async () => {
  const go = Promise.withResolvers<void>();
  const fetch: Fetch = async (request) => {
    if (request.url.endsWith("/wait")) {
      assert.equal(request.signal.aborted, false);
      await go.promise;
      return knownResponse("<waited>", {});
    }
    const options = { protocol: null, messageBytesMax: 100, silenceMsMax: 1_000 };
    const { socket, response } = upgradeWith(upgradeWebSocket)(request, options);
    socket.handlers = { opened() {}, message: (text) => socket.send(`<${text}>`), closed() {} };
    return response;
  };
  await withServer(fetch, async ({ port }) => {
    const client = await connected(port);
    await client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    await client.send(
      "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    // Time for the server to read it, and to wait for more.
    await env.sleep(20);
    go.resolve();
    await client.until("<waited>");
    await client.until("\r\n\r\n");
    await client.send(Uint8Array.of(0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69));
    await client.leave();
    assert.match(await client.until(">"), /<hi>$/);
    client.close();
  });
});

Deno.test("a server that stops tells its WebSockets", async () => {
  const fetch: Fetch = (request) => {
    const options = { protocol: null, messageBytesMax: 100, silenceMsMax: 1_000 };
    return upgradeWith(upgradeWebSocket)(request, options).response;
  };
  await withServer(fetch, async ({ port, server }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
    const opened = Promise.withResolvers<unknown>();
    const closed = Promise.withResolvers<number>();
    socket.onopen = opened.resolve;
    socket.onclose = ({ code }) => closed.resolve(code);
    await opened.promise;
    await server.shutdown();
    assert.equal(await closed.promise, 1001);
  });
});

Deno.test("a client that leaves ends its stream, and the signal of its request", async () => {
  const cancelled = Promise.withResolvers<void>();
  let aborted = Promise.withResolvers<void>();
  const fetch: Fetch = async (request) => {
    if (request.url.endsWith("/wait")) {
      const { signal } = request;
      await request.text();
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted.resolve();
      return new Response(null);
    }
    return new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(encoder.encode("begun")),
        cancel: () => cancelled.resolve(),
      }),
    );
  };
  await withServer(fetch, async ({ port, server }) => {
    const reader = await connected(port);
    await reader.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.match(await reader.until("begun"), /transfer-encoding: chunked/);
    await reader.leave();
    await cancelled.promise;
    assert.equal(await reader.until(NO_ANSWER), "\r\n", "the stream was not whole");
    reader.close();
    for (
      const request of [
        "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /wait HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
      ]
    ) {
      aborted = Promise.withResolvers();
      const waiter = await connected(port);
      await waiter.send(request);
      // It waits by now or not yet: it is told in either case.
      waiter.close();
      await aborted.promise;
    }
    while (server.connectionCount > 0) await env.sleep(1);
  });
});

Deno.test("a request that is sent during a stream is answered behind it", async () => {
  const go = Promise.withResolvers<void>();
  const fetch: Fetch = (request) => {
    if (!request.url.endsWith("/stream")) return echo(request);
    return new Response(
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(encoder.encode("begun"));
          await go.promise;
          controller.close();
        },
      }),
    );
  };
  await withServer(fetch, async ({ port }) => {
    const client = await connected(port);
    await client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    await client.until("begun");
    const more = "x".repeat(1_000);
    await client.send(`POST /next HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${more}`);
    go.resolve();
    await client.until("0\r\n\r\n");
    assert.match(await client.until(">"), new RegExp(`<POST\\|/next\\|content-length=1000\\|${more}>$`));
    client.close();
  });
});

Deno.test("what is not plain goes on to Deno's server also behind a stream, with every byte of it", async () => {
  const fetch: Fetch = (request) => {
    if (!request.url.endsWith("/stream")) return echo(request);
    return new Response(
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(encoder.encode("begun"));
          await env.sleep(1);
          controller.close();
        },
      }),
    );
  };
  await withServer(fetch, async ({ port, handedOver }) => {
    for (const cut of [1, 10, 1_000]) {
      const client = await connected(port);
      await client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
      await client.until("0\r\n\r\n");
      const request =
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
      for (let at = 0; at < request.length; at += cut) {
        await client.send(request.slice(at, at + cut));
        await env.sleep(0);
      }
      assert.match(await client.until(">"), /<POST\|\/a\|transfer-encoding=chunked\|abcde>$/);
      client.close();
    }
    assert.equal(handedOver(), 3);
  });
});

Deno.test("what was read ahead while an answer was awaited is the next request, whole and once", async () => {
  let go = Promise.withResolvers<void>();
  const fetch: Fetch = async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/wait") {
      // Reading `signal` is how a route asks to be told when the client leaves.
      assert.equal(request.signal.aborted, false);
      await go.promise;
      return knownResponse("<waited>", {});
    }
    if (pathname !== "/stream") return echo(request);
    return new Response(
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(encoder.encode("<begun>"));
          await go.promise;
          controller.close();
        },
      }),
    );
  };
  const chunks = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
  const nexts: readonly [ahead: string, later: string, answer: RegExp][] = [
    ["POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "", /\|hello>$/],
    ["POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "hello", /\|hello>$/],
    ["POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel", "lo", /\|hello>$/],
    [`${chunks}0\r\n\r\n`, "", /\|abc>$/],
    [chunks, "0\r\n\r\n", /\|abc>$/],
    ["GET /a HTTP/1.0\r\nHost: x\r\n\r\n", "", /<GET\|\/a\|\|>$/],
  ];
  await withServer(fetch, async ({ port }) => {
    for (const first of ["/wait", "/stream"]) {
      for (const [ahead, later, answer] of nexts) {
        go = Promise.withResolvers();
        const client = await connected(port);
        await client.send(`GET ${first} HTTP/1.1\r\nHost: x\r\n\r\n`);
        if (first === "/stream") await client.until("<begun>");
        await client.send(ahead);
        // Time for the server to read it; with less the test shows less, and is right all the same.
        await env.sleep(20);
        go.resolve();
        await client.until(first === "/stream" ? "0\r\n\r\n" : "<waited>");
        await client.send(later);
        assert.match(await client.until(">"), answer, `${first} ${JSON.stringify(ahead)}`);
        client.close();
      }
    }
  });
});

Deno.test("a signal that is first asked for behind the answer takes nothing from the next request", async () => {
  const aborted = Promise.withResolvers<void>();
  const waiting = Promise.withResolvers<void>();
  let kept: Request | null = null;
  const fetch: Fetch = async (request) => {
    if (!request.url.endsWith("/wait")) {
      kept = request;
      return knownResponse("<kept>", {});
    }
    request.signal.addEventListener("abort", () => aborted.resolve());
    assert.equal(kept?.signal.aborted, false);
    waiting.resolve();
    await aborted.promise;
    return knownResponse("", {});
  };
  await withServer(fetch, async ({ port }) => {
    const client = await connected(port);
    await client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    await client.until("<kept>");
    await client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    await waiting.promise;
    client.close();
    const outcome = await Promise.race([aborted.promise.then(() => "told"), env.sleep(2_000)]);
    aborted.resolve();
    assert.equal(outcome, "told");
  });
});

Deno.test("a stream that breaks has no end, so that the client does not take it for whole", async () => {
  const fetch: Fetch = () =>
    new Response(
      new ReadableStream({
        async pull(controller) {
          controller.enqueue(encoder.encode("begun"));
          await env.sleep(1);
          controller.error(new Error("broken"));
        },
      }),
    );
  await withServer(fetch, async ({ port }) => {
    const client = await connected(port);
    await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const text = await client.until(NO_ANSWER);
    assert.match(text, /begun\r\n$/);
    client.close();
  });
});

Deno.test("a body that no route reads does not become the next request", async () => {
  const fetch: Fetch = (request) =>
    request.url.endsWith("/refuse") ? knownResponse("<no>", { status: 401 }) : echo(request);
  await withServer(fetch, async ({ port }) => {
    const client = await connected(port);
    const inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    const body = inner.repeat(5_000);
    const sent = client.send(
      `POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}GET /next HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    assert.match(await client.until("<no>"), /^HTTP\/1\.1 401 /);
    assert.match(await client.until(">"), /<GET\|\/next\|\|>$/);
    await sent;
    client.close();
  });
});

Deno.test("a body larger than its buffer at first arrives whole, read at once or as a stream", async () => {
  const fetch: Fetch = async (request) => {
    const bytes = request.url.endsWith("/stream")
      ? await new Response(request.body).bytes()
      : await request.bytes();
    return knownResponse(
      `<${bytes.length} ${bytes.reduce((sum, byte) => (sum * 31 + byte) % 65_521, 0)}>`,
      {},
    );
  };
  const body = Uint8Array.from({ length: 1_000_003 }, (_, at) => at * 7 % 251);
  const sum = body.reduce((sum, byte) => (sum * 31 + byte) % 65_521, 0);
  await withServer(fetch, async ({ port }) => {
    const client = await connected(port);
    for (const path of ["/once", "/stream"]) {
      await client.send(`POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
      await client.send(body);
      assert.ok((await client.until(">")).endsWith(`<1000003 ${sum}>`), path);
    }
    client.close();
  });
});

Deno.test("a body that breaks off is an error of the request, never a shorter body", async () => {
  const outcome = Promise.withResolvers<string>();
  const fetch: Fetch = async (request) => {
    outcome.resolve(await request.bytes().then(() => "read", (error) => error.name));
    return new Response(null);
  };
  await withServer(fetch, async ({ port }) => {
    const client = await connected(port);
    await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345");
    client.close();
    assert.equal(await outcome.promise, "BrokenOffError");
  });
});

Deno.test("a client that wants no more gets its answer and the end", async () => {
  await withServer(echo, async ({ port }) => {
    const client = await connected(port);
    await client.send(
      "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    const text = await client.until(NO_ANSWER);
    assert.match(text, /connection: close\r\n/);
    assert.equal(text.match(/HTTP\/1\.1/g)?.length, 1);
    client.close();
  });
});

Deno.test("shutdown() gives the answer that is on its way, and ends connections that wait", async () => {
  const go = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const fetch: Fetch = async () => {
    asked.resolve();
    await go.promise;
    return knownResponse("<late>", {});
  };
  await withServer(fetch, async ({ port, server }) => {
    const idle = await connected(port);
    const client = await connected(port);
    await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await asked.promise;
    const down = server.shutdown();
    assert.equal(await idle.until(NO_ANSWER), "");
    go.resolve();
    const text = await client.until(NO_ANSWER);
    assert.match(text, /connection: close\r\n/);
    assert.ok(text.endsWith("<late>"));
    await down;
    assert.equal(server.connectionCount, 0);
    for (const each of [idle, client]) each.close();
    await assert.rejects(connected(port));
  });
});

Deno.test("without Deno's server a connection that is not plain ends, and nothing else does", async () => {
  await withServer(echo, async ({ port, stopOther }) => {
    await stopOther();
    const client = await connected(port);
    await client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.equal(await client.until(NO_ANSWER), "");
    client.close();
    const another = await connected(port);
    await another.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    assert.match(await another.until(">"), /<GET\|\/a\|\|>$/);
    another.close();
  });
});

/** The real one, but time passes when it is told to. */
function envWithTime(): { env: Env; pass(ms: number): void } {
  let nowMs = 0;
  let timers: { atMs: number; callback: () => void }[] = [];
  const timed: Env = {
    ...env,
    mono: () => nowMs,
    timer(ms, callback) {
      const entry = { atMs: nowMs + ms, callback };
      timers.push(entry);
      return () => timers = timers.filter((each) => each !== entry);
    },
  };
  return {
    env: timed,
    pass(ms) {
      nowMs += ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { callback } of due) callback();
    },
  };
}

Deno.test("a head that does not become whole ends its connection, one that waits for a request may wait longer", async () => {
  const time = envWithTime();
  await withServer(echo, async ({ port, server }) => {
    const [slow, later, waiting] = await Promise.all([connected(port), connected(port), connected(port)]);
    const request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const client of [later, waiting]) {
      await client.send(request);
      await client.until(">");
    }
    for (const client of [slow, later]) await client.send(request.slice(0, 20));
    while (server.connectionCount < 3) await env.sleep(1);
    // A byte now and then does not help.
    for (let n = 0; n < 9; n++) {
      await later.send("x");
      await env.sleep(5);
      time.pass(5_000);
    }
    assert.equal(await slow.until(NO_ANSWER), "");
    assert.equal(await later.until(NO_ANSWER), "");
    await waiting.send(request);
    assert.match(await waiting.until(">"), /<GET/);
    for (let n = 0; n < 121; n++) time.pass(5_000);
    assert.equal(await waiting.until(NO_ANSWER), "");
    for (const client of [slow, later, waiting]) client.close();
  }, time.env);
});

Deno.test("a client that takes nothing of what flows is dropped, and the stream is cancelled", async () => {
  const time = envWithTime();
  let isCancelled = false;
  const fetch: Fetch = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: () => void (isCancelled = true),
      }, { highWaterMark: 0 }),
    );
  await withServer(fetch, async ({ port, server }) => {
    const client = await connected(port);
    await client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await client.until("\r\n\r\n");
    // Until the sockets are full each piece counts as taken.
    for (let n = 0; n < 2_000 && server.connectionCount > 0; n++) {
      await env.sleep(1);
      time.pass(5_000);
    }
    const { connectionCount } = server;
    client.close();
    assert.deepEqual([connectionCount, isCancelled], [0, true]);
  }, time.env);
});

Deno.test("a connection of Deno's server over which nothing goes for long is ended", async () => {
  const time = envWithTime();
  await withServer(echo, async ({ port, server }) => {
    const [silent, busy] = await Promise.all([connected(port), connected(port)]);
    const request = "OPTIONS /a HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const client of [silent, busy]) {
      await client.send(request);
      await client.until(">");
    }
    for (let n = 0; n < 60; n++) time.pass(5_000);
    await busy.send(request);
    await busy.until(">");
    for (let n = 0; n < 61; n++) time.pass(5_000);
    assert.equal(await silent.until(NO_ANSWER), "");
    await busy.send(request);
    assert.match(await busy.until(">"), /<OPTIONS/);
    for (const client of [silent, busy]) client.close();
    while (server.connectionCount > 0) await env.sleep(1);
  }, time.env);
});
