/**
 * Writes down what clients and Apache Kafka say to each other: `deno run -A tests/interop/record_frames.ts NAME …`, where NAME is
 * one of clients/registry.ts. Each goes through the checks of clients/contract.ts, with a TCP proxy between it and Kafka.
 *
 * Of each API, version and direction the first frame and the longest one below `FRAME_BYTES_MAX` go to
 * `tests/fixtures/frames-live/NAME.jsonl`, which protocol/messages/live_frames_test.ts and tests/fuzz read.
 */

import { ROOT } from "../../tools/run.ts";
import { ByteReader, concat } from "../../lib/bytes.ts";
import { decodeRequestHeader } from "../../protocol/header.ts";
import { apiByKey } from "../../protocol/messages/all.ts";
import { decodeRequest, supportsVersion } from "../../protocol/schema/api.ts";
import { type LiveFrame, liveFramesFile } from "../fixtures/live_frames.ts";
import { ApacheKafka } from "./clients/apache_kafka.ts";
import { CLIENTS } from "./clients/registry.ts";
import { prepare, prepareClients } from "./prepare.ts";

const FRAME_BYTES_MAX = 3_000;
/** Of any frame that is passed on; the contract's largest record is 1 MB. */
const FRAME_BYTES_TAKEN_MAX = 64 * 1024 * 1024;

/** What is kept of one client. */
class Recording {
  readonly #first = new Map<string, LiveFrame>();
  readonly #longest = new Map<string, LiveFrame>();

  add(frame: LiveFrame): void {
    const key = `${frame.api}/${frame.version}/${frame.direction}`;
    if (frame.hex.length / 2 > FRAME_BYTES_MAX) return;
    if (!this.#first.has(key)) this.#first.set(key, frame);
    else if (frame.hex.length > (this.#longest.get(key) ?? this.#first.get(key))!.hex.length) {
      this.#longest.set(key, frame);
    }
  }

  lines(): string[] {
    const frames = [...this.#first.values(), ...this.#longest.values()];
    const order = (each: LiveFrame) =>
      each.api * 1_000 + each.version * 10 + (each.direction === "request" ? 0 : 1);
    return frames.sort((a, b) => order(a) - order(b)).map((each) => JSON.stringify(each));
  }
}

/** Which API and version the answers of a connection belong to, by correlation id. */
type Asked = Map<number, { readonly api: number; readonly version: number }>;

function recordRequest(bytes: Uint8Array, asked: Asked, recording: Recording): void {
  const reader = new ByteReader(bytes);
  const { apiKey, apiVersion, correlationId } = decodeRequestHeader(reader);
  asked.set(correlationId, { api: apiKey, version: apiVersion });
  const api = apiByKey.get(apiKey);
  let leftOver = 0;
  if (api !== undefined && supportsVersion(api, apiVersion)) {
    decodeRequest(api, apiVersion, reader);
    leftOver = reader.remaining;
  }
  const frame = { api: apiKey, version: apiVersion, direction: "request", hex: bytes.toHex() } as const;
  recording.add(leftOver === 0 ? frame : { ...frame, leftOver });
}

function recordResponse(bytes: Uint8Array, asked: Asked, recording: Recording): void {
  const question = asked.get(new DataView(bytes.buffer, bytes.byteOffset).getInt32(0));
  if (question !== undefined) recording.add({ ...question, direction: "response", hex: bytes.toHex() });
}

/** Takes the bytes of one direction as they come, and shows each whole frame. */
class Frames {
  #pending: Uint8Array = new Uint8Array();
  readonly #show: (frame: Uint8Array) => void;

  constructor(show: (frame: Uint8Array) => void) {
    this.#show = show;
  }

  take(bytes: Uint8Array): void {
    let rest = concat([this.#pending, bytes]);
    while (rest.length >= 4) {
      const end = 4 + new DataView(rest.buffer, rest.byteOffset).getInt32(0);
      if (end > FRAME_BYTES_TAKEN_MAX) throw new Error(`Cannot record a frame: it says ${end} bytes`);
      if (rest.length < end) break;
      this.#show(rest.slice(4, end));
      rest = rest.subarray(end);
    }
    this.#pending = rest;
  }
}

/** Copies bytes until one side is done with the other, which then hears of it. */
async function pass(from: Deno.TcpConn, to: Deno.TcpConn, frames: Frames, faults: string[]): Promise<void> {
  const buffer = new Uint8Array(65_536);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      const read = buffer.slice(0, count);
      try {
        frames.take(read);
      } catch (error) {
        faults.push(String(error));
      }
      for (let at = 0; at < read.length;) at += await to.write(read.subarray(at));
    }
  } catch {
    // One side is gone: what it said before has been passed on.
  }
  try {
    await to.closeWrite();
  } catch {
    // The other is gone as well.
  }
}

interface ProxyOptions {
  readonly listener: Deno.TcpListener;
  readonly target: () => string;
  readonly recording: () => Recording;
  readonly faults: string[];
}

async function proxy({ listener, target, recording, faults }: ProxyOptions): Promise<void> {
  for await (const client of listener) {
    const [hostname = "", port = ""] = target().split(":");
    const server = await Deno.connect({ hostname, port: Number(port) });
    const asked: Asked = new Map();
    const requests = new Frames((frame) => recordRequest(frame, asked, recording()));
    const responses = new Frames((frame) => recordResponse(frame, asked, recording()));
    const both = [pass(client, server, requests, faults), pass(server, client, responses, faults)];
    void Promise.all(both).then(() => {
      client.close();
      server.close();
    });
  }
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !CLIENTS.some((client) => client.name === name));
  if (names.length === 0 || unknown !== undefined) {
    console.error(`Name clients out of: ${CLIENTS.map((client) => client.name).join(", ")}`);
    return 2;
  }
  const programs = await prepare();
  await prepareClients();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const bootstrap = `127.0.0.1:${listener.addr.port}`;
  await using kafka = await ApacheKafka.start(programs.jars, {
    "advertised.listeners": `PLAINTEXT://${bootstrap}`,
    "group.initial.rebalance.delay.ms": "0",
  });
  let recording = new Recording();
  const faults: string[] = [];
  void proxy({ listener, target: () => kafka.bootstrap, recording: () => recording, faults });
  let failed = 0;
  for (const name of names) {
    recording = new Recording();
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "tests/interop/clients.ts"],
      cwd: ROOT,
      env: { BOOTSTRAP: bootstrap, CLIENT: name },
    }).spawn().status;
    failed += code === 0 ? 0 : 1;
    const file = name.replaceAll(/^@|\W+kafka$/g, "").replaceAll(/\W/g, "_");
    const lines = recording.lines();
    await Deno.writeTextFile(liveFramesFile(file), lines.join("\n") + "\n");
    console.log(`${file}.jsonl: ${lines.length} frames`);
  }
  listener.close();
  for (const fault of new Set(faults)) console.error(fault);
  return failed === 0 && faults.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
