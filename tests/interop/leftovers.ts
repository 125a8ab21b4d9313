/**
 * Programs that a suite started and did not end, found by the temporary directory of its own that all of them were given. On
 * systems without /proc none are found.
 */

/** Ends them; returns the command lines, for the one who forgot them. */
export async function endLeftovers(scratch: string): Promise<string[]> {
  const found: string[] = [];
  for (const id of await processIds()) {
    if (!(await textOf(id, "environ")).split("\0").includes(`TMPDIR=${scratch}`)) continue;
    // One that ended meanwhile has no command line any more, and cannot be killed either.
    const command = (await textOf(id, "cmdline")).replaceAll("\0", " ").trim();
    if (command === "") continue;
    found.push(command);
    try {
      Deno.kill(id, "SIGKILL");
    } catch {
      found.pop();
    }
  }
  return found;
}

async function processIds(): Promise<number[]> {
  try {
    return (await Array.fromAsync(Deno.readDir("/proc"))).map(({ name }) => Number(name)).filter(
      Number.isInteger,
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function textOf(id: number, name: "environ" | "cmdline"): Promise<string> {
  try {
    return await Deno.readTextFile(`/proc/${id}/${name}`);
  } catch {
    return "";
  }
}
