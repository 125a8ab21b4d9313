/**
 * Every client of clients/registry.ts through the checks of clients/contract.ts.
 *
 * What passed is written to `.cache/interop/results`, from which compatibility.ts makes the table of
 * docs/compatibility.md. `CLIENT=name` runs one of them alone.
 */

import { CHECKS, createTopic, type Surroundings } from "./clients/contract.ts";
import { type Hello, Program } from "./clients/program.ts";
import { type Client, CLIENTS } from "./clients/registry.ts";
import { writeResult } from "./clients/results.ts";
import { BOOTSTRAP, check, finish, unique } from "./clients/suite.ts";

/** Clients at a time: most of a check is waiting. */
const CONCURRENCY = 3;

async function runClient(client: Client): Promise<void> {
  await using program = new Program(client.name, client.command, BOOTSTRAP);
  let hello: Hello | undefined;
  await check(`${client.name}: starts`, async () => {
    hello = await program.ask<Hello>("hello");
    return hello.version;
  });
  if (hello === undefined) return;
  const { lacks } = hello;
  const prefix = `c-${unique()}`;
  let shared: Promise<string> | undefined;
  const around: Surroundings = {
    prefix,
    lacks,
    shared: () => shared ??= createTopic(program, prefix, 3).then(() => prefix),
  };
  const outcome: Record<string, boolean | null> = {};
  for (const { name, run } of CHECKS) {
    if (lacks.includes(name)) outcome[name] = null;
    else outcome[name] = await check(`${client.name}: ${name}`, () => run(program, around));
  }
  // The runner's server is Kavka; what another address found says nothing of it.
  if (Deno.env.get("SERVER_PID") === undefined) return;
  await writeResult({
    client: client.name,
    language: client.language,
    version: hello.version,
    checks: outcome,
  });
}

const only = Deno.env.get("CLIENT");
const waiting = CLIENTS.filter((client) => only === undefined || client.name === only);
async function worker(): Promise<void> {
  for (let client = waiting.shift(); client !== undefined; client = waiting.shift()) await runClient(client);
}
await Promise.all(Array.from({ length: CONCURRENCY }, worker));
finish();
