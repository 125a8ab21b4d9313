/** Hand-made histories: for each rule one that it must find, and a near miss that it must not. */

import assert from "node:assert/strict";
import { check, type Report } from "./check.ts";
import type {
  ClientOperation,
  Header,
  HistoryLine,
  Isolation,
  Micro,
  Outcome,
  PolledRecord,
} from "./history_format.ts";
import { HistoryBuilder } from "./history.ts";
import { type Profile, profiles } from "./profile.ts";
import { renderReport } from "./render_report.ts";
import type { Rule } from "./rule.ts";
import { rules } from "./rules/all.ts";

const HEADER: Header = { kavka: "history", version: 1 };
const FINAL: Header = { ...HEADER, finalReads: true };
const COPY: Header = { ...FINAL, copy: { from: ["in"], to: ["out"] } };
const P = "a/0";

/** An operation from time `t` to `t + 1` by process `process`. */
function op(
  t: number,
  process: number,
  micro: Micro[],
  more: Partial<ClientOperation> = {},
): ClientOperation {
  return { type: "ok", process, invokeMs: t, completeMs: t + 1, micro, ...more };
}

function send(
  t: number,
  process: number,
  value: number,
  offset: number | null,
  type: Outcome = "ok",
): ClientOperation {
  return op(t, process, [["send", P, value, offset]], { type });
}

function poll(
  t: number,
  process: number,
  records: PolledRecord[],
  isolation: Isolation = "read_uncommitted",
) {
  return op(t, process, [["poll", { [P]: records }]], { isolation });
}

/** A transaction of process `process` over [t, t + length]. */
function txn(t: number, process: number, micro: Micro[], type: Outcome = "ok", length = 1): ClientOperation {
  const isolation = "read_committed" as const;
  return { type, process, invokeMs: t, completeMs: t + length, micro, txn: `t${process}`, isolation };
}

/** The broker refuses the offsets [from, to) as damaged. */
function damaged(t: number, process: number, from: number, to: number): HistoryLine {
  return { kind: "damaged", type: "ok", process, invokeMs: t, completeMs: t + 1, partition: P, from, to };
}

function placed(t: number, process: number, kind: "assign" | "subscribe", group?: string): HistoryLine {
  const line = { kind, type: "ok", process, invokeMs: t, completeMs: t, to: [P] } as const;
  return group === undefined ? line : { ...line, group };
}

/** A fact at time `t`. */
function at(t: number) {
  return { type: "ok", process: "broker", invokeMs: t, completeMs: t + 1 } as const;
}

function observe(t: number, leaderEpoch: number, marks: Record<string, number>): HistoryLine {
  return { kind: "observe", ...at(t), partition: P, leaderEpoch, ...marks };
}

function store(name: string, records: [number, number, number, number][]): HistoryLine {
  return { kind: "store", ...at(90), store: name, partition: P, highWatermark: 2, records };
}

function group(t: number, kind: "commit" | "committed", offset: number, type: Outcome = "ok"): HistoryLine {
  const common = { ...at(t), type, group: "g", offsets: { [P]: offset } };
  return kind === "commit" ? { kind, generation: 1, ...common } : { kind, ...common };
}

const keyed = (t: number, value: number, offset: number, key: string) =>
  op(t, 1, [["send", P, value, offset, key]]);
/** A tombstone. */
const removal = (t: number, value: number, offset: number | null, key: string) =>
  op(t, 1, [["send", P, value, offset, key, true]]);
const sendTo = (
  partition: string,
  value: number,
  offset: number,
): Micro => ["send", partition, value, offset];
const pollOf = (partition: string, ...records: PolledRecord[]): Micro => ["poll", { [partition]: records }];

interface Case {
  readonly rule: string;
  readonly name: string;
  readonly found: readonly HistoryLine[];
  /** Almost the same, and legal. */
  readonly nearMiss: readonly HistoryLine[];
  readonly severity?: "fatal" | "report";
  readonly header?: Header;
  readonly profile?: Profile;
}

const two = [send(0, 1, 10, 0), send(2, 1, 11, 1)];
const three = [...two, send(4, 1, 12, 2)];

