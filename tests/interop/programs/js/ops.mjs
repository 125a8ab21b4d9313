/**
 * What the JavaScript programs share: a loop that reads one JSON request a line and answers each with one line.
 *
 * ../CONTRACT.md says which operations there are. An operation is a function of a program's `operations`; what it
 * throws becomes `{"error": …}` with Kafka's error code where the client tells it.
 */
import { createInterface } from "node:readline";

export const BOOTSTRAP = process.env.BOOTSTRAP;
export const DEADLINE_MS = 40_000;

/** Bytes as base64 text; null stays null. */
export function pack(value) {
  return value === null || value === undefined ? null : Buffer.from(value).toString("base64");
}

export function unpack(text) {
  return text === null || text === undefined ? null : Buffer.from(text, "base64");
}

export function record({ partition, offset, key, value, headers, timestamp }) {
  const packed = headers.map(([name, content]) => [name, pack(content)]);
  return { p: partition, o: Number(offset), k: pack(key), v: pack(value), h: packed, t: Number(timestamp) };
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function until(condition, what) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`${what} did not come about in time`);
    await sleep(10);
  }
}

/** Kafka's range assignor over one topic: members in the order of their ids, the first ones take the rest. */
export function range(memberIds, partitionCount) {
  const sorted = [...memberIds].sort();
  const each = Math.floor(partitionCount / sorted.length);
  const rest = partitionCount % sorted.length;
  const assignments = new Map();
  let next = 0;
  sorted.forEach((id, index) => {
    const count = each + (index < rest ? 1 : 0);
    assignments.set(id, Array.from({ length: count }, (_, i) => next + i));
    next += count;
  });
  return assignments;
}

/** Answers requests until the input ends. `errorCode` finds Kafka's code in what a client threw, or null. */
export async function serve(operations, errorCode) {
  let member;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      let result = null;
      if (request.op === "join") member = await operations.join(request);
      else if (request.op === "take" || request.op === "leave") {
        if (request.op === "leave") await member.leave();
        if (member.failure !== undefined) throw member.failure;
        result = { records: member.taken.splice(0), assigned: [...member.assigned].sort((a, b) => a - b) };
      } else result = await operations[request.op](request) ?? null;
      answer = { ok: result };
    } catch (error) {
      answer = {
        error: { code: errorCode(error) ?? null, message: String(error?.message ?? error).slice(0, 500) },
      };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
  process.exit(0);
}
