import assert from "node:assert/strict";
import {
  BackupFormatError,
  type BackupFrame,
  backupMagic,
  BackupReader,
  encodeBackupFrame,
} from "./backup_file.ts";

const frames: readonly BackupFrame[] = [
  {
    type: "header",
    header: {
      clusterId: "c",
      createdMs: 1,
      topics: [{
        name: "t",
        configs: { "retention.ms": "5" },
        partitions: [{ logStartOffset: 3, endOffset: 9 }],
      }],
      estimatedBytes: 10,
    },
  },
  { type: "batches", topicIndex: 0, partition: 0, bytes: new Uint8Array([1, 2, 3]) },
  { type: "batches", topicIndex: 0, partition: 0, bytes: new Uint8Array(70_000).fill(7) },
  {
    type: "group",
    group: { groupId: "g", offsets: [{ topic: "t", partition: 0, offset: 4, metadata: "m" }] },
  },
  { type: "end", end: { batchFrames: 2, batchBytes: 70_003, groups: 1 } },
];

function file(parts: readonly BackupFrame[]): Uint8Array {
  const encoded = [backupMagic(), ...parts.map(encodeBackupFrame)];
  const bytes = new Uint8Array(encoded.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of encoded) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function read(bytes: Uint8Array, pieceBytes = 1_000): BackupFrame[] {
  const reader = new BackupReader();
  const found: BackupFrame[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    found.push(...reader.push(bytes.slice(at, at + pieceBytes)));
  }
  reader.finish();
  return found;
}

Deno.test("BackupReader reads what was written, whatever the pieces", () => {
  for (const pieceBytes of [1, 7, 1_000, 1_000_000]) {
    assert.deepEqual(read(file(frames), pieceBytes), frames);
  }
});

Deno.test("BackupReader refuses a file that was cut short anywhere", () => {
  const bytes = file(frames);
  for (
    let length = 0;
    length < bytes.length;
    length += length < 400 || length > bytes.length - 300 ? 1 : 997
  ) {
    assert.throws(() => read(bytes.subarray(0, length)), BackupFormatError, `${length} bytes`);
  }
});

Deno.test("BackupReader refuses a file with a flipped bit anywhere", () => {
  const bytes = file(frames);
  for (let at = 0; at < bytes.length; at += at < 400 || at > bytes.length - 300 ? 1 : 997) {
    assert.throws(() => read(bytes.with(at, (bytes[at] ?? 0) ^ 4)), BackupFormatError, `byte ${at}`);
  }
});

Deno.test("BackupReader refuses a file whose frames are missing, mixed up, too many, or not the last", () => {
  const [header, first, second, group, end] = frames as [
    BackupFrame,
    BackupFrame,
    BackupFrame,
    BackupFrame,
    BackupFrame,
  ];
  for (
    const wrong of [[header, first, group, end], [first, header, second, group, end], [header, ...frames], [
      ...frames,
      end,
    ]]
  ) {
    assert.throws(() => read(file(wrong)), BackupFormatError);
  }
  assert.throws(() => read(file([header, { type: "failed", why: "the disk" }])), /never finished: the disk/);
});
