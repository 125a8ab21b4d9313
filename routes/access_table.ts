/**
 * What each route asks of a key: the one place where paths become permissions. The first row that fits counts; a path without a row
 * is for admins only. A test holds the table against the routes that are there.
 */

/**
 * `public`: no key. `any`: some key. `admin`. Else an action and the topics that the key must have it on: a parameter of the path, `*` for
 * every topic, or `some` for at least one, where the handler looks closer (the topics are in the body). `describe` is either action.
 */
export type Need =
  | "public"
  | "any"
  | "admin"
  | { readonly action: "produce" | "consume" | "describe"; readonly topic: string };

export interface AccessRow {
  readonly method: string;
  /** `{name}` is a segment, `{name*}` the rest. */
  readonly pattern: string;
  readonly need: Need;
}

const produce = { action: "produce", topic: "topic" } as const;
const consume = { action: "consume", topic: "topic" } as const;
const describe = { action: "describe", topic: "topic" } as const;
const produceSome = { action: "produce", topic: "some" } as const;
const consumeSome = { action: "consume", topic: "some" } as const;
/** What tells of all topics at once: groups, lags, metrics. */
const monitor = { action: "consume", topic: "*" } as const;

type Row = readonly [methods: string, pattern: string, need: Need];

const ownRows: readonly Row[] = [
  ["GET", "/", "public"],
  ["GET", "/openapi.json", "public"],
  ["GET", "/docs", "public"],
  ["GET", "/metrics", monitor],
  ["GET", "/asyncapi.json", "any"],
  ["GET", "/v1/topics", "any"],
  ["POST", "/v1/topics", "admin"],
  ["GET", "/v1/topics/{topic}", describe],
  ["DELETE", "/v1/topics/{topic}", "admin"],
  ["POST", "/v1/topics/{topic}/records", produce],
  ["GET", "/v1/topics/{topic}/partitions/{partition}/records", consume],
  ["GET", "/v1/topics/{topic}/live", consume],
  ["GET", "/v1/live", consumeSome],
  // The topics are in the body: the key must have all.
  ["POST", "/v1/records", { action: "produce", topic: "*" }],
  ["GET", "/v1/queues", monitor],
  ["GET", "/v1/queues/{group}", monitor],
  ["DELETE", "/v1/queues/{group}", "admin"],
  ["POST", "/v1/queues/{group}/topics/{topic}/take", consume],
  ["POST", "/v1/queues/{group}/topics/{topic}/acknowledge", consume],
  ["POST", "/v1/queues/{group}/topics/{topic}/release", consume],
  ["POST", "/v1/queues/{group}/topics/{topic}/reject", consume],
  ["POST", "/v1/queues/{group}/topics/{topic}/renew", consume],
  ["GET", "/v1/cluster", monitor],
  ["GET", "/v1/consumers", monitor],
  ["GET", "/v1/actors", monitor],
  ["GET", "/v1/events", monitor],
  ["GET", "/v1/backup", "admin"],
  ["POST", "/v1/restore", "admin"],
  ["GET", "/v1/storage/check", "admin"],
  ["GET", "/v1/webhooks", monitor],
  ["GET", "/v1/webhooks/{name}", monitor],
  ["PUT DELETE", "/v1/webhooks/{name}", "admin"],
  ["POST", "/v1/webhooks/{name}/pause", "admin"],
  ["POST", "/v1/webhooks/{name}/resume", "admin"],
  ["POST", "/v1/webhooks/{name}/rotate-secret", "admin"],
  ["GET POST", "/v1/api-keys", "admin"],
  ["DELETE", "/v1/api-keys/{id}", "admin"],
];

/** Callbacks and acknowledgements carry the token of their wake instead of a key. */
const streamRows: readonly Row[] = [
  ["GET", "/v1/stream/__ds/jwks.json", "public"],
  ["POST", "/v1/stream/__ds/subscriptions/{id}/callback", "public"],
  ["POST", "/v1/stream/__ds/subscriptions/{id}/ack", "public"],
  ["POST", "/v1/stream/__ds/subscriptions/{id}/release", "public"],
  ["POST", "/v1/stream/__ds/subscriptions/{id}/claim", monitor],
  ["GET", "/v1/stream/__ds/subscriptions/{id}", monitor],
  ["PUT DELETE", "/v1/stream/__ds/subscriptions/{id}", "admin"],
  ["POST", "/v1/stream/__ds/subscriptions/{id}/streams", "admin"],
  ["DELETE", "/v1/stream/__ds/subscriptions/{id}/streams/{path*}", "admin"],
  ["PUT POST DELETE", "/v1/stream/{topic*}", produce],
  ["GET", "/v1/stream/{topic*}", consume],
];

