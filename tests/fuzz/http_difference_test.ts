/**
 * Our HTTP listener and Deno's server behind it get the same damaged bytes, and must see the same requests in them and answer the
 * same. Where two readers of one connection disagree, requests can be smuggled.
 *
 * KAVKA_FUZZ_HTTP_CASES (400), KAVKA_FUZZ_SEED; case N of a seed is the same in every run.
 */
import assert from "node:assert/strict";
import { realEnv } from "../../env/real.ts";
import { knownResponse } from "../../lib/known_body.ts";
import { silentLogger } from "../../lib/log.ts";
import { HttpServer } from "../../net/http_server.ts";
import { Rng } from "../../sim/rng.ts";
import { type HttpAnswers, readAnswers } from "./http_answers.ts";
import { type HttpCase, httpCase } from "./http_cases.ts";

const CASES = Number(Deno.env.get("KAVKA_FUZZ_HTTP_CASES") ?? "400");
const SEED = Deno.env.get("KAVKA_FUZZ_SEED") ?? "2026-11-28";
const AT_ONCE = 16;
/** A server that is silent that long has nothing to say to what it got: then the client says that nothing more comes. */
const SILENCE_MS = 250;
/** The same when the servers seem to disagree: one may only have been slow. */
const LONG_SILENCE_MS = 5_000;

const env = realEnv();
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** The requests that the app saw, by the case in their path. */
type Seen = Map<string, string[]>;

/** Tells in its answers what it saw. */
function appWith(seen: Seen): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname } = new URL(request.url, "http://unreadable");
    const headers = [...request.headers].map((pair) => pair.join("=")).sort().join("&");
    const route = pathname.split("/").at(-1);
    let body = "";
    try {
      if (route === "part") body = await firstByte(request);
      else if (route !== "ignore" && route !== "none") body = decoder.decode(await request.bytes());
    } catch {
      body = "broken off";
    }
    // A request without a Host is for the server's own address.
    const url = request.url.replace(/^http:\/\/localhost:\d+/, "http://localhost");
    const line = JSON.stringify([request.method, url, headers, body.length, body.slice(0, 200)]);
    const name = /\/(c\d+)\//.exec(request.url)?.[1] ?? "";
    seen.set(name, [...seen.get(name) ?? [], line]);
    return await answer(request, route, line);
  };
}

async function firstByte(request: Request): Promise<string> {
  const reader = request.body?.getReader();
  const { value } = await reader?.read() ?? {};
  await reader?.cancel();
  return decoder.decode(value).slice(0, 1);
}

async function answer(request: Request, route: string | undefined, line: string): Promise<Response> {
  const init: ResponseInit = { headers: request.method === "HEAD" ? { "x-head": "1" } : {} };
  switch (route) {
    case "none":
      return new Response(null, { status: 204 });
    case "wait":
      // Watches for the client's leaving, and so reads ahead.
      request.signal.addEventListener("abort", () => {});
      await env.sleep(2);
      return knownResponse(line, init);
    case "stream":
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await env.sleep(1);
            controller.enqueue(encoder.encode(line));
            await env.sleep(1);
            controller.close();
          },
        }),
        init,
      );
    default:
      return knownResponse(line, init);
  }
}

interface Exchange extends HttpAnswers {
  /** Whether the server ended the connection of its own accord. */
  readonly isEnded: boolean;
}

async function exchange(port: number, { pieces }: HttpCase, silenceMs: number): Promise<Exchange> {
  const conn = await env.connect({ hostname: "127.0.0.1", port });
  let text = "";
  let isEnded = true;
  let isSent = false;
  let lastMs = env.mono();
  const sending = (async () => {
    for (const piece of pieces) {
      for (let at = 0; at < piece.length;) at += await conn.write(piece.subarray(at));
      // So that most pieces are read by themselves.
      await Promise.resolve();
    }
  })().catch(() => {
    // The server ended in the middle, as it may.
  }).then(() => {
    isSent = true;
    lastMs = env.mono();
  });
  const watch = setInterval(() => {
    if (!isSent || !isEnded || env.mono() - lastMs < silenceMs) return;
    isEnded = false;
    conn.closeWrite?.().catch(() => {});
  }, SILENCE_MS / 5);
  try {
    const buffer = new Uint8Array(16_384);
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      text += decoder.decode(buffer.subarray(0, count));
      lastMs = env.mono();
    }
  } catch {
    // Torn down: bytes were on their way to a server that had ended.
  } finally {
    clearInterval(watch);
    conn.close();
  }
  await sending;
  return { ...readAnswers(text), isEnded };
}

