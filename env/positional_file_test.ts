/** Writes at positions over a file with one cursor that does its calls in order, as `Deno.FsFile` does. */
import assert from "node:assert/strict";
import { type CursorFile, positionalFile } from "./positional_file.ts";

/** Notes the calls as they are made; `lengthMax` is what one write takes. */
class NotedFile implements CursorFile {
  readonly calls: string[] = [];
  lengthMax = Infinity;

  seekSync(offset: number): number {
    this.calls.push(`seek ${offset}`);
    return offset;
  }
  write(bytes: Uint8Array): Promise<number> {
    this.calls.push(`write ${bytes.length}`);
    return Promise.resolve(Math.min(bytes.length, this.lengthMax));
  }
  syncData(): Promise<void> {
    this.calls.push("sync");
    return Promise.resolve();
  }
  read(): Promise<number | null> {
    return Promise.resolve(null);
  }
  close(): void {}
}

function openNoted() {
  const cursor = new NotedFile();
  return { cursor, file: positionalFile(cursor, () => Promise.resolve(cursor)) };
}

Deno.test("a positional file hands over writes that follow one another, and the sync, without waiting", async () => {
  const { cursor, file } = openNoted();
  const done = [file.write(new Uint8Array(3), 0), file.write(new Uint8Array(2), 3), file.syncData()];
  assert.deepEqual(cursor.calls, ["write 3", "write 2", "sync"]);
  assert.deepEqual(await Promise.all(done), [3, 2, undefined]);
});

Deno.test("a positional file seeks only when what was handed over is written, and a sync waits for that", async () => {
  const { cursor, file } = openNoted();
  const done = [
    file.write(new Uint8Array(3), 0),
    file.write(new Uint8Array(2), 10),
    file.write(new Uint8Array(1), 12),
    file.syncData(),
  ];
  assert.deepEqual(cursor.calls, ["write 3"]);
  assert.deepEqual(await Promise.all(done), [3, 2, 1, undefined]);
  assert.deepEqual(cursor.calls, ["write 3", "seek 10", "write 2", "seek 12", "write 1", "sync"]);
});

Deno.test("a positional file reports nothing written behind a short write, and then seeks again", async () => {
  const { cursor, file } = openNoted();
  cursor.lengthMax = 2;
  assert.deepEqual(
    await Promise.all([file.write(new Uint8Array(3), 0), file.write(new Uint8Array(2), 3)]),
    [2, 0],
  );
  cursor.lengthMax = Infinity;
  assert.equal(await file.write(new Uint8Array(2), 5), 2);
  assert.deepEqual(cursor.calls, ["write 3", "write 2", "seek 5", "write 2"]);
});
