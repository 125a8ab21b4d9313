/** The public conformance package of Durable Streams against the server at BASE. */
import { runConformanceTests } from "@durable-streams/server-conformance-tests";

runConformanceTests({
  baseUrl: process.env.BASE,
  longPollTimeoutMs: 500,
  subscriptions: true,
});
