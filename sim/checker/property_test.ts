/** Properties of the checker: histories of the reference model pass, and each seeded corruption of one is found. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { check, type Report } from "./check.ts";
import type { ClientOperation, HistoryLine } from "./history_format.ts";
import { HistoryBuilder, readHistory, writeHistory } from "./history.ts";
import { mulberry32, REFERENCE_HEADER, referenceHistory } from "./reference_log.ts";
import { renderReport } from "./render_report.ts";

function judge(lines: Iterable<HistoryLine>): Report {
  const builder = new HistoryBuilder(REFERENCE_HEADER);
  for (const line of lines) builder.add(line);
  return check(builder.build());
}

/** A copy that a corruption may change. */
interface Mutable extends Omit<ClientOperation, "micro" | "type" | "completeMs" | "invokeMs"> {
  type: ClientOperation["type"];
  invokeMs: number;
  completeMs: number;
  micro: (["send", string, number, number | null] | ["poll", Record<string, [number, number][]>])[];
}

function operations(lines: HistoryLine[]): Mutable[] {
  return lines.filter((line) => line.kind === undefined) as unknown as Mutable[];
}

/** All polled lists of a partition, with the operation. */
function polls(lines: HistoryLine[]): { op: Mutable; partition: string; records: [number, number][] }[] {
  return operations(lines).flatMap((op) =>
    op.micro.flatMap((micro) =>
      micro[0] === "poll"
        ? Object.entries(micro[1]).map(([partition, records]) => ({ op, partition, records }))
        : []
    )
  );
}

/** Corrupts the lines in place at a place that `pick` chooses; false when this history has no fit place. */
type Corruption = (lines: HistoryLine[], pick: <T>(from: readonly T[]) => T | undefined) => boolean;

const ackedSend = (lines: HistoryLine[]) =>
  operations(lines).filter((op) => op.txn === undefined && op.type === "ok" && op.micro[0]?.[0] === "send");

function removeEverywhere(lines: HistoryLine[], partition: string, value: unknown): void {
  for (const poll of polls(lines)) {
    if (poll.partition !== partition) continue;
    const at = poll.records.findIndex((record) => record[1] === value);
    if (at >= 0) poll.records.splice(at, 1);
  }
}

