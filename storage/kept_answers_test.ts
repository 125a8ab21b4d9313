import assert from "node:assert/strict";
import type { KeptAnswer } from "../core/transaction/kept_answer.ts";
import { newTransaction } from "../core/transaction/transaction_state.ts";
import { KeptAnswers } from "./kept_answers.ts";
import {
  decodeKeptAnswer,
  decodeKeptNumber,
  encodeKeptAnswer,
  encodeKeptNumber,
} from "./keys/kept_answer.ts";
import { sealed } from "./keys/sealed_testkit.ts";
import { MemoryStorage } from "./memory.ts";
import { openShards } from "./storage_testkit.ts";
import { TransactionShards, type TransactionStore } from "./transaction_store.ts";

const hash = (byte: number) => new Uint8Array(32).fill(byte);

function answer(byte: number, keptMs: number): KeptAnswer {
  return {
    key: { hash: hash(byte), fingerprint: hash(byte + 100) },
    keptMs,
    nowMs: keptMs - 1,
    writes: [{ partition: 300, baseOffset: 2 ** 40, logAppendTimeMs: -1 }, {
      partition: 0,
      baseOffset: byte,
      logAppendTimeMs: keptMs,
    }],
    places: [0, 1, 1],
  };
}

const ID = "kavka-http-keys/1";
const record = newTransaction(ID, 1, 60_000, 0);
const options = { countMax: 3, expirationMs: 1_000 };

async function open(storage: MemoryStorage): Promise<TransactionStore> {
  return await new TransactionShards(await openShards(storage)).storeOf(ID);
}

/** Which of the first ten keys are there. */
async function found(store: TransactionStore): Promise<number[]> {
  const there: number[] = [];
  for (let byte = 0; byte < 10; byte++) if (await store.findAnswer(ID, hash(byte)) !== null) there.push(byte);
  return there;
}

Deno.test("stored bytes are a promise: kept answers and their numbers, version 1", () => {
  const numbered = { number: 7, answer: answer(1, 1_700_000_000_000) };
  const bytes = encodeKeptAnswer(numbered);
  assert.equal(
    bytes.toHex(),
    sealed(
      "01" + "0000000000000007" + "0000018bcfe56800" + "65".repeat(32) + "0000018bcfe567ff" +
        "00000002" + "ac02" + "808080808040" + "01" + "00" + "02" + "80a0abfef962" +
        "00000003" + "00" + "01" + "01",
    ),
  );
  assert.deepEqual(decodeKeptAnswer(hash(1), bytes), numbered);
  const number = { keptMs: 1_700_000_000_000, keyHash: hash(2) };
  const numberBytes = encodeKeptNumber(number);
  assert.equal(numberBytes.toHex(), sealed("01" + "0000018bcfe56800" + "02".repeat(32)));
  assert.deepEqual(decodeKeptNumber(numberBytes), number);
});

Deno.test("an answer is kept in the commit of its record, also over a restart", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  assert.equal(await store.findAnswer(ID, hash(1)), null);
  await store.commit(record, { ...options, answer: answer(1, 5) });
  const again = await open(storage);
  assert.deepEqual(await again.findAnswer(ID, hash(1)), answer(1, 5));
  assert.equal((await again.read(ID))?.transactionalId, ID);
  assert.equal(await again.findAnswer("kavka-http-keys/2", hash(1)), null, "each id has its own");
});

Deno.test("beyond the bound, and beyond their time, the oldest answers go", async () => {
  const storage = new MemoryStorage();
  let store = await open(storage);
  for (let byte = 0; byte < 5; byte++) await store.commit(record, { ...options, answer: answer(byte, 5) });
  assert.deepEqual(await found(store), [2, 3, 4]);
  store = await open(storage);
  await store.commit(record, { ...options, answer: answer(5, 1_004) });
  assert.deepEqual(await found(store), [3, 4, 5]);
  await store.commit(record, { ...options, answer: answer(6, 1_005) });
  assert.deepEqual(await found(store), [5, 6], "what is too old goes with the next");
  const { countMax, expirationMs } = { countMax: 1, expirationMs: 1_000 };
  await store.commit(record, { countMax, expirationMs, answer: answer(7, 1_005) });
  assert.deepEqual(await found(store), [7], "a lower bound is reached");
});

Deno.test("a key that is kept anew after its time is not forgotten with the answer before", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  const wide = { countMax: 100, expirationMs: 1_000 };
  storage.fateOf = ({ mutations }) => {
    const keys = mutations.map(({ key }) => String(key));
    assert.equal(new Set(keys).size, keys.length, "no key is changed twice in one commit");
    return "apply";
  };
  for (let byte = 0; byte < 6; byte++) await store.commit(record, { ...wide, answer: answer(byte, 5) });
  // The four oldest go with it, the fourth and fifth stay for the next.
  await store.commit(record, { ...wide, answer: answer(5, 2_000) });
  await store.commit(record, { ...wide, answer: answer(6, 2_000) });
  assert.deepEqual(await found(store), [5, 6]);
  assert.equal((await store.findAnswer(ID, hash(5)))?.keptMs, 2_000);
  // The same key among those that go with it.
  await store.commit(record, { ...wide, answer: answer(5, 4_000) });
  assert.deepEqual(await found(store), [5]);
});

Deno.test("KeptAnswers.open() reads two keys however many there are, and removal leaves none", async () => {
  const storage = new MemoryStorage();
  const store = await open(storage);
  const many = { countMax: 1_000, expirationMs: 1_000 };
  for (let byte = 0; byte < 50; byte++) await store.commit(record, { ...many, answer: answer(byte, 5) });
  const shardIndex = Number(storage.keys().find((key) => key[2] === "n")?.[1]);
  assert.equal((await KeptAnswers.open(storage, shardIndex, ID)).count, 50);
  await store.remove(ID);
  assert.deepEqual(storage.keys().filter((key) => key[0] === "t" && key[2] !== "h"), []);
});
