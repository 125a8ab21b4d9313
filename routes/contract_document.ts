/**
 * The given contracts (Confluent's REST v2 and v3, Durable Streams) in the OpenAPI document: their paths, methods and media types, from the
 * very lists that serve them. Bodies are told by the contracts' own documentation and only named here.
 */
import type { ContractRoute } from "./confluent/contract_router.ts";
import { V2_TYPE } from "./confluent/v2_formats.ts";

/** The part of an OpenAPI document that is filled in here. */
export type Paths = Record<string, Record<string, unknown>>;

interface Contract {
  readonly tag: string;
  readonly mount: string;
  readonly routes: readonly Pick<ContractRoute, "method" | "pattern">[];
  /** Of request bodies. */
  readonly accepts: readonly string[];
  /** Headers that are read, by method and pattern, with their schemas. */
  readonly headers?: Readonly<Record<string, Readonly<Record<string, object>>>>;
  /** Of answers, failures included; none where some answers have any type, or no body. */
  readonly answers: readonly string[];
}

const jsonObject = { type: "object" } as const;
const v2RecordTypes = ["json", "binary", "text"].map((format) => `application/vnd.kafka.${format}.v2+json`);

export function contractPaths(contracts: readonly Contract[]): Paths {
  const paths: Paths = {};
  for (const { tag, mount, routes, accepts, headers, answers } of contracts) {
    for (const { method, pattern } of routes) {
      const path = `${mount}${pattern.replaceAll("*}", "}")}`;
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
      const parameters = [
        ...names.map((name) => ({
          name,
          in: "path",
          required: true,
          schema: { type: "string", minLength: 1 },
        })),
        ...Object.entries(headers?.[`${method} ${pattern}`] ?? {}).map(([name, schema]) => ({
          name,
          in: "header",
          schema,
        })),
      ];
      const hasBody = method === "POST" || method === "PUT" || method === "PATCH";
      (paths[path] ??= {})[method.toLowerCase()] = {
        tags: [tag],
        operationId: operationId(tag, method, pattern),
        summary: `${method} ${pattern}`,
        ...(parameters.length === 0 ? {} : { parameters }),
        ...(hasBody ? { requestBody: { content: contentOf(accepts, jsonObject) } } : {}),
        responses: {
          ...(method === "DELETE" ? { 204: { description: "Done" } } : {}),
          default: {
            description: "As the contract has it",
            ...(answers.length === 0 ? {} : { content: contentOf(answers, {}) }),
          },
        },
      };
    }
  }
  return paths;
}

function contentOf(types: readonly string[], schema: object) {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function operationId(tag: string, method: string, pattern: string): string {
  const words = pattern.match(/[A-Za-z0-9]+/g) ?? [];
  const name = words.map((word) => `${word[0]?.toUpperCase()}${word.slice(1)}`).join("");
  return `${tag.toLowerCase().replaceAll(/\W+/g, "_")}_${method.toLowerCase()}${name}`;
}

export const confluentV2 = {
  tag: "Confluent REST v2",
  mount: "",
  accepts: [V2_TYPE, ...v2RecordTypes, "application/json"],
  answers: [V2_TYPE, ...v2RecordTypes, "application/json"],
};

export const upstash = {
  tag: "Upstash Kafka REST",
  mount: "",
  headers: {
    "POST /consume/{group}/{instance}": {
      "Kafka-Auto-Offset-Reset": { type: "string", enum: ["earliest", "latest", "none"] },
      "Kafka-Enable-Auto-Commit": { type: "string", enum: ["true", "false"] },
    },
  },
  accepts: ["application/json"],
  answers: ["application/json"],
};

export const confluentV3 = {
  tag: "Confluent REST v3",
  mount: "/v3",
  accepts: ["application/json"],
  answers: ["application/json"],
};

const text = { type: "string", minLength: 1 } as const;
const whole = { type: "integer", minimum: 0 } as const;
const truth = { type: "string", enum: ["true"] } as const;

export const durableStreams = {
  tag: "Durable Streams",
  mount: "/v1/stream/",
  routes: (["PUT", "POST", "GET", "DELETE"] as const).map((method) => ({ method, pattern: "{path*}" })),
  accepts: ["application/json", "application/octet-stream", "text/plain"],
  headers: {
    "PUT {path*}": {
      "Stream-TTL": whole,
      "Stream-Expires-At": { type: "string", format: "date-time" },
      "Stream-Closed": truth,
      "Stream-Forked-From": text,
      "Stream-Fork-Offset": text,
      "Stream-Fork-Sub-Offset": whole,
    },
    "POST {path*}": {
      "Stream-Seq": text,
      "Stream-Closed": truth,
      "Producer-Id": text,
      "Producer-Epoch": whole,
      "Producer-Seq": whole,
    },
    "GET {path*}": { "If-None-Match": text },
  },
  answers: [],
};

export const streamSubscriptions = {
  tag: "Durable Streams subscriptions",
  mount: "/v1/stream/__ds",
  accepts: ["application/json"],
  answers: ["application/json", "application/problem+json", "application/jwk-set+json"],
};
