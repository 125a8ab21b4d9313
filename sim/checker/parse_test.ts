/** The history format: what is read, and that each fault names its line and reason. */

import assert from "node:assert/strict";
import fc from "fast-check";
import { check } from "./check.ts";
import { HISTORY_LIMITS, HistoryError } from "./history_format.ts";
import { HistoryBuilder, readHistory } from "./history.ts";

const HEADER = '{"kavka":"history","version":1}';
const GOOD = '{"type":"ok","process":1,"invokeMs":0,"completeMs":1.5,"micro":[["send","a/0",7,0]]}';

/** A good line with something replaced. */
const changed = (from: string, to: string) => {
  assert.ok(GOOD.includes(from));
  return GOOD.replace(from, to);
};
const fact = (rest: string) => `{"type":"ok","process":"b1","invokeMs":0,"completeMs":1,${rest}}`;

/** The third line of a history, and what the message must say. */
const BAD_LINES: readonly (readonly [string, string, RegExp])[] = [
  ["a line cut short", GOOD.slice(0, 50), /not JSON \(a line cut short\?\)/],
  ["no JSON", "ok", /not JSON/],
  ["NaN as a time", changed('"completeMs":1.5', '"completeMs":NaN'), /not JSON/],
  ["NaN as an offset", changed("7,0]", "7,NaN]"), /not JSON/],
  ["an array", "[]", /expected an object, found \[\]/],
  ["null", "null", /expected an object, found null/],
  ["an unknown type", changed('"ok"', '"maybe"'), /type must be ok, fail or info, found "maybe"/],
  ["no type", changed('"type":"ok",', ""), /type must be .* found nothing/],
  ["an unknown kind", changed("{", '{"kind":"crash",'), /kind must be one of op, assign.* found "crash"/],
  ["a kind of Object's", changed("{", '{"kind":"constructor",'), /kind must be one of/],
  ["an unknown field", changed("{", '{"isolaton":"read_committed",'), /unknown field "isolaton" in op/],
  ["a field of a prototype", changed("{", '{"__proto__":{},'), /unknown field "__proto__"/],
  [
    "an offset as a string",
    changed("7,0]", '7,"0"]'),
    /micro\[0\] offset must be an integer from 0 .* found "0"/,
  ],
  ["a negative offset", changed("7,0]", "7,-1]"), /offset must be an integer from 0 .* found -1/],
  ["a fractional offset", changed("7,0]", "7,0.5]"), /offset must be an integer/],
  ["an offset past 2^53", changed("7,0]", "7,9007199254740993]"), /offset must be an integer/],
  ["an infinite offset", changed("7,0]", "7,1e999]"), /offset must be an integer .* found Infinity/],
  ["a huge time", changed("1.5", "1e300"), /completeMs must be a number of milliseconds/],
  ["a negative time", changed('"invokeMs":0', '"invokeMs":-1'), /invokeMs must be a number of milliseconds/],
  [
    "completed before invoked",
    changed('"invokeMs":0', '"invokeMs":2'),
    /completeMs must be at least invokeMs, 2, found 1.5/,
  ],
  ["a fractional process", changed('"process":1', '"process":1.5'), /process must be an integer/],
  ["no process", changed('"process":1,', ""), /process must be an integer .* found nothing/],
  [
    "a partition without topic",
    changed('"a/0"', '"0"'),
    /micro\[0\] partition must be "topic\/partition", found "0"/,
  ],
  ["an empty partition number", changed('"a/0"', '"a/"'), /must be "topic\/partition"/],
  ["a partition as a number", changed('"a/0"', "0"), /must be "topic\/partition"/],
  ["a long partition", changed('"a/0"', `"${"a".repeat(600)}/0"`), /partition must be a string of 1 to 512/],
  ["a value as an object", changed("7,0]", "{},0]"), /micro\[0\] value must be an integer or a string/],
  ["a fractional value", changed("7,0]", "7.5,0]"), /value must be an integer or a string/],
  ["a short send", changed(",7,0]", "]"), /micro\[0\] must be 4 to 6 entries long, found 2/],
  [
    "an unknown micro-operation",
    changed('"send"', '"put"'),
    /micro\[0\] must be send, poll or fetch, found "put"/,
  ],
  ["micro as an object", changed('[["send","a/0",7,0]]', "{}"), /micro must be an array/],
  ["a poll of a list", changed('["send","a/0",7,0]', '["poll",[]]'), /micro\[0\] must be an object/],
  [
    "a polled offset as a string",
    changed('["send","a/0",7,0]', '["poll",{"a/0":[["1",7]]}]'),
    /micro\[0\] a\/0\[0\] offset must be an integer, 0 or more, found "1"/,
  ],
  [
    "a polled record cut short",
    changed('["send","a/0",7,0]', '["poll",{"a/0":[[1]]}]'),
    /must be \[offset, value\]/,
  ],
  ["acks 2", changed("{", '{"acks":2,'), /acks must be -1, 0 or 1/],
  ["an unknown isolation", changed("{", '{"isolation":"dirty",'), /isolation must be read_committed or/],
  ["replies without a code", changed("{", '{"replies":[[1]],'), /replies\[0\] must be 2 entries long/],
  ["a commit without group", fact('"kind":"commit","generation":1,"offsets":{}'), /group must be a string/],
  [
    "a committed offset as a string",
    fact('"kind":"committed","group":"g","offsets":{"a/0":"5"}'),
    /offsets a\/0 must be/,
  ],
  [
    "an observation without partition",
    fact('"kind":"observe","leaderEpoch":1'),
    /partition must be "topic\/partition"/,
  ],
  [
    "a mark as null",
    fact('"kind":"observe","partition":"a/0","leaderEpoch":1,"logStart":null'),
    /logStart must be/,
  ],
  [
    "a store record without crc",
    fact('"kind":"store","store":"s","partition":"a/0","highWatermark":1,"records":[[0,1,2]]'),
    /records\[0\] must be 4/,
  ],
  ["a value sent twice", GOOD, /value 7 was already sent to a\/0 in line 2; values must be unique/],
];

