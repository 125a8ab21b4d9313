/**
 * What one ask costs: ask, receive, stage, commit (a promise that is already resolved), answer through the gate. Prints asks
 * per second for several numbers of asks in flight. Run: `deno run bench/actors.ts`.
 */
import { ActorRuntime } from "../actors/runtime/runtime.ts";
import type { ActorContext, ActorHost, ActorKind, Expects } from "../actors/runtime/types.ts";
import { realEnv } from "../env/real.ts";
import { silentLogger } from "../lib/log.ts";

interface Add extends Expects<number> {
  readonly type: "add";
  readonly amount: number;
}

const counter: ActorKind<Add, number> = {
  kind: "counter",
  options: { mailboxLengthMax: 1 << 16 },
  activate(context: ActorContext<Add, number>): ActorHost<Add, number> {
    let sum = 0;
    return {
      receive(message, reply) {
        sum += message.amount;
        context.stage(sum);
        reply.send(sum);
      },
      commit: () => Promise.resolve(),
    };
  },
};

/** `inFlight` askers, each of which asks again as soon as it is answered, spread over `actorCount` actors. */
async function measure(inFlight: number, actorCount: number, askCount: number): Promise<number> {
  const env = realEnv();
  const runtime = new ActorRuntime({ env, log: silentLogger });
  runtime.register(counter);
  let left = askCount;
  const beganAtMs = env.mono();
  await Promise.all(Array.from({ length: inFlight }, async (_, i) => {
    const ref = runtime.ref(counter, String(i % actorCount));
    while (left-- > 0) await ref.ask({ type: "add", amount: 1 });
  }));
  const elapsedMs = env.mono() - beganAtMs;
  await runtime.drain();
  return askCount / elapsedMs * 1000;
}

if (import.meta.main) {
  for (
    const [inFlight, actorCount] of [[1, 1], [16, 1], [256, 1], [4096, 1], [256, 100], [4096, 1000]] as const
  ) {
    await measure(inFlight, actorCount, 100_000);
    const rounds: number[] = [];
    for (let round = 0; round < 5; round++) rounds.push(await measure(inFlight, actorCount, 300_000));
    const median = rounds.sort((a, b) => a - b)[2] ?? 0;
    console.log(`${inFlight} in flight, ${actorCount} actors: ${Math.round(median)} asks/s`);
  }
}
