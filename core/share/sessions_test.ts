/** Share sessions by example: steps, repeats, partitions that come and go, connections that end. */
import assert from "node:assert/strict";
import { type SessionRequest, ShareSessions } from "./sessions.ts";

const p = (partition: number) => ({ topicId: "t", partition });

function use(sessions: ShareSessions, sessionEpoch: number, more: Partial<SessionRequest> = {}) {
  const { error, partitions } = sessions.use({
    memberId: "a",
    sessionEpoch,
    connectionId: "c1",
    added: [],
    forgotten: [],
    hasAcknowledgements: false,
    api: "fetch",
    ...more,
  }, 2);
  return error === "NONE" ? partitions.map(({ partition }) => partition) : error;
}

Deno.test("a session goes step by step, and its partitions come and go", () => {
  const sessions = new ShareSessions();
  assert.deepEqual(use(sessions, 0, { added: [p(0), p(1)] }), [0, 1]);
  assert.deepEqual(use(sessions, 1), [1, 0], "another one first each time");
  assert.equal(use(sessions, 1), "INVALID_SHARE_SESSION_EPOCH", "a repetition");
  assert.deepEqual(use(sessions, 2, { added: [p(2)], forgotten: [p(0)] }), [1, 2]);
  assert.deepEqual(use(sessions, 3, { api: "acknowledge" }), []);
  assert.equal(use(sessions, 3, { api: "acknowledge" }), "INVALID_SHARE_SESSION_EPOCH");
  assert.deepEqual(use(sessions, -1), []);
  assert.deepEqual(sessions.end("a", null).map(({ partition }) => partition), [0, 1, 2]);
  assert.equal(use(sessions, 4), "SHARE_SESSION_NOT_FOUND");
  assert.equal(use(sessions, -1), "SHARE_SESSION_NOT_FOUND");
});

Deno.test("a session ends with its own connection only", () => {
  const sessions = new ShareSessions();
  use(sessions, 0, { added: [p(0)] });
  use(sessions, 0, { added: [p(1)], connectionId: "c2" });
  assert.deepEqual(sessions.end("a", "c1"), []);
  assert.deepEqual(sessions.end("a", "c2"), [p(0), p(1)], "also what the session before it may hold");
});

Deno.test("acknowledgements need a session, and there is a bound to sessions", () => {
  const sessions = new ShareSessions();
  assert.equal(use(sessions, 0, { hasAcknowledgements: true }), "INVALID_REQUEST");
  assert.equal(use(sessions, 0, { api: "acknowledge" }), "INVALID_SHARE_SESSION_EPOCH");
  assert.equal(use(sessions, 5, { api: "acknowledge" }), "SHARE_SESSION_NOT_FOUND");
  use(sessions, 0);
  use(sessions, 0, { memberId: "b" });
  assert.equal(use(sessions, 0, { memberId: "c" }), "SHARE_SESSION_LIMIT_REACHED");
  assert.deepEqual(use(sessions, 0), [], "who has one may begin anew");
});
