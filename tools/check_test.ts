/** Tests of the repository checks and of how test runs are counted: each finds the fault it is there for. */

import assert from "node:assert/strict";
import { headerFaults, linkFaults, machineFaults, promiseFaults } from "./check.ts";
import { countTests } from "./run_tests.ts";

Deno.test("machineFaults() finds hosts and machine paths, and nothing in ordinary text", () => {
  const host = ["https://registry", "npmjs", "org/hono"].join(".");
  const path = ["", "home", "someone", "kavka"].join("/");
  assert.deepEqual(machineFaults("a.md", `fine\n${host}\ncd ${path}`).map((fault) => fault.line), [2, 3]);
  assert.deepEqual(machineFaults("a.ts", `const at = "/v1/topics"; // framework/home/page, ./work/x`), []);
});

Deno.test("headerFaults() wants a comment at the top of every kind of source", () => {
  assert.equal(headerFaults("a.ts", "const x = 1;").length, 1);
  assert.equal(headerFaults("a.ts", "/** What it is. */\nconst x = 1;").length, 0);
  assert.equal(headerFaults("a.ts", "// deno-lint-ignore-file\n/** What. */").length, 0);
  assert.equal(headerFaults("a.sh", "#!/bin/sh\nset -e").length, 1);
  assert.equal(headerFaults("a.sh", "#!/bin/sh\n# What it is.\nset -e").length, 0);
  assert.equal(headerFaults("a.py", "import os").length, 1);
  assert.equal(headerFaults("a.py", '"""What it is."""').length, 0);
});

Deno.test("linkFaults() finds a relative link without a target", () => {
  const paths = new Set(["README.md", "docs/architecture.md", "docs/adr/001-env.md"]);
  assert.deepEqual(
    linkFaults(
      "docs/architecture.md",
      "[a](adr/001-env.md) [b](../README.md#top) [c](adr/) [d](https://x.y)",
      paths,
    ),
    [],
  );
  assert.equal(linkFaults("README.md", "see [a](docs/nothing.md)", paths).length, 1);
});

Deno.test("countTests() reads the summary, and counts a run without one as a failure", () => {
  const ok = "ok | 97 passed (12 steps) | 0 failed | 3 ignored (308ms)\n";
  assert.deepEqual(countTests({ code: 0, text: ok }), { passed: 97, failed: 0, ignored: 3 });
  const bad = "FAILED | 95 passed | 2 failed (103ms)\n";
  assert.deepEqual(countTests({ code: 1, text: bad }), { passed: 95, failed: 2, ignored: 0 });
  assert.deepEqual(countTests({ code: 1, text: "error: Type checking failed" }), {
    passed: 0,
    failed: 1,
    ignored: 0,
  });
  // A crash after the last test leaves "ok" and an exit code.
  assert.deepEqual(countTests({ code: 137, text: ok }).failed, 1);
});

Deno.test("promiseFaults() finds a promise whose test is gone", () => {
  const textOf = (path: string) => path === "a_test.ts" ? 'Deno.test("keeps what it said", …' : "";
  const promise = (test: string) => `- x.\n  [a_test.ts](../a_test.ts) “${test}”, [b.py](../b.py).`;
  assert.deepEqual(promiseFaults("docs/promises.md", promise("keeps what\n  it said"), textOf), []);
  const faults = promiseFaults("docs/promises.md", promise("keeps something else"), textOf);
  assert.deepEqual(faults.map(({ line }) => line), [2]);
});
