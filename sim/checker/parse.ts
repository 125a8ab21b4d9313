/**
 * From a line of text to a checked `HistoryLine`: the boundary where a foreign file becomes trusted values.
 *
 * Pure. Everything is refused that the format does not name: unknown fields too, since a misspelt field would
 * otherwise weaken a rule in silence. All faults are `HistoryError` with the line's number.
 */

import { type Header, HISTORY_LIMITS, HistoryError, type HistoryLine } from "./history_format.ts";

type Json = Readonly<Record<string, unknown>>;

const COMMON = ["kind", "type", "process", "invokeMs", "completeMs", "replies"];
const FIELDS: Readonly<Record<string, ReadonlySet<string>>> = {
  op: new Set([...COMMON, "micro", "txn", "isolation", "acks", "rebalance"]),
  assign: new Set([...COMMON, "to", "group"]),
  subscribe: new Set([...COMMON, "to", "group"]),
  offsets: new Set([...COMMON, "partition", "at", "offset", "isolation"]),
  commit: new Set([...COMMON, "group", "generation", "offsets"]),
  committed: new Set([...COMMON, "group", "offsets"]),
  observe: new Set([
    ...COMMON,
    "partition",
    "leaderEpoch",
    "highWatermark",
    "lastStableOffset",
    "logStart",
    "minIsrEnd",
  ]),
  truncate: new Set([...COMMON, "partition", "offset"]),
  damaged: new Set([...COMMON, "partition", "from", "to"]),
  store: new Set([...COMMON, "store", "partition", "highWatermark", "records"]),
  chain: new Set([...COMMON, "partition", "offset", "crc"]),
};
const HEADER_FIELDS = new Set(["kavka", "version", "profile", "finalReads", "copy", "about"]);

/** Reads the first line. Throws HistoryError. */
export function parseHeader(text: string, line: number): Header {
  const header = parseObject(text, line);
  if (header["kavka"] !== "history") {
    throw new HistoryError(line, 'the first line must be a header: {"kavka":"history","version":1}');
  }
  if (header["version"] !== 1) {
    throw new HistoryError(line, `version is ${show(header["version"])}, this checker reads version 1`);
  }
  const check = new LineCheck(line);
  check.fields(header, HEADER_FIELDS, "header");
  for (const field of ["profile", "about"]) {
    if (header[field] !== undefined) check.text(header[field], field, 10_000);
  }
  const finalReads = header["finalReads"];
  if (finalReads !== undefined && typeof finalReads !== "boolean") {
    check.fail("finalReads", "a boolean", finalReads);
  }
  if (header["copy"] !== undefined) {
    const copy = check.object(header["copy"], "copy");
    check.names(copy["from"], "copy.from");
    check.names(copy["to"], "copy.to");
  }
  return header as unknown as Header;
}

/** Reads a line after the first. Throws HistoryError. */
export function parseLine(text: string, line: number): HistoryLine {
  const value = parseObject(text, line);
  checkLine(value, line);
  return value as unknown as HistoryLine;
}

