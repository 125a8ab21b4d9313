/** Memory of the server under test, where its process can be seen: before a row of bad input, and when it is back after it. */

const PID = Deno.env.get("SERVER_PID");
/**
 * What may stay after a row: the tail cache's bound (64 MB), which any accepted batch may fill, and one inflated batch (64 MB) that
 * V8 has not collected yet. What a row leaves for good adds up over the rows, for which there is `KEPT_MB_MAX`.
 */
export const LEFT_MB_MAX = 128;
/** What all rows together may leave: the same, and V8's heap and compiled code at the size that a busy server has. */
export const KEPT_MB_MAX = 300;
/** V8 gives memory back when it collects garbage, and for that something must go on; the bystander sees to it. */
const BACK_MS_MAX = 20_000;
const LOOK_MS = 100;

/** Resident memory in MB; NaN where it cannot be seen. */
export function residentMb(): number {
  return statusMb("VmRSS");
}

/** The most that was resident since `forgetPeak`. */
export function peakMb(): number {
  return statusMb("VmHWM");
}

/** So that `peakMb` begins anew. Linux alone can do that, and a container may forbid it. */
export function forgetPeak(): boolean {
  if (PID === undefined) return false;
  try {
    Deno.writeTextFileSync(`/proc/${PID}/clear_refs`, "5");
    return true;
  } catch {
    return false;
  }
}

/** Files that the server, or this process, may have open; Infinity where no bound can be seen. */
export function openFilesMax(pid = PID): number {
  if (pid === undefined || Deno.build.os !== "linux") return Infinity;
  const text = Deno.readTextFileSync(`/proc/${pid}/limits`);
  return Number(/^Max open files\s+(\d+)/m.exec(text)?.[1] ?? Infinity);
}

/** Waits until no more than `beforeMb` and what may stay is resident; says what is. Throws when that takes too long. */
export async function memoryIsBack(beforeMb: number, leftMbMax: number): Promise<number> {
  const deadline = performance.now() + BACK_MS_MAX;
  for (;;) {
    const nowMb = residentMb();
    // Also where it is not a number, since it cannot be seen there.
    if (!(nowMb > beforeMb + leftMbMax)) return nowMb;
    if (performance.now() > deadline) {
      throw new Error(`memory is not back: ${nowMb.toFixed(0)} MB, ${beforeMb.toFixed(0)} MB before`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function statusMb(name: string): number {
  if (PID === undefined) return NaN;
  const status = Deno.readTextFileSync(`/proc/${PID}/status`);
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
}
