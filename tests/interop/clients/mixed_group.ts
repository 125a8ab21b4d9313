/** Members of several clients in one group: who owns what, and that every record comes to one of them, once. */

import assert from "node:assert/strict";
import { createTopic } from "./contract.ts";
import { type ClientRecord, type Hello, Program, type Taken } from "./program.ts";
import type { Client } from "./registry.ts";
import { BOOTSTRAP, unique } from "./suite.ts";

export const PARTITIONS = 12;
const SETTLE_MS_MAX = 60_000;

interface Joined {
  readonly name: string;
  readonly program: Program;
  assigned: readonly number[];
}

/** A group over one topic of twelve partitions; records are made by the first program that joined. */
export class MixedGroup implements AsyncDisposable {
  readonly topic = `mixed-${unique()}`;
  readonly group = `mixed-${unique()}`;
  readonly #members: Joined[] = [];
  readonly #programs: Program[] = [];
  readonly #produced = Array.from({ length: PARTITIONS }, () => 0);
  readonly #seen = new Map<string, string[]>();
  /** Clients that give out once more what they had buffered when the group rebalanced. */
  readonly #repeating = new Set<string>();
  /**
   * Partitions that such a client had at some time. It commits as it gives out, so that offsets of partitions that are
   * others' by then go back, and others take records again; with Apache Kafka it is the same.
   */
  readonly #loose = new Set<number>();
  #producer: Program | undefined;

  /** Starts the program that creates the topic and produces. */
  async open(producer: Client): Promise<void> {
    this.#producer = this.#started(producer);
    await createTopic(this.#producer, this.topic, PARTITIONS);
  }

  #started(client: Client): Program {
    const program = new Program(client.name, client.command, BOOTSTRAP);
    this.#programs.push(program);
    return program;
  }

  /** `perPartition` records more in every partition. */
  async produce(perPartition: number): Promise<void> {
    const records: ClientRecord[] = [];
    for (let p = 0; p < PARTITIONS; p++) {
      for (let i = 0; i < perPartition; i++) {
        records.push({ p, k: null, v: btoa(`${p} ${i}`), h: [], t: 1_700_000_000_000 });
      }
      this.#produced[p] = (this.#produced[p] ?? 0) + perPartition;
    }
    await this.#producer?.ask("produce", { topic: this.topic, codec: "none", records });
  }

  async join(client: Client, protocol: "classic" | "consumer"): Promise<void> {
    const program = this.#started(client);
    const { lacks } = await program.ask<Hello>("hello");
    await program.ask("join", { topic: this.topic, group: this.group, protocol });
    if (lacks.includes("no repeats")) this.#repeating.add(client.name);
    this.#members.push({ name: client.name, program, assigned: [] });
  }

  /** The member commits, leaves, and what it still took counts. */
  async leave(name: string): Promise<void> {
    const index = this.#members.findIndex((each) => each.name === name);
    const [member] = this.#members.splice(index, 1);
    assert.ok(member, `no member ${name}`);
    this.#note(member.name, await member.program.ask<Taken>("leave"));
  }

  #note(name: string, { records, assigned }: Taken): void {
    if (this.#repeating.has(name)) {
      for (const partition of [...assigned, ...records.map(([each]) => each)]) this.#loose.add(partition);
    }
    for (const [partition, offset] of records) {
      const key = `${partition}/${offset}`;
      this.#seen.set(key, [...this.#seen.get(key) ?? [], name]);
    }
  }

  /** Waits until every partition has one owner, every member has its share, and every record was seen. */
  async settle(): Promise<void> {
    const deadline = performance.now() + SETTLE_MS_MAX;
    for (;;) {
      for (const member of this.#members) {
        const taken = await member.program.ask<Taken>("take");
        member.assigned = taken.assigned;
        this.#note(member.name, taken);
      }
      const problem = this.#unsettled();
      if (problem === undefined) return;
      if (performance.now() > deadline) throw new Error(`the group did not settle: ${problem}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  #unsettled(): string | undefined {
    const owned = this.#members.flatMap((each) => each.assigned);
    const shares = this.#members.map((each) => `${each.name} ${each.assigned.join(",")}`).join("; ");
    if (new Set(owned).size !== owned.length) return `a partition has two owners: ${shares}`;
    if (owned.length !== PARTITIONS) return `partitions without an owner: ${shares}`;
    if (this.#members.some((each) => each.assigned.length === 0)) return `a member has none: ${shares}`;
    const missing = this.#expected().filter((key) => !this.#seen.has(key));
    if (missing.length > 0) return `${missing.length} records missing, as ${missing.slice(0, 3)}: ${shares}`;
    return undefined;
  }

  #expected(): string[] {
    return this.#produced.flatMap((count, p) =>
      Array.from({ length: count }, (_, offset) => `${p}/${offset}`)
    );
  }

  /** Every record was seen, and by one member once, but in loose partitions. Says how many there were. */
  assertOnce(): string {
    const again = [...this.#seen].filter(([, names]) => names.length > 1);
    const twice = again.filter(([key]) => !this.#loose.has(Number.parseInt(key)));
    assert.deepEqual(twice.slice(0, 5), [], `${twice.length} records were taken twice`);
    assert.equal(this.#seen.size, this.#expected().length, "records that nobody produced");
    const loose = this.#loose.size === 0
      ? ""
      : `, ${again.length} of ${this.#loose.size} loose partitions again`;
    return `${this.#seen.size} records, each once${loose}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((each) => each[Symbol.asyncDispose]()));
  }
}
