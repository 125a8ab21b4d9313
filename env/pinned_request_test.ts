/** Requests to other servers on real sockets: to which address, under which name, whom they trust, what breaks. */
import assert from "node:assert/strict";
import { type OutboundRequest, UnreachableError } from "../lib/env.ts";
import { TestAuthority } from "../tests/certificates.ts";
import { realEnv } from "./real.ts";

const ADDRESS = "127.0.0.1";

/** A server that does what it is told with each connection. */
function raw(serve: (conn: Deno.TcpConn) => Promise<void>) {
  const listener = Deno.listen({ hostname: ADDRESS, port: 0 });
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      serving.push(
        serve(conn).catch(() => {
          // The client left.
        }).finally(() => {
          try {
            conn.close();
          } catch {
            // It is closed already.
          }
        }),
      );
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(serving);
    },
  };
}

const decoder = new TextDecoder();

async function readRequest(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(65_536);
  return decoder.decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
}

async function answer(conn: Deno.Conn, text: string): Promise<void> {
  await conn.write(new TextEncoder().encode(text));
}

function request(url: string, more: Partial<OutboundRequest> = {}, authorities: readonly string[] = []) {
  return realEnv({ authorities }).fetch(url, { addresses: [ADDRESS], ...more });
}

async function fault(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => assert.fail("it was answered"), (error) => error);
  assert.ok(error instanceof UnreachableError, String(error));
  return error.message;
}

Deno.test("a request goes to the addresses in their order, with the name of the URL, and no further", async () => {
  const seen: string[] = [];
  await using server = raw(async (conn) => {
    seen.push(await readRequest(conn));
    await answer(conn, "HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nok");
  });
  const response = await request(`http://hook.example:${server.port}/a?b=%20c`, {
    addresses: ["::1", ADDRESS],
    method: "POST",
    headers: { "content-type": "text/plain", x: "1" },
    body: "ä",
  });
  assert.deepEqual([response.status, response.headers.get("location")], [307, "http://127.0.0.1:1/"]);
  assert.equal(await response.text(), "ok");
  const [head = "", body] = seen[0]?.split("\r\n\r\n") ?? [];
  assert.deepEqual(head.split("\r\n").sort(), [
    "POST /a?b=%20c HTTP/1.1",
    "connection: close",
    "content-length: 2",
    "content-type: text/plain",
    `host: hook.example:${server.port}`,
    "user-agent: kavka",
    "x: 1",
  ]);
  assert.equal(body, "ä");
});

Deno.test("a certificate must be of an authority that is trusted, and for the name of the URL", async () => {
  const authority = await TestAuthority.create();
  const serve = async (hostName: string) =>
    Deno.serve(
      { hostname: ADDRESS, port: 0, onListen() {}, ...await authority.issue(hostName) },
      async (request) => new Response(`${new URL(request.url).host} ${await request.text()}`),
    );
  await using right = await serve("localhost");
  await using wrong = await serve("other.example");
  const urlOf = ({ addr }: Deno.HttpServer<Deno.NetAddr>) => `https://localhost:${addr.port}/`;
  const post = { method: "POST", body: "x".repeat(100_000) };
  const response = await request(urlOf(right), post, [authority.pem]);
  assert.equal(await response.text(), `localhost:${right.addr.port} ${post.body}`);
  assert.equal(
    await fault(request(urlOf(right), post)),
    "its certificate is refused: unable to verify the first certificate",
  );
  const another = await TestAuthority.create();
  assert.match(await fault(request(urlOf(right), post, [another.pem])), /^its certificate is refused: /);
  assert.match(
    await fault(request(urlOf(wrong), post, [authority.pem])),
    /^its certificate is refused: .*does not match.*localhost.*other\.example/,
  );
});

Deno.test("the server is told the name of the URL, not the address", async () => {
  const hello = Promise.withResolvers<string>();
  await using server = raw(async (conn) => hello.resolve(await readRequest(conn)));
  assert.match(await fault(request(`https://localhost:${server.port}/`)), /^no TLS connection: /);
  // TLS 1.3 has it in the clear, RFC 6066 §3.
  assert.ok((await hello.promise).includes("localhost"));
});

