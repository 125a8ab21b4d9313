import assert from "node:assert/strict";
import { FaultLog } from "./fault_log.ts";
import { SimNetwork } from "./network.ts";
import { SimProcess } from "./process.ts";
import { Rng } from "./rng.ts";
import { Scheduler } from "./scheduler.ts";
import { SimDisk } from "./sim_files.ts";
import { calmNet, noDiskFaults, noKvFaults, noProcessFaults } from "./swarm.ts";
import { Trace } from "./trace.ts";

function createProcess(driftMax: number): { process: SimProcess; scheduler: Scheduler } {
  const rng = new Rng("process");
  const scheduler = new Scheduler(rng.split("scheduler"), new Trace());
  const faultLog = new FaultLog();
  const faults = () => calmNet({ latencyMs: [1, 2], chunk: 0, shortWrite: 0, refuse: 0 });
  const process = new SimProcess({
    name: "a",
    hostname: "a",
    scheduler,
    network: new SimNetwork({ scheduler, rng: rng.split("network"), faultLog, faults }),
    rng,
    faultLog,
    disk: new SimDisk(),
    kvFaults: () => noKvFaults,
    diskFaults: () => noDiskFaults,
    processFaults: () => ({ ...noProcessFaults, driftMax }),
  });
  return { process, scheduler };
}

Deno.test("a wall clock that jumped is right again once it was set; the monotonic one never moves", () => {
  const right = createProcess(0).process.env.now();
  const { process } = createProcess(0.1);
  process.jumpWallClock(-3_600_000);
  process.jumpWallClock(-3_600_000);
  assert.ok(process.env.now() < right - 7_000_000);
  process.setWallClock();
  assert.equal(process.env.now(), right);
  assert.equal(process.env.mono(), 0);
});
