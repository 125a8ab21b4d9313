/** For whom a request's quotas are: the user is the key's name, the client id a header; and what a read may bring at once. */
import type { Broker } from "../actors/broker.ts";
import { ANONYMOUS_USER, type QuotaClient } from "../core/quota/client_quotas.ts";
import { limits } from "../core/config/limits.ts";
import { callerOf } from "./access.ts";

const CLIENT_ID_HEADER = "kavka-client-id";

/** Once found it stays: a request that became a WebSocket may not be read again. */
const found = new WeakMap<Request, QuotaClient>();

export function quotaClientOf(request: Request): QuotaClient {
  const known = found.get(request);
  if (known !== undefined) return known;
  const clientId = request.headers.get(CLIENT_ID_HEADER) ?? "";
  const client = {
    user: callerOf(request)?.name ?? ANONYMOUS_USER,
    clientId: clientId.slice(0, limits.httpClientIdLengthMax),
  };
  found.set(request, client);
  return client;
}

/** Bytes that one answer may bring so that the next one need not wait for more than a window; at least one record comes all the same. */
export function quotaBytesMax({ quotas }: Broker, request: Request): number {
  return quotas.isEmpty
    ? Infinity
    : Math.floor(quotas.windowMax("consumer_byte_rate", quotaClientOf(request)));
}