Deno.test("DENO_CERT is trusted, as everywhere in Deno, also with authorities besides", async () => {
  const authority = await TestAuthority.create();
  const another = await TestAuthority.create();
  const certificate = await authority.issue("localhost");
  await using server = Deno.serve(
    { hostname: ADDRESS, port: 0, onListen() {}, ...certificate },
    () => new Response("in"),
  );
  const path = await Deno.makeTempFile({ suffix: ".pem" });
  try {
    await Deno.writeTextFile(path, authority.pem);
    const url = JSON.stringify(`https://localhost:${server.addr.port}/`);
    const code = `import { realEnv } from ${JSON.stringify(import.meta.resolve("./real.ts"))};
      for (const authorities of [[], [${JSON.stringify(another.pem)}]]) {
        const response = await realEnv({ authorities }).fetch(${url}, { addresses: ["${ADDRESS}"] });
        console.log(await response.text());
      }`;
    // With the permissions of `deno task start`.
    const allowed = ["--no-prompt", "--allow-net", "--allow-read", "--allow-write", "--allow-env"];
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-lock", ...allowed, `data:application/typescript,${encodeURIComponent(code)}`],
      env: { DENO_CERT: path, NO_COLOR: "1" },
    });
    const { stdout, stderr } = await child.output();
    assert.equal(decoder.decode(stdout), "in\nin\n", decoder.decode(stderr));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("no proxy of the environment comes in between", async () => {
  await using server = raw(async (conn) => {
    await readRequest(conn);
    await answer(conn, "HTTP/1.1 204 x\r\n\r\n");
  });
  const names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of names) Deno.env.set(name, name === "NO_PROXY" ? "hook.example" : "http://127.0.0.1:1");
  try {
    assert.equal((await request(`http://hook.example:${server.port}/`)).status, 204);
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
});

Deno.test("what breaks is told in words without the URL", async () => {
  const saying = (text: string) =>
    raw(async (conn) => {
      await readRequest(conn);
      await answer(conn, text);
    });
  const cases: readonly (readonly [text: string, fault: RegExp])[] = [
    ["SSH-2.0-OpenSSH\r\n", /^the answer is not HTTP\/1\.1$/],
    ["", /^the connection ended before the answer did$|^broken off: /],
    ["HTTP/1.1 200 OK\r\ncontent-le", /^the connection ended before the answer did$/],
  ];
  for (const [text, wanted] of cases) {
    await using server = saying(text);
    assert.match(await fault(request(`http://localhost:${server.port}/?secret=1`)), wanted);
  }
  {
    await using server = saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell");
    const response = await request(`http://localhost:${server.port}/`);
    assert.equal(response.status, 200);
    assert.equal(await fault(response.text()), "the connection ended before the answer did");
  }
  const refused = Deno.listen({ hostname: ADDRESS, port: 0 });
  refused.close();
  assert.match(
    await fault(request(`http://localhost:${refused.addr.port}/`)),
    /^cannot be reached: .*refused/i,
  );
  assert.match(
    await fault(request(`http://localhost:${refused.addr.port}/`, { addresses: [] })),
    /no address/,
  );
});

Deno.test("a server that answers before it has read the request is heard", async () => {
  await using server = raw(async (conn) => {
    const buffer = new Uint8Array(1_000);
    await conn.read(buffer);
    await answer(conn, "HTTP/1.1 413 x\r\ncontent-length: 0\r\n\r\n");
    // So that nothing that it has sent is lost with the connection.
    while (await conn.read(new Uint8Array(65_536)) !== null);
  });
  const body = "x".repeat(4_000_000);
  const response = await request(`http://localhost:${server.port}/`, { method: "POST", body });
  assert.equal(response.status, 413);
});

Deno.test("an abort ends a request at any point, and leaves nothing open", async () => {
  const authority = await TestAuthority.create();
  await using silent = raw(async (conn) => {
    while (await conn.read(new Uint8Array(1_000)) !== null);
  });
  await using slow = raw(async (conn) => {
    await readRequest(conn);
    await answer(conn, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nh");
    while (await conn.read(new Uint8Array(1_000)) !== null);
  });
  const reason = new Error("late");
  for (const url of [`http://localhost:${silent.port}/`, `https://localhost:${silent.port}/`]) {
    const late = new AbortController();
    const answered = request(url, { signal: late.signal }, [authority.pem]);
    const timer = setTimeout(() => late.abort(reason), 20);
    await assert.rejects(answered, reason);
    clearTimeout(timer);
  }
  const late = new AbortController();
  const response = await request(`http://localhost:${slow.port}/`, { signal: late.signal });
  const text = response.text();
  setTimeout(() => late.abort(reason), 20);
  await assert.rejects(text, reason);
  await assert.rejects(
    request(`http://localhost:${slow.port}/`, { signal: AbortSignal.abort(reason) }),
    reason,
  );
});
