/**
 * One endpoint: its place in the OpenAPI document, the check of its parameters, and its handler, from one description.
 *
 * The body and the headers are left to the handler (`request_body.ts` reads the body within bounds); their schemas are here for the
 * document.
 */
import { type OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { limits } from "../core/config/limits.ts";
import { knownResponse } from "../lib/known_body.ts";
import { type FieldFault, Problem } from "./problem.ts";
import { labelRoute } from "./route_label.ts";

type Fields = Readonly<Record<string, z.ZodType>>;
type ValuesOf<F extends Fields> = z.output<z.ZodObject<F>>;

export interface Endpoint<P extends Fields, Q extends Fields> {
  readonly method: "get" | "post" | "put" | "delete";
  /** Below the sub-app, with `{name}` parameters. */
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  readonly query?: Q;
  /** For the document: the handler reads and checks them. */
  readonly headers?: Fields;
  readonly body?: Readonly<Record<string, { schema: z.ZodType }>>;
  /** Default false. */
  readonly isBodyOptional?: boolean;
  readonly responses: RouteConfig["responses"];
  /** The statuses of problem documents that this endpoint answers with, besides 400, 500 and 503. */
  readonly problems: readonly number[];
  handle(input: EndpointInput<P, Q>): Response | Promise<Response>;
}

export interface EndpointInput<P extends Fields, Q extends Fields> {
  readonly params: ValuesOf<P>;
  readonly query: ValuesOf<Q>;
  readonly request: Request;
  readonly context: Context;
}

const problemSchema = z.object({
  type: z.string(),
  title: z.string().optional(),
  status: z.number().int(),
  detail: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), detail: z.string() })).optional(),
  kafkaError: z.string().optional(),
  requestId: z.string().optional(),
}).openapi("Problem");

/** Adds an endpoint to a resource's app. */
export function addEndpoint<P extends Fields, Q extends Fields>(
  app: OpenAPIHono,
  endpoint: Endpoint<P, Q>,
): void {
  const params = z.strictObject(endpoint.params ?? {});
  const query = z.strictObject(endpoint.query ?? {});
  const responses: RouteConfig["responses"] = { ...endpoint.responses };
  // Every route refuses parameters that it does not know.
  for (const status of [400, ...endpoint.problems, 500, 503]) {
    responses[status] = {
      description: "A problem document (RFC 9457)",
      content: { "application/problem+json": { schema: problemSchema } },
    };
  }
  app.openAPIRegistry.registerPath({
    method: endpoint.method,
    path: endpoint.path,
    tags: ["Kavka"],
    operationId: endpoint.operationId,
    summary: endpoint.summary,
    ...(endpoint.description === undefined ? {} : { description: endpoint.description }),
    request: {
      ...(endpoint.params === undefined ? {} : { params }),
      ...(endpoint.query === undefined ? {} : { query }),
      ...(endpoint.headers === undefined ? {} : { headers: z.object(endpoint.headers) }),
      ...(endpoint.body === undefined
        ? {}
        : { body: { required: endpoint.isBodyOptional !== true, content: { ...endpoint.body } } }),
    },
    responses,
  });
  const lists = new Set(
    Object.entries(query.shape).filter(([, field]) => isList(field)).map(([name]) => name),
  );
  const takesParams = Object.keys(params.shape).length > 0;
  /** What a request without a query comes to; made once. */
  let noQuery: ValuesOf<Q> | null = null;
  const queryOf = ({ req }: Context): ValuesOf<Q> => {
    if (!req.url.includes("?")) return noQuery ??= parse(query, {}) as ValuesOf<Q>;
    return parse(query, valuesOf(req.queries(), lists)) as ValuesOf<Q>;
  };
  app.on(
    endpoint.method.toUpperCase(),
    endpoint.path.replaceAll(/\{(\w+)\}/g, ":$1"),
    (context) => {
      labelRoute(context.req.raw, endpoint.operationId);
      return endpoint.handle({
        params: (takesParams ? parse(params, context.req.param()) : {}) as ValuesOf<P>,
        query: queryOf(context),
        request: context.req.raw,
        context,
      });
    },
  );
}

