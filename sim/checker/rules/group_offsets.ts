/**
 * Rules on committed group offsets: each group and partition is a register, written by OffsetCommit and read by
 * OffsetFetch; what was overwritten before a read began may not come back. Pure.
 */

import type { Outcome } from "../history_format.ts";
import type { Judged, Rule } from "../rule.ts";

interface Access {
  readonly offset: number;
  readonly invokeMs: number;
  readonly completeMs: number;
  readonly type: Outcome;
  readonly line: number;
}

interface Register {
  readonly group: string;
  readonly partition: string;
  readonly writes: Access[];
  readonly reads: Access[];
}

function registers(judged: Judged): Iterable<Register> {
  const all = new Map<string, Register>();
  for (const fact of judged.history.facts) {
    if (fact.kind !== "commit" && fact.kind !== "committed") continue;
    if (fact.type === "fail" || (fact.kind === "committed" && fact.type !== "ok")) continue;
    for (const partition in fact.offsets) {
      const key = JSON.stringify([fact.group, partition]);
      let register = all.get(key);
      if (register === undefined) {
        all.set(key, register = { group: fact.group, partition, writes: [], reads: [] });
      }
      const { invokeMs, completeMs, type, line } = fact;
      const access = { offset: fact.offsets[partition] as number, invokeMs, completeMs, type, line };
      (fact.kind === "commit" ? register.writes : register.reads).push(access);
    }
  }
  return all.values();
}

export const groupOffsetBack: Rule = {
  name: "group-offset-back",
  what: "A committed group offset went back to an older one without a request that could have set it.",
  look: "A delayed duplicate of an offset commit, a zombie coordinator, offsets lost in a fail-over (W1).",
  severity: () => "fatal",
  check(judged, sink) {
    for (const register of registers(judged)) {
      // When each offset may last have been written, and what surely was in place by some time.
      const lastWriteMs = new Map<number, number>([[-1, -1]]);
      const firstInvokeMs = new Map<number, number>();
      for (const write of register.writes) {
        const endMs = write.type === "info" ? Infinity : write.completeMs;
        lastWriteMs.set(write.offset, Math.max(lastWriteMs.get(write.offset) ?? -1, endMs));
        firstInvokeMs.set(
          write.offset,
          Math.min(firstInvokeMs.get(write.offset) ?? Infinity, write.invokeMs),
        );
      }
      // A read proves an unknown write: the register held that offset before the read completed.
      const placed = register.writes.filter((write) => write.type === "ok").concat(
        register.reads.filter((read) => firstInvokeMs.has(read.offset)).map((read) => ({
          ...read,
          invokeMs: firstInvokeMs.get(read.offset) as number,
        })),
      ).sort((a, b) => a.completeMs - b.completeMs);
      let next = 0;
      let newest: Access | null = null;
      for (const read of register.reads.toSorted((a, b) => a.invokeMs - b.invokeMs)) {
        for (
          let done = placed[next];
          done !== undefined && done.completeMs < read.invokeMs;
          done = placed[++next]
        ) {
          if (newest === null || done.invokeMs > newest.invokeMs) newest = done;
        }
        const lastMs = lastWriteMs.get(read.offset);
        const over = newest;
        if (lastMs === undefined || over === null || over.invokeMs <= lastMs) continue;
        sink.add(() => ({
          message:
            `group ${register.group}, ${register.partition}: line ${read.line} read the committed offset ${
              read.offset < 0 ? "none" : read.offset
            } although ${over.offset} was committed after it (line ${over.line})`,
          lines: [over.line, read.line],
          partition: register.partition,
          offsets: [over.offset, read.offset],
        }));
      }
    }
  },
};

export const groupOffsetUnrequested: Rule = {
  name: "group-offset-unrequested",
  what: "A committed group offset was read that nobody had asked to commit.",
  look: "Offsets of another group, partition or topic life; a commit that was refused and yet applied.",
  severity: () => "fatal",
  check(judged, sink) {
    for (const register of registers(judged)) {
      const firstInvokeMs = new Map<number, number>();
      for (const { offset, invokeMs } of register.writes) {
        firstInvokeMs.set(offset, Math.min(firstInvokeMs.get(offset) ?? Infinity, invokeMs));
      }
      for (const read of register.reads) {
        if (read.offset < 0 || (firstInvokeMs.get(read.offset) ?? Infinity) <= read.completeMs) continue;
        sink.add(() => ({
          message:
            `group ${register.group}, ${register.partition}: line ${read.line} read the committed offset ${read.offset}, which no commit that may have happened had asked for`,
          lines: [read.line],
          partition: register.partition,
          offsets: [read.offset],
        }));
      }
    }
  },
};