function parseObject(text: string, line: number): Json {
  if (text.length > HISTORY_LIMITS.lineBytesMax) {
    throw new HistoryError(
      line,
      `${text.length} characters, at most ${HISTORY_LIMITS.lineBytesMax} are read`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HistoryError(line, `not JSON (a line cut short?): ${reason.slice(0, 200)}`, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HistoryError(line, `expected an object, found ${show(value)}`);
  }
  return value as Json;
}

function checkLine(value: Json, line: number): void {
  const check = new LineCheck(line);
  const kind = value["kind"] ?? "op";
  const fields = typeof kind === "string" && Object.hasOwn(FIELDS, kind) ? FIELDS[kind] : undefined;
  if (fields === undefined) check.fail("kind", `one of ${Object.keys(FIELDS).join(", ")}`, kind);
  else check.fields(value, fields, String(kind));
  const type = value["type"];
  if (type !== "ok" && type !== "fail" && type !== "info") check.fail("type", "ok, fail or info", type);
  const process = value["process"];
  if (typeof process === "string") check.text(process, "process");
  else check.integer(process, "process", 0);
  const invokeMs = check.time(value["invokeMs"], "invokeMs");
  const completeMs = check.time(value["completeMs"], "completeMs");
  if (completeMs < invokeMs) check.fail("completeMs", `at least invokeMs, ${invokeMs}`, completeMs);
  if (value["replies"] !== undefined) checkReplies(check, value["replies"]);
  if (value["partition"] !== undefined || kind === "observe" || kind === "truncate") {
    check.partition(value["partition"], "partition");
  }
  if (value["group"] !== undefined) check.text(value["group"], "group");
  if (value["isolation"] !== undefined) check.isolation(value["isolation"]);
  checkBody(check, String(kind), value);
}

function checkBody(check: LineCheck, kind: string, value: Json): void {
  switch (kind) {
    case "op":
      checkOperation(check, value);
      break;
    case "assign":
    case "subscribe":
      check.names(value["to"], "to");
      break;
    case "offsets":
      check.partition(value["partition"], "partition");
      if (value["at"] !== "earliest" && value["at"] !== "latest") {
        check.fail("at", "earliest or latest", value["at"]);
      }
      check.integer(value["offset"], "offset", -1);
      break;
    case "commit":
      check.integer(value["generation"], "generation", -1);
      check.text(value["group"], "group");
      check.offsets(value["offsets"]);
      break;
    case "committed":
      check.text(value["group"], "group");
      check.offsets(value["offsets"]);
      break;
    case "observe":
      check.integer(value["leaderEpoch"], "leaderEpoch", -1);
      for (const field of ["highWatermark", "lastStableOffset", "logStart", "minIsrEnd"]) {
        if (value[field] !== undefined) check.integer(value[field], field, 0);
      }
      break;
    case "truncate":
      check.integer(value["offset"], "offset", 0);
      break;
    case "damaged": {
      check.partition(value["partition"], "partition");
      const from = check.integer(value["from"], "from", 0);
      check.integer(value["to"], "to", from + 1);
      break;
    }
    case "store":
      check.partition(value["partition"], "partition");
      check.text(value["store"], "store");
      check.integer(value["highWatermark"], "highWatermark", 0);
      check.array(value["records"], "records").forEach((entry, index) => {
        const [offset, id, epoch, crc] = check.tuple(entry, `records[${index}]`, 4, 4);
        check.integer(offset, `records[${index}] offset`, 0);
        check.value(id, `records[${index}] value`);
        check.integer(epoch, `records[${index}] leaderEpoch`, -1);
        check.integer(crc, `records[${index}] crc`, 0);
      });
      break;
    case "chain":
      check.partition(value["partition"], "partition");
      check.integer(value["offset"], "offset", 0);
      check.integer(value["crc"], "crc", 0);
  }
}

function checkOperation(check: LineCheck, value: Json): void {
  if (value["txn"] !== undefined) check.text(value["txn"], "txn");
  const acks = value["acks"];
  if (acks !== undefined && acks !== -1 && acks !== 0 && acks !== 1) check.fail("acks", "-1, 0 or 1", acks);
  if (value["rebalance"] !== undefined) {
    check.array(value["rebalance"], "rebalance").forEach((name) => check.partition(name, "rebalance"));
  }
  const micro = check.array(value["micro"], "micro");
  for (let i = 0; i < micro.length; i++) checkMicro(check, micro[i], i);
}

function checkMicro(check: LineCheck, value: unknown, index: number): void {
  const where = `micro[${index}]`;
  const micro = check.array(value, where);
  switch (micro[0]) {
    case "send":
      check.tuple(micro, where, 4, 6);
      check.partition(micro[1], `${where} partition`);
      check.value(micro[2], `${where} value`);
      if (micro[3] !== null) check.integer(micro[3], `${where} offset`, 0);
      if (micro[4] !== undefined && micro[4] !== null) check.text(micro[4], `${where} key`);
      if (micro[5] !== undefined && typeof micro[5] !== "boolean") {
        check.fail(`${where} tombstone`, "a boolean", micro[5]);
      }
      break;
    case "poll": {
      check.tuple(micro, where, 2, 2);
      const polled = check.object(micro[1], where);
      for (const name in polled) {
        check.partition(name, `${where} partition`);
        check.records(polled[name], `${where} ${name}`);
      }
      break;
    }
    case "fetch":
      check.tuple(micro, where, 5, 5);
      check.partition(micro[1], `${where} partition`);
      check.integer(micro[2], `${where} position`, 0);
      if (micro[3] !== null) check.integer(micro[3], `${where} end`, 0);
      check.records(micro[4], where);
      break;
    default:
      check.fail(where, "send, poll or fetch", micro[0]);
  }
}

function checkReplies(check: LineCheck, value: unknown): void {
  check.array(value, "replies").forEach((entry, index) => {
    const [apiKey, errorCode] = check.tuple(entry, `replies[${index}]`, 2, 2);
    check.integer(apiKey, `replies[${index}] api key`, 0, 32_767);
    check.integer(errorCode, `replies[${index}] error code`, -32_768, 32_767);
  });
}

/** Checks of single fields, all throwing with the line's number. */
class LineCheck {
  readonly #line: number;
  constructor(line: number) {
    this.#line = line;
  }

  fail(field: string, expected: string, found: unknown): never {
    throw new HistoryError(this.#line, `${field} must be ${expected}, found ${show(found)}`);
  }

  fields(value: Json, known: ReadonlySet<string>, kind: string): void {
    for (const field in value) {
      if (!known.has(field)) throw new HistoryError(this.#line, `unknown field ${show(field)} in ${kind}`);
    }
  }

  integer(value: unknown, field: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) {
      return value;
    }
    return this.fail(field, `an integer from ${min} to ${max}`, value);
  }

  time(value: unknown, field: string): number {
    if (typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER) return value;
    return this.fail(field, "a number of milliseconds, 0 or more", value);
  }

  text(value: unknown, field: string, charsMax: number = HISTORY_LIMITS.nameCharsMax): string {
    if (typeof value === "string" && value.length > 0 && value.length <= charsMax) return value;
    return this.fail(field, `a string of 1 to ${charsMax} characters`, value);
  }

  value(value: unknown, field: string): void {
    if (typeof value === "string") this.text(value, field);
    else if (!Number.isSafeInteger(value)) this.fail(field, "an integer or a string", value);
  }

  partition(value: unknown, field: string): void {
    const slash = typeof value === "string" ? value.lastIndexOf("/") : -1;
    if (slash < 1 || slash === this.text(value, field).length - 1) {
      this.fail(field, '"topic/partition"', value);
    }
  }

  isolation(value: unknown): void {
    if (value !== "read_committed" && value !== "read_uncommitted") {
      this.fail("isolation", "read_committed or read_uncommitted", value);
    }
  }

  object(value: unknown, field: string): Json {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
    return this.fail(field, "an object", value);
  }

  array(value: unknown, field: string): readonly unknown[] {
    if (!Array.isArray(value)) return this.fail(field, "an array", value);
    if (value.length <= HISTORY_LIMITS.microCountMax) return value;
    return this.fail(field, `at most ${HISTORY_LIMITS.microCountMax} entries`, value.length);
  }

  tuple(value: unknown, field: string, min: number, max: number): readonly unknown[] {
    const array = this.array(value, field);
    if (array.length >= min && array.length <= max) return array;
    return this.fail(field, `${min === max ? min : `${min} to ${max}`} entries long`, array.length);
  }

  names(value: unknown, field: string): void {
    for (const name of this.array(value, field)) this.text(name, field);
  }

  offsets(value: unknown): void {
    const offsets = this.object(value, "offsets");
    for (const name in offsets) {
      this.partition(name, "offsets");
      this.integer(offsets[name], `offsets ${name}`, -1);
    }
  }

  records(value: unknown, field: string): void {
    const records = this.array(value, field);
    for (let i = 0; i < records.length; i++) {
      const record = records[i];
      if (!Array.isArray(record) || record.length !== 2) {
        this.fail(`${field}[${i}]`, "[offset, value]", record);
      }
      const [offset, id] = record as unknown[];
      if (!Number.isSafeInteger(offset) || (offset as number) < 0) {
        this.fail(`${field}[${i}] offset`, "an integer, 0 or more", offset);
      }
      if (!Number.isSafeInteger(id)) this.value(id, `${field}[${i}] value`);
    }
  }
}

/** A value as the error text quotes it, cut short. */
function show(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
