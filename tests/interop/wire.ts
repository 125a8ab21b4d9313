/**
 * Wrong input on the wire, row by row of what a broker must survive. During each row a client that does nothing wrong goes on,
 * after it that client is well, nothing was written where nothing may be, and memory is back (wire/row.ts).
 *
 * Frames that need no request tables are in bad_input.py and tests/connection_test.ts, random damage in tests/fuzz.
 */

import assert from "node:assert/strict";
import { check, finish } from "./clients/suite.ts";
import { batchRows } from "./wire/batch_rows.ts";
import { brokerRows } from "./wire/broker_rows.ts";
import { compressionRows } from "./wire/compression_rows.ts";
import { connectionRows } from "./wire/connection_rows.ts";
import { fieldRows } from "./wire/field_rows.ts";
import { groupRows } from "./wire/group_rows.ts";
import { nameRows } from "./wire/name_rows.ts";
import { begin, end, othersAreWell } from "./wire/row.ts";
import { KEPT_MB_MAX, memoryIsBack, residentMb } from "./wire/server_memory.ts";

await begin();
const beforeMb = residentMb();
for (
  const rows of [
    fieldRows,
    brokerRows,
    batchRows,
    compressionRows,
    nameRows,
    groupRows,
    connectionRows,
  ]
) await rows();

await check(
  "after all of it memory is back, and the client that does nothing wrong has gone on",
  async () => {
    await othersAreWell();
    const afterMb = await memoryIsBack(beforeMb, KEPT_MB_MAX);
    const detail = await end();
    assert.notEqual(detail, "0 rounds");
    return `${detail}, ${beforeMb.toFixed(0)} MB before, ${afterMb.toFixed(0)} MB after`;
  },
);
finish();