const CASES: readonly Case[] = [
  {
    rule: "inconsistent-offsets",
    name: "two values polled at one offset",
    found: [...two, poll(5, 2, [[0, 10]]), poll(7, 3, [[0, 11]])],
    nearMiss: [...two, poll(5, 2, [[0, 10]]), poll(7, 3, [[0, 10], [1, 11]])],
  },
  {
    rule: "inconsistent-offsets",
    name: "two acknowledgements of one offset; with acks=1 they promise nothing",
    found: [send(0, 1, 10, 0), send(0, 2, 11, 0)],
    nearMiss: [send(0, 1, 10, 0), op(0, 2, [["send", P, 11, 0]], { acks: 1 })],
  },
  {
    rule: "duplicate",
    name: "a value at two offsets",
    found: [...two, poll(5, 2, [[0, 10], [1, 11], [2, 10]])],
    nearMiss: [...two, poll(5, 2, [[0, 10], [1, 11]]), poll(7, 3, [[0, 10]])],
  },
  {
    rule: "duplicate",
    name: "without idempotence it is only reported",
    found: [...two, poll(5, 2, [[0, 10], [1, 11], [2, 10]])],
    nearMiss: [...two, poll(5, 2, [[0, 10], [1, 11]])],
    profile: profiles.plain,
    severity: "report",
  },
  {
    rule: "aborted-read",
    name: "an aborted transaction's value at read_committed; read_uncommitted may have it",
    found: [txn(0, 1, [sendTo(P, 10, 0)], "fail"), poll(5, 2, [[0, 10]], "read_committed")],
    nearMiss: [txn(0, 1, [sendTo(P, 10, 0)], "fail"), poll(5, 2, [[0, 10]])],
  },
  {
    rule: "aborted-read",
    name: "a send that surely failed; an unknown one may appear",
    found: [send(0, 1, 10, null, "fail"), poll(5, 2, [[0, 10]])],
    nearMiss: [send(0, 1, 10, null, "info"), poll(5, 2, [[0, 10]])],
  },
  {
    rule: "precommitted-read",
    name: "a transaction polls its own record",
    found: [txn(0, 1, [sendTo(P, 10, 0), pollOf(P, [0, 10])])],
    nearMiss: [txn(0, 1, [sendTo(P, 10, 0)]), txn(2, 1, [pollOf(P, [0, 10])])],
  },
  {
    rule: "unwritten-read",
    name: "a value from nowhere",
    found: [...two, poll(5, 2, [[0, 10], [1, 99]])],
    nearMiss: [...two, poll(5, 2, [[0, 10], [1, 11]])],
  },
  {
    rule: "foreign-topic-id",
    name: "a record of the topic's former life",
    found: [
      op(0, 1, [sendTo("a@A/0", 1, 0)]),
      op(2, 1, [sendTo("a@B/0", 2, 0)]),
      op(4, 2, [pollOf("a@B/0", [1, 1])]),
    ],
    nearMiss: [
      op(0, 1, [sendTo("a@A/0", 1, 0)]),
      op(2, 1, [sendTo("a@B/0", 2, 0)]),
      op(4, 2, [pollOf("a@B/0", [0, 2])]),
    ],
  },
  {
    rule: "lost-write",
    name: "an acknowledged record before one that was read",
    found: [...two, poll(5, 2, [[1, 11]])],
    nearMiss: [...two, poll(5, 2, [[0, 10]])],
  },
  {
    rule: "lost-write",
    name: "an unknown transaction that was seen in part must be there in whole",
    found: [
      txn(0, 1, [sendTo(P, 10, 0), sendTo(P, 11, 1)], "info"),
      poll(5, 2, [[1, 11]], "read_committed"),
    ],
    nearMiss: [
      txn(0, 1, [sendTo(P, 10, 0)], "info"),
      send(2, 2, 11, 1),
      poll(5, 2, [[1, 11]], "read_committed"),
    ],
  },
  {
    rule: "lost-write",
    name: "records below the log start are gone by right",
    found: [...two, poll(5, 2, [[1, 11]]), observe(4, 0, { logStart: 0 })],
    nearMiss: [...two, poll(5, 2, [[1, 11]]), observe(4, 0, { logStart: 1 })],
  },
  {
    rule: "lost-write",
    name: "an aborted record need not be read",
    found: [
      send(0, 1, 10, 0),
      { ...poll(2, 3, [[0, 10]]), type: "info" },
      send(4, 1, 11, 1),
      poll(6, 2, [[1, 11]]),
    ],
    nearMiss: [
      txn(0, 1, [sendTo(P, 10, 0)], "fail"),
      { ...poll(2, 3, [[0, 10]]), type: "info" },
      send(4, 1, 11, 1),
      poll(6, 2, [[1, 11]]),
    ],
  },
  {
    rule: "unseen",
    name: "a part of an unknown transaction that was seen; without a transaction it may be none",
    found: [
      txn(0, 1, [sendTo(P, 10, 0), ["send", P, 11, null]], "info"),
      poll(5, 2, [[0, 10]], "read_committed"),
    ],
    nearMiss: [
      op(0, 1, [sendTo(P, 10, 0), ["send", P, 11, null]], { type: "info" }),
      poll(5, 2, [[0, 10]], "read_committed"),
    ],
    header: FINAL,
  },
  {
    rule: "unseen",
    name: "an acknowledged record that the final reads did not give",
    found: [...two, poll(5, 2, [[0, 10]])],
    nearMiss: [...two, poll(5, 2, [[0, 10], [1, 11]]), send(6, 1, 12, null, "info")],
    header: FINAL,
  },
  {
    rule: "unseen",
    name: "damaged stored bytes excuse the records of their offsets, and no others",
    found: [...two, poll(5, 2, [[0, 10]]), damaged(6, 2, 2, 3)],
    nearMiss: [...two, poll(5, 2, [[0, 10]]), damaged(6, 2, 1, 2)],
    header: FINAL,
  },
  {
    rule: "lost-write",
    name: "a record is lost where the broker does not say that its bytes are damaged",
    found: [...three, damaged(6, 2, 2, 3), poll(8, 2, [[0, 10], [2, 12]])],
    nearMiss: [...three, damaged(6, 2, 1, 2), poll(8, 2, [[0, 10], [2, 12]])],
  },
  {
    rule: "poll-skip",
    name: "damaged stored bytes excuse no reader that was led past them",
    found: [...three, poll(6, 2, [[0, 10]]), damaged(7, 2, 1, 2), poll(8, 2, [[2, 12]])],
    nearMiss: [
      ...three,
      poll(6, 2, [[0, 10]]),
      damaged(7, 2, 1, 2),
      placed(7, 2, "assign"),
      poll(8, 2, [[2, 12]]),
    ],
  },
  {
    rule: "poll-skip",
    name: "the next poll leaves a record out; after a new assignment it may",
    found: [...three, poll(6, 2, [[0, 10]]), poll(8, 2, [[2, 12]])],
    nearMiss: [...three, poll(6, 2, [[0, 10]]), placed(7, 2, "assign"), poll(8, 2, [[2, 12]])],
  },
  {
    rule: "poll-skip",
    name: "records below the log start are no skip",
    found: [...three, observe(5, 0, { logStart: 1 }), poll(6, 2, [[0, 10]]), poll(8, 2, [[2, 12]])],
    nearMiss: [...three, observe(5, 0, { logStart: 2 }), poll(6, 2, [[0, 10]]), poll(8, 2, [[2, 12]])],
  },
  {
    rule: "fetch-inexact",
    name: "compaction may remove a superseded record, not the latest of its key",
    found: [keyed(0, 10, 0, "k"), keyed(2, 11, 1, "l"), op(5, 2, [["fetch", P, 0, 2, [[1, 11]]]])],
    nearMiss: [keyed(0, 10, 0, "k"), keyed(2, 11, 1, "k"), op(5, 2, [["fetch", P, 0, 2, [[1, 11]]]])],
    profile: profiles.compacted,
  },
  {
    rule: "poll-skip",
    name: "under subscribe it is only reported",
    found: [placed(0, 2, "subscribe"), ...three, poll(6, 2, [[0, 10]]), poll(8, 2, [[2, 12]])],
    nearMiss: [placed(0, 2, "subscribe"), ...three, poll(6, 2, [[0, 10]]), poll(8, 2, [[1, 11], [2, 12]])],
    severity: "report",
  },
  {
    rule: "poll-skip",
    name: "an aborted record is no skip at read_committed",
    found: [
      ...three,
      poll(6, 3, [[1, 11]]),
      poll(6, 2, [[0, 10]], "read_committed"),
      poll(8, 2, [[2, 12]], "read_committed"),
    ],
    nearMiss: [
      send(0, 1, 10, 0),
      txn(2, 1, [sendTo(P, 11, 1)], "fail"),
      send(4, 1, 12, 2),
      poll(6, 3, [[1, 11]]),
      poll(6, 2, [[0, 10]], "read_committed"),
      poll(8, 2, [[2, 12]], "read_committed"),
    ],
  },
  {
    rule: "nonmonotonic-poll",
    name: "the next poll gives the same record again; after an unknown poll it may",
    found: [...two, poll(5, 2, [[0, 10], [1, 11]]), poll(7, 2, [[1, 11]])],
    nearMiss: [
      ...two,
      poll(5, 2, [[0, 10], [1, 11]]),
      { ...poll(7, 2, []), type: "info" },
      poll(9, 2, [[1, 11]]),
    ],
  },
  {
    rule: "int-poll-skip",
    name: "one reply with a hole; a hole in the log is none",
    found: [...three, poll(6, 2, [[0, 10], [2, 12]]), poll(6, 3, [[1, 11]])],
    nearMiss: [send(0, 1, 10, 0), send(4, 1, 12, 2), poll(6, 2, [[0, 10], [2, 12]])],
  },
  {
    rule: "int-poll-skip",
    name: "not across a rebalance in the operation",
    found: [...three, op(6, 2, [pollOf(P, [0, 10]), pollOf(P, [2, 12])]), poll(6, 3, [[1, 11]])],
    nearMiss: [
      ...three,
      op(6, 2, [pollOf(P, [0, 10]), pollOf(P, [2, 12])], { rebalance: [P] }),
      poll(6, 3, [[1, 11]]),
    ],
  },
  {
    rule: "int-nonmonotonic-poll",
    name: "one reply that goes back",
    found: [...two, poll(5, 2, [[1, 11], [0, 10]])],
    nearMiss: [...two, poll(5, 2, [[0, 10], [1, 11]])],
  },
  {
    rule: "nonmonotonic-send",
    name: "the second send of a process lies before its first",
    found: [send(0, 1, 10, 5), send(2, 1, 11, 3)],
    nearMiss: [send(0, 1, 10, 5), send(0, 2, 11, 3)],
  },
  {
    rule: "int-nonmonotonic-send",
    name: "the second send of a transaction lies before its first",
    found: [txn(0, 1, [sendTo(P, 10, 1), sendTo(P, 11, 0)])],
    nearMiss: [txn(0, 1, [sendTo(P, 10, 1), sendTo(P, 11, 2)])],
  },
  {
    rule: "int-send-skip",
    name: "another's record in the middle of a transaction",
    found: [txn(0, 1, [sendTo(P, 10, 0), sendTo(P, 12, 2)]), send(0, 2, 11, 1)],
    nearMiss: [txn(0, 1, [sendTo(P, 10, 0), sendTo(P, 11, 1)]), send(0, 2, 12, 2)],
    severity: "report",
  },
  {
    rule: "append-realtime",
    name: "a later append got the smaller offset; concurrent ones may",
    found: [send(0, 1, 10, 5), send(2, 2, 11, 3)],
    nearMiss: [send(0, 1, 10, 5), send(1, 2, 11, 3)],
  },
  {
    rule: "latest-offset-stale",
    name: "ListOffsets behind an acknowledgement; one invoked before it may be",
    found: [...two, { kind: "offsets", ...at(10), partition: P, at: "latest", offset: 1 }],
    nearMiss: [...two, { kind: "offsets", ...at(2), partition: P, at: "latest", offset: 1 }],
  },
  {
    rule: "fetch-inexact",
    name: "a fetch leaves out the record at its position",
    found: [...two, op(5, 2, [["fetch", P, 0, 2, [[1, 11]]]])],
    nearMiss: [...two, op(5, 2, [["fetch", P, 1, 2, [[1, 11]]]])],
  },
  {
    rule: "fetch-inexact",
    name: "a fetch gives a record at the high watermark",
    found: [...two, op(5, 2, [["fetch", P, 0, 1, [[0, 10], [1, 11]]]])],
    nearMiss: [...two, op(5, 2, [["fetch", P, 0, 2, [[0, 10], [1, 11]]]])],
  },
  {
    rule: "fetch-inexact",
    name: "an empty fetch below the high watermark is reported",
    found: [...two, op(5, 2, [["fetch", P, 0, 2, []]])],
    nearMiss: [...two, op(5, 2, [["fetch", P, 0, 0, []]])],
    severity: "report",
  },
  {
    rule: "prefix-divergence",
    name: "two checksums of one prefix",
    found: [
      { kind: "chain", ...at(1), partition: P, offset: 1, crc: 7 },
      { kind: "chain", ...at(2), partition: P, offset: 1, crc: 8 },
    ],
    nearMiss: [
      { kind: "chain", ...at(1), partition: P, offset: 1, crc: 7 },
      { kind: "chain", ...at(2), partition: P, offset: 2, crc: 8 },
    ],
  },
  {
    rule: "replica-divergence",
    name: "stores differ below the high watermark; above it they may",
    found: [...two, store("s1", [[0, 10, 0, 1], [1, 11, 0, 2]]), store("s2", [[0, 10, 0, 1], [1, 11, 0, 3]])],
    nearMiss: [
      ...two,
      store("s1", [[0, 10, 0, 1], [1, 11, 0, 2], [2, 12, 0, 4]]),
      store("s2", [[0, 10, 0, 1], [1, 11, 0, 2]]),
    ],
  },
  {
    rule: "epoch-order",
    name: "an older epoch after a newer one",
    found: [store("s1", [[0, 10, 1, 1], [1, 11, 0, 2]])],
    nearMiss: [store("s1", [[0, 10, 0, 1], [1, 11, 1, 2]])],
  },
  {
    rule: "high-watermark-fell",
    name: "within an epoch; with a new one it may",
    found: [observe(0, 1, { highWatermark: 5 }), observe(2, 1, { highWatermark: 4 })],
    nearMiss: [observe(0, 1, { highWatermark: 5 }), observe(2, 2, { highWatermark: 4 })],
  },
  {
    rule: "last-stable-offset-fell",
    name: "within an epoch; concurrent replies may cross",
    found: [observe(0, 1, { lastStableOffset: 5 }), observe(2, 1, { lastStableOffset: 4 })],
    nearMiss: [observe(0, 1, { lastStableOffset: 5 }), observe(1, 1, { lastStableOffset: 4 })],
  },
  {
    rule: "log-start-fell",
    name: "also over epochs",
    found: [observe(0, 1, { logStart: 5 }), observe(2, 2, { logStart: 4 })],
    nearMiss: [observe(0, 1, { logStart: 4 }), observe(2, 2, { logStart: 5 })],
  },
  {
    rule: "watermark-order",
    name: "the high watermark above the ISR's smallest end",
    found: [observe(0, 1, { lastStableOffset: 3, highWatermark: 5, minIsrEnd: 4 })],
    nearMiss: [observe(0, 1, { lastStableOffset: 3, highWatermark: 5, minIsrEnd: 5 })],
  },
  {
    rule: "truncated-acked",
    name: "an acknowledged offset is cut; what was written after the cut is safe",
    found: [...two, { kind: "truncate", ...at(10), partition: P, offset: 1 }],
    nearMiss: [
      send(0, 1, 10, 0),
      { kind: "truncate", ...at(2), partition: P, offset: 1 },
      send(4, 1, 11, 1),
    ],
  },
  {
    rule: "group-offset-back",
    name: "an overwritten commit comes back; concurrent commits may go either way",
    found: [group(0, "commit", 5), group(2, "commit", 9), group(4, "committed", 5)],
    nearMiss: [group(0, "commit", 5), group(1, "commit", 9), group(4, "committed", 5)],
  },
  {
    rule: "group-offset-back",
    name: "an unknown commit that was read is in place; a client may ask for the older offset again",
    found: [
      group(0, "commit", 5),
      group(2, "commit", 9, "info"),
      group(4, "committed", 9),
      group(6, "committed", 5),
    ],
    nearMiss: [
      group(0, "commit", 5),
      group(2, "commit", 9, "info"),
      group(4, "committed", 9),
      group(6, "commit", 5),
      group(8, "committed", 5),
    ],
  },
  {
    rule: "group-offset-unrequested",
    name: "an offset that nobody committed",
    found: [group(0, "commit", 5), group(2, "committed", 6)],
    nearMiss: [group(0, "commit", 5), group(2, "committed", 5)],
  },
  {
    rule: "compaction-lost-latest",
    name: "the final reads end before the newest record, which others have seen",
    found: [
      keyed(0, 10, 0, "k"),
      keyed(2, 11, 1, "l"),
      poll(4, 3, [[0, 10], [1, 11]]),
      placed(6, 2, "assign"),
      poll(7, 2, [[0, 10]]),
    ],
    nearMiss: [
      keyed(0, 10, 0, "k"),
      keyed(2, 11, 1, "l"),
      poll(4, 3, [[0, 10], [1, 11]]),
      placed(6, 2, "assign"),
      poll(7, 2, [[0, 10]]),
      poll(8, 2, [[1, 11]]),
    ],
    profile: profiles.compacted,
    header: FINAL,
  },
  {
    rule: "compaction-lost-latest",
    name: "a tombstone goes before its time is over, or after",
    found: [
      keyed(0, 10, 0, "k"),
      removal(2, 11, 1, "k"),
      keyed(4, 12, 2, "l"),
      placed(6, 2, "assign"),
      poll(7, 2, [[2, 12]]),
    ],
    nearMiss: [
      keyed(0, 10, 0, "k"),
      removal(2, 11, 1, "k"),
      keyed(4, 12, 2, "l"),
      placed(6, 2, "assign"),
      poll(7, 2, [[1, 11], [2, 12]]),
    ],
    profile: profiles["compacted-tombstones-stay"],
  },
  {
    rule: "compaction-lost-latest",
    name: "a tombstone that may have been written may have taken a key away, one that surely was not cannot",
    found: [
      keyed(0, 10, 0, "k"),
      { ...removal(2, 11, null, "k"), type: "fail" },
      keyed(4, 12, 2, "l"),
      placed(6, 2, "assign"),
      poll(7, 2, [[2, 12]]),
    ],
    nearMiss: [
      keyed(0, 10, 0, "k"),
      { ...removal(2, 11, null, "k"), type: "info" },
      keyed(4, 12, 2, "l"),
      placed(6, 2, "assign"),
      poll(7, 2, [[2, 12]]),
    ],
    profile: profiles.compacted,
  },
  {
    rule: "compaction-lost-latest",
    name: "what an aborted transaction wrote supersedes nothing, what a committed one wrote does",
    found: [
      keyed(0, 10, 0, "k"),
      txn(2, 1, [["send", P, 11, 1, "k"]], "fail"),
      keyed(4, 12, 3, "l"),
      placed(6, 2, "assign"),
      poll(7, 2, [[3, 12]], "read_committed"),
    ],
    nearMiss: [
      keyed(0, 10, 0, "k"),
      txn(2, 1, [["send", P, 11, 1, "k"]]),
      keyed(4, 12, 3, "l"),
      placed(6, 2, "assign"),
      poll(7, 2, [[1, 11], [3, 12]], "read_committed"),
    ],
    profile: profiles.compacted,
  },
  {
    rule: "poll-skip",
    name: "compaction may remove what was aborted, and not what was committed",
    found: [
      keyed(0, 10, 0, "k"),
      txn(2, 1, [["send", P, 11, 1, "m"]]),
      keyed(4, 12, 3, "l"),
      poll(6, 2, [[0, 10]]),
      poll(8, 2, [[3, 12]]),
    ],
    nearMiss: [
      keyed(0, 10, 0, "k"),
      txn(2, 1, [["send", P, 11, 1, "m"]], "fail"),
      keyed(4, 12, 3, "l"),
      poll(6, 2, [[0, 10]]),
      poll(8, 2, [[3, 12]]),
    ],
    profile: profiles.compacted,
  },
  {
    rule: "compaction-resurrected",
    name: "a deleted key comes back without its tombstone; with it, or with a newer value, nothing has",
    found: [
      keyed(0, 10, 0, "k"),
      removal(2, 11, 1, "k"),
      keyed(4, 12, 2, "l"),
      placed(6, 2, "assign"),
      poll(7, 2, [[0, 10], [2, 12]]),
    ],
    nearMiss: [
      keyed(0, 10, 0, "k"),
      removal(2, 11, 1, "k"),
      keyed(4, 12, 2, "k"),
      placed(6, 2, "assign"),
      poll(7, 2, [[0, 10], [2, 12]]),
    ],
    profile: profiles.compacted,
  },
  {
    rule: "compaction-lost-latest",
    name: "the last scan misses a key; a superseded value may go",
    found: [keyed(0, 10, 0, "k"), keyed(2, 11, 1, "l"), placed(4, 2, "assign"), poll(5, 2, [[1, 11]])],
    nearMiss: [keyed(0, 10, 0, "k"), keyed(2, 11, 1, "k"), placed(4, 2, "assign"), poll(5, 2, [[1, 11]])],
    profile: profiles.compacted,
  },
  {
    rule: "copy-multiset",
    name: "an input value copied twice",
    found: [
      op(0, 1, [sendTo("in/0", 1, 0)]),
      op(2, 2, [sendTo("out/0", 1, 0)]),
      op(4, 3, [sendTo("out/1", 1, 0)]),
    ],
    nearMiss: [op(0, 1, [sendTo("in/0", 1, 0)]), op(2, 2, [sendTo("out/0", 1, 0)])],
    header: COPY,
    profile: profiles["eos-copy"],
  },
  {
    rule: "copy-multiset",
    name: "an input value that was not copied; an aborted one need not be",
    found: [op(0, 1, [sendTo("in/0", 1, 0)])],
    nearMiss: [txn(0, 1, [sendTo("in/0", 1, 0)], "fail"), op(5, 2, [pollOf("in/0", [0, 1])])],
    header: COPY,
    profile: profiles["eos-copy"],
  },
  {
    rule: "consume-counts",
    name: "a group takes a record in two committed transactions; an aborted one does not count",
    found: [
      send(0, 1, 10, 0),
      placed(1, 2, "subscribe", "g"),
      placed(1, 3, "subscribe", "g"),
      txn(2, 2, [pollOf(P, [0, 10])]),
      txn(4, 3, [pollOf(P, [0, 10])]),
    ],
    nearMiss: [
      send(0, 1, 10, 0),
      placed(1, 2, "subscribe", "g"),
      placed(1, 3, "subscribe", "g"),
      txn(2, 2, [pollOf(P, [0, 10])], "fail"),
      txn(4, 3, [pollOf(P, [0, 10])]),
    ],
    profile: profiles["eos-copy"],
  },
  {
    rule: "error-code",
    name: "an error that Produce does not answer",
    found: [op(0, 1, [], { replies: [[0, 22]] })],
    nearMiss: [op(0, 1, [], { replies: [[0, 6], [0, 0], [12, 22]] })],
  },
  {
    rule: "error-code",
    name: "UNKNOWN_SERVER_ERROR is never right",
    found: [op(0, 1, [], { replies: [[60, -1]] })],
    nearMiss: [op(0, 1, [], { replies: [[60, 35]] })],
  },
  {
    rule: "realtime-lag",
    name: "a poll long after the next record was acknowledged",
    found: [...two, poll(5, 2, [[0, 10]]), poll(500, 2, [])],
    nearMiss: [...two, poll(5, 2, [[0, 10], [1, 11]]), poll(500, 2, [])],
    profile: { ...profiles.idempotent, realtimeLagMaxMs: 100 },
  },
  {
    rule: "realtime-lag",
    name: "a fetch whose end is old; one that catches up in full replies does not lag",
    found: [...two, op(500, 2, [["fetch", P, 0, 1, [[0, 10]]]])],
    nearMiss: [
      ...two,
      op(500, 2, [["fetch", P, 0, 2, [[0, 10]]]]),
      poll(501, 3, [[0, 10]]),
      poll(502, 3, [[1, 11]]),
    ],
    profile: { ...profiles.idempotent, realtimeLagMaxMs: 100 },
  },
  {
    rule: "G0",
    name: "two transactions write two partitions in opposite order",
    found: [
      txn(0, 1, [sendTo(P, 1, 0), sendTo("b/0", 1, 1)]),
      txn(0, 2, [sendTo(P, 2, 1), sendTo("b/0", 2, 0)]),
    ],
    nearMiss: [
      txn(0, 1, [sendTo(P, 1, 0), sendTo("b/0", 1, 0)]),
      txn(0, 2, [sendTo(P, 2, 1), sendTo("b/0", 2, 1)]),
    ],
    severity: "report",
  },
  {
    rule: "G1c",
    name: "a writes before b, and reads b",
    found: [
      txn(0, 1, [sendTo(P, 1, 0), pollOf("b/0", [0, 2])]),
      txn(0, 2, [sendTo(P, 2, 1), sendTo("b/0", 2, 0)]),
    ],
    nearMiss: [
      txn(0, 1, [sendTo(P, 1, 1), pollOf("b/0", [0, 2])]),
      txn(0, 2, [sendTo(P, 2, 0), sendTo("b/0", 2, 0)]),
    ],
    severity: "report",
  },
  {
    rule: "G1c-wr",
    name: "two transactions read each other; at read_uncommitted they may",
    found: [
      txn(0, 1, [sendTo(P, 1, 0), pollOf("b/0", [0, 2])]),
      txn(0, 2, [sendTo("b/0", 2, 0), pollOf(P, [0, 1])]),
    ],
    nearMiss: [
      txn(0, 1, [sendTo(P, 1, 0), pollOf("b/0", [0, 2])]),
      { ...txn(0, 2, [sendTo("b/0", 2, 0), pollOf(P, [0, 1])]), isolation: "read_uncommitted" },
    ],
  },
  {
    rule: "G1c-wr",
    name: "two transactions read each other; without transactions they may",
    found: [
      txn(0, 1, [sendTo(P, 1, 0), pollOf("b/0", [0, 2])]),
      txn(0, 2, [sendTo("b/0", 2, 0), pollOf(P, [0, 1])]),
    ],
    nearMiss: [
      op(0, 1, [sendTo(P, 1, 0), pollOf("b/0", [0, 2])]),
      op(0, 2, [sendTo("b/0", 2, 0), pollOf(P, [0, 1])]),
    ],
  },
  {
    rule: "G0-process",
    name: "a process writes b first, and then what lies before it by way of another",
    found: [
      op(0, 1, [sendTo(P, 1, 1)]),
      op(2, 1, [sendTo("b/0", 2, 0)]),
      op(0, 2, [sendTo("b/0", 3, 1), sendTo(P, 3, 0)], { completeMs: 9 }),
    ],
    nearMiss: [
      op(0, 1, [sendTo(P, 1, 0)]),
      op(2, 1, [sendTo("b/0", 2, 0)]),
      op(0, 2, [sendTo("b/0", 3, 1), sendTo(P, 3, 1)], { completeMs: 9 }),
    ],
    severity: "report",
  },
  {
    rule: "G0-realtime",
    name: "the same over two processes",
    found: [
      op(0, 1, [sendTo(P, 1, 1)]),
      op(2, 3, [sendTo("b/0", 2, 0)]),
      op(0, 2, [sendTo("b/0", 3, 1), sendTo(P, 3, 0)], { completeMs: 9 }),
    ],
    nearMiss: [
      op(0, 1, [sendTo(P, 1, 1)]),
      op(1, 3, [sendTo("b/0", 2, 0)]),
      op(0, 2, [sendTo("b/0", 3, 1), sendTo(P, 3, 0)], { completeMs: 9 }),
    ],
    severity: "report",
  },
  {
    rule: "G1c-process",
    name: "a process reads what follows, by way of another, its next write",
    found: [
      op(0, 1, [pollOf("b/0", [0, 3])]),
      op(2, 1, [sendTo(P, 2, 0)]),
      op(0, 2, [sendTo(P, 3, 1), sendTo("b/0", 3, 0)], { completeMs: 9 }),
    ],
    nearMiss: [
      op(0, 1, [pollOf("b/0", [0, 3])]),
      op(2, 1, [sendTo(P, 2, 1)]),
      op(0, 2, [sendTo(P, 3, 0), sendTo("b/0", 3, 0)], { completeMs: 9 }),
    ],
    severity: "report",
  },
  {
    rule: "G1c-realtime",
    name: "the same over two processes",
    found: [
      op(0, 1, [pollOf("b/0", [0, 3])]),
      op(2, 3, [sendTo(P, 2, 0)]),
      op(0, 2, [sendTo(P, 3, 1), sendTo("b/0", 3, 0)], { completeMs: 9 }),
    ],
    nearMiss: [
      op(0, 1, [pollOf("b/0", [0, 3])]),
      op(1, 3, [sendTo(P, 2, 0)]),
      op(0, 2, [sendTo(P, 3, 1), sendTo("b/0", 3, 0)], { completeMs: 9 }),
    ],
    severity: "report",
  },
  {
    rule: "wr-process",
    name: "a process reads what it sends only later",
    found: [poll(0, 1, [[0, 10]]), send(2, 1, 10, 0)],
    nearMiss: [send(0, 1, 10, 0), poll(2, 1, [[0, 10]])],
  },
  {
    rule: "wr-realtime",
    name: "a read of a record that is sent only later; a concurrent send may be read",
    found: [poll(0, 1, [[0, 10]]), send(2, 2, 10, 0)],
    nearMiss: [poll(0, 1, [[0, 10]]), send(1, 2, 10, 0)],
  },
];