/** What of an exchange both servers must agree on. */
function agreed({ answers, rest }: Exchange): string[] {
  const told = answers.map(({ status, headers, body }) =>
    `${status} ${headers.get("content-type") ?? ""} ${body}`
  );
  return rest === "" ? told : [...told, rest.startsWith("HTTP/") ? "cut off" : `other ${rest.slice(0, 9)}`];
}

/** Null when they agree. */
function difference(ours: readonly string[], denos: readonly string[], isStrict: boolean): string | null {
  const shared = isStrict ? Math.max(ours.length, denos.length) : Math.min(ours.length, denos.length);
  for (let at = 0; at < shared; at++) {
    if (ours[at] !== denos[at]) return `at ${at}:\n  ours   ${ours[at]}\n  Deno's ${denos[at]}`;
  }
  return null;
}

/** As text, without what is only long. */
function shown({ pieces }: HttpCase): string {
  const text = pieces.map((piece) => decoder.decode(piece)).join("");
  return JSON.stringify(
    text.replaceAll(
      /((?:x|a){100,}|(?:X-Many: 1\r\n){9,}|(?:GET \S+ HTTP\/1.1\r\nHost: x\r\n\r\n){9,})/g,
      "…",
    ),
  );
}

Deno.test("both HTTP servers read the same requests from damaged connections, and answer the same", async () => {
  const seen: Record<"ours" | "denos", Seen> = { ours: new Map(), denos: new Map() };
  const serve = (seen: Seen) =>
    Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response(null) },
      appWith(seen),
    );
  const denos = serve(seen.denos);
  const behind = serve(seen.ours);
  const listener = await env.listen({ hostname: "127.0.0.1", port: 0 });
  const server = new HttpServer({
    env,
    log: silentLogger,
    listener,
    fetch: appWith(seen.ours),
    otherPort: () => behind.addr.port,
  });
  server.start();
  const ports = [listener.port, denos.addr.port] as const;
  const faults: string[] = [];
  async function compare(number: number): Promise<void> {
    const each = httpCase(new Rng(`${SEED}/${number}`), number);
    if (await faultOf(each, SILENCE_MS) === null) return;
    const fault = await faultOf(each, LONG_SILENCE_MS);
    if (fault !== null) faults.push(`case ${number}: ${fault}\n  sent ${shown(each)}`);
  }
  async function faultOf(each: HttpCase, silenceMs: number): Promise<string | null> {
    seen.ours.delete(each.name);
    seen.denos.delete(each.name);
    const [ours, other] = await Promise.all([
      exchange(ports[0], each, silenceMs),
      exchange(ports[1], each, silenceMs),
    ]);
    const requests = [seen.ours, seen.denos].map((seen) => seen.get(each.name) ?? []);
    const [oursSeen = [], denosSeen = []] = requests;
    // Whether an app that is told of a broken body still gets its answer out is a race in either server.
    const isStrict = ours.isEnded && other.isEnded && each.readsBodies &&
      !requests.flat().some((line) => line.includes("broken off"));
    if (each.isWhole && each.readsBodies && ours.isEnded !== other.isEnded) {
      return `ours ${ours.isEnded ? "ended" : "waits"}, Deno's ${other.isEnded ? "ended" : "waits"}`;
    }
    return difference(agreed(ours), agreed(other), isStrict) ?? difference(oursSeen, denosSeen, isStrict);
  }
  try {
    let next = 0;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (next < CASES) await compare(next++);
    }));
  } finally {
    await Promise.all([server.shutdown(), behind.shutdown(), denos.shutdown()]);
  }
  assert.deepEqual(faults, [], `${faults.length} of ${CASES} cases of seed "${SEED}"\n${faults.join("\n")}`);
});