/** Whether a parameter may be given several times. */
function isList(field: unknown): boolean {
  return (field instanceof z.ZodOptional ? field.unwrap() : field) instanceof z.ZodArray;
}

function valuesOf(
  queries: Record<string, string[]>,
  lists: ReadonlySet<string>,
): Record<string, string | string[]> {
  const faults = Object.entries(queries).filter(([name, values]) => values.length > 1 && !lists.has(name));
  if (faults.length > 0) {
    throw validationProblem(faults.map(([field]) => ({ field, detail: "is given twice" })));
  }
  return Object.fromEntries(
    Object.entries(queries).map(([name, values]) => [name, lists.has(name) ? values : values[0] ?? ""]),
  );
}

/** `value` as the schema reads it; what is wrong becomes a 400 that names the fields. */
export function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const isLarge = hasMoreValuesThan(value, limits.jsonExplainedValuesMax);
  const result = isLarge ? parseLarge(schema, value) : schema.safeParse(value);
  if (result.success) return result.data;
  throw validationProblem(result.error.issues.flatMap(faultsOf));
}

/** Every fault would be written down, millions of them where a client wants it so: it is looked for one first. */
function parseLarge<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  try {
    if (schema.validate(value)) return schema.safeParse(value);
  } catch (error) {
    // Some faults do not end the search, and zod hands all of a list's on as arguments of one call.
    if (!(error instanceof RangeError)) throw error;
  }
  throw new Problem(400, {
    detail: "The body is not what is expected here; it has too many values to tell which one is wrong",
  });
}

/** Counts what is in arrays and objects, and stops when it knows. */
function hasMoreValuesThan(value: unknown, most: number): boolean {
  const found: unknown[] = [value];
  for (let at = 0; at < found.length; at++) {
    const each = found[at];
    if (typeof each !== "object" || each === null) continue;
    const inside: readonly unknown[] = Array.isArray(each) ? each : Object.values(each);
    if (found.length + inside.length > most) return true;
    for (const one of inside) found.push(one);
  }
  return false;
}

/** Faults that one problem document names; further ones need not be looked for. */
export const faultsShownMax = 20;

/** 400 about the fields; the first of them is in the detail, too. */
export function validationProblem(faults: readonly FieldFault[]): Problem {
  const [first] = faults;
  return new Problem(400, {
    ...(first === undefined
      ? {}
      : { detail: first.field === "" ? first.detail : `${first.field}: ${first.detail}` }),
    errors: faults.slice(0, faultsShownMax),
  });
}

function faultsOf(issue: z.core.$ZodIssue): FieldFault[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.slice(0, faultsShownMax).map((key) => ({
      field: fieldName([...issue.path, key.slice(0, 100)]),
      detail: "is not known here",
    }));
  }
  return [{ field: fieldName(issue.path), detail: issue.message }];
}

function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (name, part) =>
      typeof part === "number" ? `${name}[${part}]` : name === "" ? String(part) : `${name}.${String(part)}`,
    "",
  );
}

/** A whole number in a parameter. */
export function integerParam(options: { min: number; max: number; description: string }) {
  const { min, max, description } = options;
  return z.string()
    .regex(/^\d{1,16}$/, "expected a whole number")
    .transform(Number)
    .pipe(z.number().min(min, `expected at least ${min}`).max(max, `expected at most ${max}`))
    .openapi({ type: "integer", minimum: min, maximum: max, description });
}

/** A parameter that may be given several times, or not at all. */
export function listParam(value: z.ZodString, { max, fault }: { max: number; fault: string }) {
  return z.array(value).max(max, fault).optional();
}

/** A JSON answer that no cache keeps. */
export function jsonResponse(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return jsonTextResponse(status, JSON.stringify(value), headers);
}

export function jsonTextResponse(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return knownResponse(text, {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
  });
}