function judge(
  lines: readonly HistoryLine[],
  { header = HEADER, profile = profiles.idempotent }: Case,
): Report {
  const builder = new HistoryBuilder(header);
  for (const line of lines) builder.add(line);
  return check(builder.build(), profile);
}

for (const test of CASES) {
  Deno.test(`${test.rule}: ${test.name}`, () => {
    const found = judge(test.found, test);
    const mine = found.rules.find(({ rule }) => rule === test.rule);
    assert.ok(mine !== undefined, `not found: ${renderReport(found)}`);
    assert.equal(mine.findings[0]?.severity, test.severity ?? "fatal", renderReport(found));
    for (const finding of mine.findings) {
      assert.ok(
        finding.lines.length > 0 && finding.lines.every((line) => line >= 2 && line < test.found.length + 2),
      );
    }
    const missed = judge(test.nearMiss, test);
    assert.ok(
      !missed.rules.some(({ rule }) => rule === test.rule),
      `found in a near miss: ${renderReport(missed)}`,
    );
  });
}

Deno.test("every rule has a hand-made history, and its name stands once", () => {
  const names = rules.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(names.filter((name) => !CASES.some(({ rule }) => rule === name)), []);
});

Deno.test("check() counts all findings and keeps the first", () => {
  const lines: HistoryLine[] = [];
  for (let i = 0; i < 40; i++) lines.push(poll(i * 2, 1, [[i, i]]));
  const builder = new HistoryBuilder(HEADER);
  for (const line of lines) builder.add(line);
  const report = check(builder.build(), profiles.idempotent, { evidenceCountMax: 3 });
  const unwritten = report.rules.find(({ rule }) => rule === "unwritten-read");
  assert.equal(unwritten?.fatalCount, 40);
  assert.equal(unwritten?.findings.length, 3);
  assert.match(
    renderReport(report),
    /^INVALID: 40 operations[\s\S]*unwritten-read \(40 fatal\)[\s\S]*… and 37 more/,
  );
});