const v2Rows: readonly Row[] = [
  ["GET", "/topics", "any"],
  ["GET", "/topics/{topic}", describe],
  ["POST", "/topics/{topic}", produce],
  ["GET", "/topics/{topic}/partitions", describe],
  ["GET", "/topics/{topic}/partitions/{partition}", describe],
  ["POST", "/topics/{topic}/partitions/{partition}", produce],
  ["GET", "/topics/{topic}/partitions/{partition}/offsets", describe],
  ["GET", "/topics/{topic}/partitions/{partition}/records", consume],
  ["GET", "/brokers", "any"],
  ["GET", "/status/ready", "public"],
  ["POST", "/consumers/{group}", consumeSome],
  ["DELETE", "/consumers/{group}/instances/{instance}", consumeSome],
  ["GET POST DELETE", "/consumers/{group}/instances/{instance}/subscription", consumeSome],
  ["GET POST", "/consumers/{group}/instances/{instance}/assignments", consumeSome],
  ["GET", "/consumers/{group}/instances/{instance}/records", consumeSome],
  ["GET POST", "/consumers/{group}/instances/{instance}/offsets", consumeSome],
  ["POST", "/consumers/{group}/instances/{instance}/positions", consumeSome],
  ["POST", "/consumers/{group}/instances/{instance}/positions/beginning", consumeSome],
  ["POST", "/consumers/{group}/instances/{instance}/positions/end", consumeSome],
];

const upstashRows: readonly Row[] = [
  ["POST", "/produce", produceSome],
  ["GET POST", "/produce/{topic}/{message}", produce],
  ["POST", "/consume/{group}/{instance}", consumeSome],
  ["POST", "/commit/{group}/{instance}", consumeSome],
  ["POST", "/committed/{group}/{instance}", consumeSome],
  ["POST", "/fetch", consumeSome],
  ["POST", "/offsets/{at}", consumeSome],
  ["GET", "/consumers", monitor],
  ["POST", "/delete-consumer/{group}/{instance}", consumeSome],
];

const v3Topic = "/clusters/{cluster}/topics/{topic}";
const v3Rows: readonly Row[] = [
  ["GET", "/clusters", "any"],
  ["GET", "/clusters/{cluster}", "any"],
  ["GET", "/clusters/{cluster}/brokers", "any"],
  ["GET", "/clusters/{cluster}/brokers/{broker}", "any"],
  ["GET", "/clusters/{cluster}/brokers/{broker}/partition-replicas", monitor],
  ["GET", "/clusters/{cluster}/brokers/{broker}/configs", monitor],
  ["POST", "/clusters/{cluster}/brokers/{broker}/configs:alter", "admin"],
  ["GET", "/clusters/{cluster}/brokers/{broker}/configs/{name}", monitor],
  ["PUT DELETE", "/clusters/{cluster}/brokers/{broker}/configs/{name}", "admin"],
  ["GET", "/clusters/{cluster}/broker-configs", monitor],
  ["POST", "/clusters/{cluster}/broker-configs:alter", "admin"],
  ["GET", "/clusters/{cluster}/broker-configs/{name}", monitor],
  ["PUT DELETE", "/clusters/{cluster}/broker-configs/{name}", "admin"],
  ["GET POST DELETE", "/clusters/{cluster}/acls", "admin"],
  ["POST", "/clusters/{cluster}/acls:batch", "admin"],
  ["GET", "/clusters/{cluster}/topics", "any"],
  ["POST", "/clusters/{cluster}/topics", "admin"],
  ["GET", "/clusters/{cluster}/topics/-/configs", monitor],
  ["GET", v3Topic, describe],
  ["PATCH DELETE", v3Topic, "admin"],
  ["GET", `${v3Topic}/configs`, describe],
  ["GET", `${v3Topic}/configs/{name}`, describe],
  ["PUT DELETE", `${v3Topic}/configs/{name}`, "admin"],
  ["POST", `${v3Topic}/configs:alter`, "admin"],
  ["GET", `${v3Topic}/partitions`, describe],
  ["GET", `${v3Topic}/partitions/{partition}`, describe],
  ["GET", `${v3Topic}/partitions/{partition}/offset`, describe],
  ["GET", `${v3Topic}/partitions/{partition}/replicas`, describe],
  ["GET", `${v3Topic}/partitions/{partition}/replicas/{broker}`, describe],
  ["POST", `${v3Topic}/records`, produce],
  ["POST", `${v3Topic}/records:batch`, produce],
  ["GET", "/clusters/{cluster}/consumer-groups", monitor],
  ["GET", "/clusters/{cluster}/consumer-groups/{rest*}", monitor],
];

const under = (mount: string) => ([methods, path, need]: Row): Row => [methods, `${mount}${path}`, need];

export const accessRows: readonly AccessRow[] = [
  ...ownRows,
  ...streamRows,
  ...v2Rows,
  ...upstashRows,
  ...v3Rows.map(under("/v3")),
  ...v3Rows.map(under("/kafka/v3")),
].flatMap(([methods, pattern, need]) => methods.split(" ").map((method) => ({ method, pattern, need })));
