/**
 * Kavka's HTTP door on a store in memory, as a process of its own: for suites that must pass on every store, not on the server's files
 * alone. Arguments are settings, KEY=VALUE. Prints the server's line when it listens.
 */
import { DenoServer } from "../../../env/deno_server.ts";
import { silentLogger } from "../../../lib/log.ts";
import { HttpServer } from "../../../net/http_server.ts";
import { httpApp } from "../../../routes/app.ts";
import { serveBroker } from "../../served_broker.ts";

const settings = Deno.args.map((text) => {
  const equals = text.indexOf("=");
  return [text.slice(0, equals), text.slice(equals + 1)];
});
const { broker, env } = await serveBroker({ path: ":memory:", config: Object.fromEntries(settings) });
const app = httpApp(broker, { version: "test" });
const fetch = (request: Request) => app.fetch(request);
const other = new DenoServer({ hostname: "127.0.0.1", port: 0, fetch, onEnded() {} });
const listener = await env.listen({ hostname: "127.0.0.1", port: 0 });
new HttpServer({ env, log: silentLogger, listener, fetch, otherPort: () => other.port }).start();
console.log(`kavka: http listening on http://127.0.0.1:${listener.port}`);