Deno.test("check() lets a rule soften what its profile says, and never makes it worse", () => {
  const rule: Rule = {
    name: "odd",
    what: "Something odd.",
    look: "Nowhere.",
    severity: (profile) => profile.idempotent ? "fatal" : "report",
    check(_, sink) {
      sink.add(() => ({ message: "one", lines: [1] }), "fatal");
      sink.add(() => ({ message: "two", lines: [1] }), "report");
    },
  };
  const history = new HistoryBuilder(HEADER).build();
  assert.equal(check(history, profiles.idempotent, { rules: [rule] }).fatalCount, 1);
  assert.equal(check(history, profiles.plain, { rules: [rule] }).fatalCount, 0);
  const off: Profile = { ...profiles.idempotent, overrides: { odd: "off" } };
  assert.deepEqual(check(history, off, { rules: [rule] }).judged, []);
});

Deno.test("renderReport() tells a cycle in English with lines and offsets", () => {
  const test = CASES.find(({ rule }) => rule === "G1c-wr") as Case;
  const text = renderReport(judge(test.found, test));
  assert.match(text, /line 2 polled 2 of b\/0 at offset 0, sent by line 3; and so line 2 depends on itself/);
  assert.match(
    text,
    /line 3 polled 1 of a\/0 at offset 0, sent by line 2; /,
  );
});