for (const [name, line, message] of BAD_LINES) {
  Deno.test(`readHistory() refuses ${name} with the line and reason`, () => {
    assert.throws(() => readHistory([HEADER, GOOD, line].join("\n")), (error) => {
      assert.ok(error instanceof HistoryError, String(error));
      assert.equal(error.line, 3);
      assert.match(error.message, /^Cannot read history line 3: /);
      assert.match(error.message, message);
      assert.ok(error.message.length < 600);
      return true;
    });
  });
}

Deno.test("readHistory() refuses a bad header", () => {
  for (
    const [header, message] of [
      ["", /line 1: not JSON/],
      [GOOD, /the first line must be a header/],
      ['{"kavka":"history","version":2}', /version is 2, this checker reads version 1/],
      ['{"kavka":"history","version":1,"seed":1}', /unknown field "seed" in header/],
      ['{"kavka":"history","version":1,"finalReads":"yes"}', /finalReads must be a boolean/],
      ['{"kavka":"history","version":1,"copy":{"from":["a"]}}', /copy.to must be an array/],
    ] as const
  ) assert.throws(() => readHistory(header + "\n" + GOOD), message);
});

Deno.test("readHistory() refuses a line past the limit and survives deep nesting", () => {
  const long = changed('"a/0"', `"${"a".repeat(HISTORY_LIMITS.lineBytesMax)}"`);
  assert.throws(() => readHistory(`${HEADER}\n${long}`), /line 2: \d+ characters, at most/);
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  assert.throws(() => readHistory(`${HEADER}\n${deep}`), HistoryError);
  assert.throws(() => readHistory(`${HEADER}\n${changed('[["send","a/0",7,0]]', deep)}`), HistoryError);
});

Deno.test("readHistory() takes empty lines, far offsets and names of Object's", () => {
  const far =
    '{"type":"ok","process":"__proto__","invokeMs":0,"completeMs":1,"micro":[["poll",{"__proto__/0":[[9007199254740991,"constructor"]]}]]}';
  const history = readHistory(`${HEADER}\n\n${GOOD}\n${far}\n`);
  assert.equal(history.operationCount, 2);
  assert.deepEqual([...history.line], [3, 4]);
  const report = check(history);
  assert.deepEqual(report.rules.map(({ rule }) => rule), ["unwritten-read"]);
});

Deno.test("readHistory() throws nothing but HistoryError at damaged text", () => {
  const text = `${HEADER}\n${GOOD}\n${
    fact('"kind":"commit","group":"g","generation":1,"offsets":{"a/0":5}')
  }\n`;
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), fc.nat(5), (at, put, cut) => {
      try {
        check(readHistory(text.slice(0, at) + put + text.slice(at + cut)));
      } catch (error) {
        assert.ok(error instanceof HistoryError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("check() refuses a profile that does not exist", () => {
  const builder = new HistoryBuilder({ kavka: "history", version: 1, profile: "strict" });
  assert.throws(() => check(builder.build()), /no profile "strict", there are idempotent/);
});
