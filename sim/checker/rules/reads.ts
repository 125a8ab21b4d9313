/** Rules on what a poll may return at all: aborted, own uncommitted, unknown and foreign records. Pure. */

import { FAIL, HAS_READ, IN_TXN, OK, READ, READ_COMMITTED } from "../history.ts";
import type { Evidence, Judged, Rule } from "../rule.ts";

/** Calls `visit` for each record that an ok operation polled. */
function forEachRead(judged: Judged, visit: (op: number, value: number, offset: number) => void): void {
  const { type, flags, microStart, microKind, microValue, microOffset, operationCount } = judged.history;
  for (let op = 0; op < operationCount; op++) {
    if (type[op] !== OK || ((flags[op] as number) & HAS_READ) === 0) continue;
    for (let i = microStart[op] as number; i < (microStart[op + 1] as number); i++) {
      if (microKind[i] === READ) visit(op, microValue[i] as number, microOffset[i] as number);
    }
  }
}

function readEvidence(judged: Judged, op: number, value: number, offset: number, why: string): Evidence {
  return {
    message: `line ${judged.line(op)} polled ${judged.show(value)} at offset ${offset}, ${why}`,
    lines: judged.lines(judged.history.writer[value] as number, op),
    partition: judged.partitionName(value),
    offsets: [offset],
  };
}

export const abortedRead: Rule = {
  name: "aborted-read",
  what: "G1a: a poll returned a record whose send failed or whose transaction aborted.",
  look:
    "Aborted index, last stable offset, a delayed EndTxn, or an error reply for a batch that was appended.",
  severity: () => "fatal",
  check(judged, sink) {
    const { writer, type, flags } = judged.history;
    forEachRead(judged, (op, value, offset) => {
      const by = writer[value] as number;
      if (by < 0 || type[by] !== FAIL) return;
      const inTxn = ((flags[by] as number) & IN_TXN) !== 0;
      if (inTxn && ((flags[op] as number) & READ_COMMITTED) === 0) return;
      const why = `which line ${judged.line(by)} ${inTxn ? "aborted" : "surely failed to send"}`;
      sink.add(() => readEvidence(judged, op, value, offset, why));
    });
  },
};

export const precommittedRead: Rule = {
  name: "precommitted-read",
  what: "A transaction polled a record that it itself sent and had not committed.",
  look: "The last stable offset does not stop before the reader's own open transaction.",
  severity: () => "fatal",
  check(judged, sink) {
    const { writer, flags } = judged.history;
    const both = IN_TXN | READ_COMMITTED;
    forEachRead(judged, (op, value, offset) => {
      if (writer[value] !== op || ((flags[op] as number) & both) !== both) return;
      sink.add(() =>
        readEvidence(judged, op, value, offset, "which it had itself sent in the same transaction")
      );
    });
  },
};

export const unwrittenRead: Rule = {
  name: "unwritten-read",
  what: "A poll returned a value that nobody sent to that partition.",
  look: "Damaged bytes, a batch of another partition, a wrong decoder.",
  severity: (profile) => profile.externalWriters ? "off" : "fatal",
  check(judged, sink) {
    const siblings = new TopicLives(judged);
    forEachRead(judged, (op, value, offset) => {
      if ((judged.history.writer[value] as number) >= 0 || siblings.otherLife(value) >= 0) return;
      sink.add(() => readEvidence(judged, op, value, offset, "which nobody sent there"));
    });
  },
};

export const foreignTopicId: Rule = {
  name: "foreign-topic-id",
  what: "A fetch of one topic id returned a record of another life of the same topic.",
  look: "Something keyed by topic name in place of topic id; data of a deleted topic that was not fenced.",
  severity: () => "fatal",
  check(judged, sink) {
    const siblings = new TopicLives(judged);
    forEachRead(judged, (op, value, offset) => {
      if ((judged.history.writer[value] as number) >= 0) return;
      const other = siblings.otherLife(value);
      if (other < 0) return;
      const sent = judged.history.writer[other] as number;
      sink.add(() => ({
        message: `line ${judged.line(op)} polled ${judged.show(value)} at offset ${offset}, which line ${
          judged.line(sent)
        } sent to ${judged.partitionName(other)}`,
        lines: judged.lines(sent, op),
        partition: judged.partitionName(value),
        offsets: [offset],
      }));
    });
  },
};

/** Partitions `topic@id/n` of one topic and number, over all topic ids. */
class TopicLives {
  readonly #judged: Judged;
  readonly #lives = new Map<string, number[]>();

  constructor(judged: Judged) {
    this.#judged = judged;
    judged.history.partitions.all.forEach((name, id) => {
      const lives = this.#lives.get(withoutTopicId(name));
      if (lives === undefined) this.#lives.set(withoutTopicId(name), [id]);
      else lives.push(id);
    });
  }

  /** The same value as it was sent to another life of the partition, or −1. */
  otherLife(value: number): number {
    const { values, writer } = this.#judged.history;
    for (const partition of this.#lives.get(withoutTopicId(this.#judged.partitionName(value))) ?? []) {
      const other = values.find(partition, values.valueOf(value));
      if (other >= 0 && other !== value && (writer[other] as number) >= 0) return other;
    }
    return -1;
  }
}

function withoutTopicId(partition: string): string {
  return partition.replace(/@[^/]*(?=\/)/, "");
}