/** The corruption, and the rules of which at least one must find it. */
const CORRUPTIONS: Readonly<Record<string, { rules: readonly string[]; corrupt: Corruption }>> = {
  "an acknowledged record is dropped": {
    rules: ["lost-write", "unseen"],
    corrupt(lines, pick) {
      const send = pick(ackedSend(lines))?.micro[0];
      if (send?.[0] !== "send") return false;
      removeEverywhere(lines, send[1], send[2]);
      return true;
    },
  },
  "a record is there twice": {
    rules: ["duplicate"],
    corrupt(lines, pick) {
      const poll = pick(polls(lines).filter(({ records }) => records.length > 0));
      if (poll === undefined) return false;
      const end = Math.max(...polls(lines).flatMap(({ records }) => records.map(([offset]) => offset)));
      poll.records.push([end + 1, (poll.records[0] as [number, number])[1]]);
      return true;
    },
  },
  "two records are swapped for one reader": {
    rules: ["inconsistent-offsets"],
    corrupt(lines, pick) {
      const poll = pick(polls(lines).filter(({ records }) => records.length > 1));
      if (poll === undefined) return false;
      const [a, b] = poll.records as [[number, number], [number, number]];
      poll.records.splice(0, 2, [a[0], b[1]], [b[0], a[1]]);
      return true;
    },
  },
  "a reader gets two records in the wrong order": {
    rules: ["int-nonmonotonic-poll"],
    corrupt(lines, pick) {
      const poll = pick(polls(lines).filter(({ records }) => records.length > 1));
      if (poll === undefined) return false;
      const [a, b] = poll.records as [[number, number], [number, number]];
      poll.records.splice(0, 2, b, a);
      return true;
    },
  },
  "one reader misses a record in the middle": {
    rules: ["int-poll-skip"],
    corrupt(lines, pick) {
      const poll = pick(
        polls(lines).filter(({ records, op }) => records.length > 2 && op.process !== "final"),
      );
      if (poll === undefined) return false;
      poll.records.splice(1, 1);
      return true;
    },
  },
  "one reader misses a whole reply": {
    rules: ["poll-skip"],
    corrupt(lines, pick) {
      const all = polls(lines);
      const poll = pick(all.filter(({ op, partition, records }, at) => {
        const same = (other: (typeof all)[number]) =>
          other.op.process === op.process && other.partition === partition && other.records.length > 0;
        return records.length > 0 && op.process !== "final" && all.slice(0, at).some(same) &&
          all.slice(at + 1).some(same);
      }));
      poll?.records.splice(0);
      return poll !== undefined;
    },
  },
  "a stale read gives old records again": {
    rules: ["nonmonotonic-poll"],
    corrupt(lines, pick) {
      const all = polls(lines);
      const poll = pick(
        all.filter(({ op, partition, records }, at) =>
          records.length > 0 &&
          all.slice(0, at).some((other) => other.op.process === op.process && other.partition === partition)
        ),
      );
      if (poll === undefined) return false;
      const old = all.find(({ op, partition, records }) =>
        op.process === poll.op.process && partition === poll.partition && records.length > 0
      );
      if (old === undefined || old === poll) return false;
      poll.records.splice(0, poll.records.length, ...old.records);
      return true;
    },
  },
  "an aborted record is visible": {
    rules: ["aborted-read"],
    corrupt(lines, pick) {
      const op = pick(
        operations(lines).filter((op) =>
          op.txn !== undefined && op.type === "ok" && op.micro.some(([kind]) => kind === "send")
        ),
      );
      if (op === undefined) return false;
      op.type = "fail";
      return true;
    },
  },
  "an acknowledgement names offset zero": {
    rules: ["inconsistent-offsets"],
    corrupt(lines, pick) {
      const send = pick(ackedSend(lines).filter((op) => (op.micro[0]?.[3] ?? 0) !== 0))?.micro[0];
      if (
        send?.[0] !== "send" ||
        !polls(lines).some(({ partition, records }) =>
          partition === send[1] && records.some(([offset]) => offset === 0)
        )
      ) return false;
      send[3] = 0;
      return true;
    },
  },
  "two acknowledged records change places": {
    rules: ["append-realtime"],
    corrupt(lines, pick) {
      const first = pick(ackedSend(lines));
      const later = first === undefined ? undefined : pick(
        ackedSend(lines).filter((op) =>
          op.invokeMs > first.completeMs && op.micro[0]?.[1] === first.micro[0]?.[1]
        ),
      );
      const [a, b] = [first?.micro[0], later?.micro[0]];
      if (a?.[0] !== "send" || b?.[0] !== "send") return false;
      [a[3], b[3]] = [b[3], a[3]];
      for (const { partition, records } of polls(lines)) {
        if (partition !== a[1]) continue;
        for (const record of records) {
          if (record[1] === a[2]) record[1] = b[2];
          else if (record[1] === b[2]) record[1] = a[2];
        }
      }
      return true;
    },
  },
  "a record is read before it was sent": {
    rules: ["wr-realtime"],
    corrupt(lines, pick) {
      const poll = pick(
        polls(lines).filter(({ op, records }) => records.length > 0 && op.process !== "final"),
      );
      if (poll === undefined) return false;
      const [, value] = poll.records[0] as [number, number];
      const op = operations(lines).find((op) =>
        op.micro.some((micro) => micro[0] === "send" && micro[2] === value)
      );
      if (op === undefined) return false;
      op.invokeMs = poll.op.completeMs + 1;
      op.completeMs = op.invokeMs + 1;
      return true;
    },
  },
  "a value nobody sent": {
    rules: ["unwritten-read"],
    corrupt(lines, pick) {
      const record = pick(polls(lines).flatMap(({ records }) => records));
      if (record === undefined) return false;
      record[1] = 1_000_000_007;
      return true;
    },
  },
};

Deno.test("check() finds nothing fatal in histories of the reference model", () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.nat(),
        operationCount: fc.integer({ min: 1, max: 300 }),
        partitionCount: fc.integer({ min: 1, max: 4 }),
        pollRecordsMax: fc.integer({ min: 1, max: 20 }),
      }),
      (options) => {
        const report = judge(referenceHistory(options));
        assert.equal(report.valid, true, renderReport(report));
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("the reference model aborts, commits, reads and leaves unknowns", () => {
  const report = judge(referenceHistory({ seed: 7, operationCount: 2_000 }));
  assert.ok(report.counts.fail > 20 && report.counts.info > 20 && report.counts.records > 1_000);
  assert.equal(report.metrics["unseen records"], 0);
});

for (const [name, { rules, corrupt }] of Object.entries(CORRUPTIONS)) {
  Deno.test(`check() finds the corruption: ${name}`, () => {
    let tried = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const lines = structuredClone([...referenceHistory({ seed, operationCount: 150 })]);
      const random = mulberry32(seed);
      const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)];
      if (!corrupt(lines, pick)) continue;
      tried += 1;
      const report = judge(lines);
      assert.ok(
        report.rules.some(({ rule, fatalCount }) => rules.includes(rule) && fatalCount > 0),
        `seed ${seed}: ${renderReport(report)}`,
      );
    }
    assert.ok(tried >= 30, `only ${tried} of 60 histories had a place for it`);
  });
}

Deno.test("readHistory() reads back what writeHistory() wrote", () => {
  const lines = [...referenceHistory({ seed: 3, operationCount: 200 })];
  const report = check(readHistory(writeHistory(REFERENCE_HEADER, lines)));
  assert.deepEqual(report, judge(lines));
});
