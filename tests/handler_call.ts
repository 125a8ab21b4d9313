/** Asks a handler of the Kafka door without a socket. */
import assert from "node:assert/strict";
import { newClientSession, type RequestContext, withThrottleTime } from "../handlers/handler.ts";
import { handlerByKey } from "../handlers/registry.ts";
import { ByteReader, concat } from "../lib/bytes.ts";
import {
  type Api,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type RequestInput,
  type ResponseOf,
} from "../protocol/schema/api.ts";
import { settled, type World } from "./local_world.ts";

/** Through the codec both ways, as over a connection; `waitMs` passes before the answer is looked for. */
export async function call<A extends Api>(
  { env, broker }: Pick<World, "env" | "broker">,
  api: A,
  request: RequestInput<A>,
  apiVersion = api.maxVersion,
  waitMs = 0,
): Promise<ResponseOf<A>> {
  const handler = handlerByKey.get(api.key);
  assert.ok(handler !== undefined, `${api.name} is not registered`);
  let throttleMs = 0;
  const context: RequestContext = {
    broker,
    apiVersion,
    clientId: "test",
    clientHost: "/127.0.0.1",
    byteLength: 100,
    client: newClientSession(50_000),
    throttle: (ms) => {
      throttleMs = Math.max(throttleMs, ms);
    },
    signal: new AbortController().signal,
  };
  const decoded = decodeRequest(
    api,
    apiVersion,
    new ByteReader(concat(encodeRequest(api, apiVersion, request))),
  );
  const served = handler.serve(decoded as never, context);
  await env.advance(waitMs);
  const response = withThrottleTime(await settled(env, served), throttleMs);
  const bytes = concat(encodeResponse(api, apiVersion, response as never));
  return decodeResponse(api, apiVersion, new ByteReader(bytes));
}
