/**
 * What a request for a live tail asks for: its parameters for the OpenAPI document, and what they mean.
 */
import { z } from "@hono/zod-openapi";
import type { Broker } from "../../actors/broker.ts";
import type { TopicImage } from "../../core/cluster/metadata_image.ts";
import { limits } from "../../core/config/limits.ts";
import { viewFormats } from "../../core/fetch/event_text.ts";
import { TopicRegex } from "../../core/group/regex/topic_regex.ts";
import { RegexError } from "../../lib/parse_regex.ts";
import { accessOf, checkTopicAccess, isStillValid } from "../access.ts";
import { integerParam, listParam } from "../endpoint.ts";
import { fieldProblem } from "../problem.ts";
import { isolationParam } from "../read_records.ts";
import { checkPartition, findTopic } from "../topic_lookup.ts";
import type { LiveWish } from "./live_tail.ts";
import { parsePartitionPlaces, parsePlaces, topicTag } from "./places.ts";
import { recordFilter } from "./record_filter.ts";
import { TopicSelection } from "./topic_selection.ts";

const atMost = `expected at most ${limits.liveFiltersMax}`;

/** Of both routes. */
const commonQuery = {
  from: z.enum(["latest", "earliest"], "expected latest or earliest").optional()
    .openapi({ description: "Where to begin without a place to go on at, default latest" }),
  key: listParam(z.string(), { max: limits.liveFiltersMax, fault: atMost })
    .openapi({ description: "Only records with this key, as text; given several times, with one of them" }),
  header: listParam(z.string().regex(/^[^:]/, "expected NAME or NAME:VALUE"), {
    max: limits.liveFiltersMax,
    fault: atMost,
  }).openapi({
    description: "Only records with this header, NAME or NAME:VALUE; given several times, with all of them",
    example: ["type:paid"],
  }),
  isolation: isolationParam,
  format: z.enum(viewFormats, `expected ${viewFormats.join(", ")}`).optional().openapi({
    description:
      "As in reading, default auto; with cloudevents the data of an event `record` is a CloudEvent in structured mode",
  }),
  lastEventId: z.string().optional().openapi({
    description:
      "The place to go on at, for clients that cannot send Last-Event-ID. That header goes before: it is newer",
  }),
};

export const topicQuery = {
  ...commonQuery,
  partition: integerParam({ min: 0, max: 2_147_483_647, description: "Only this partition" }).optional(),
};

export const topicsQuery = {
  ...commonQuery,
  topics: z.string().regex(/^[^,]+(,[^,]+)*$/, "expected names with commas between them").optional()
    .openapi({ description: "Names of topics, with commas between them", example: "orders" }),
  pattern: z.string().min(1, "expected a regular expression").optional().openapi({
    description:
      "A regular expression (RE2) that whole names of topics match, also of those that are made later; the topics that the key may read",
  }),
};

type ValuesOf<Q extends Readonly<Record<string, z.ZodType>>> = z.output<z.ZodObject<Q>>;

/** Of the route that names its topic. */
export function topicWish(
  broker: Broker,
  { name, query, request }: { name: string; query: ValuesOf<typeof topicQuery>; request: Request },
): LiveWish {
  const topic = findTopic(broker, name);
  const { partition } = query;
  if (partition !== undefined) checkPartition(topic, partition);
  const place = placeOf(request, query.lastEventId);
  const places = place === null ? null : parsePlaces(place.text);
  const untagged = place === null ? null : parsePartitionPlaces(place.text);
  if (place !== null && places === null && untagged === null) {
    throw fieldProblem(place.field, "is not an id that this topic's events had");
  }
  return {
    ...commonWish(query, request),
    selection: new TopicSelection({ names: [name], pattern: null, isSingle: true, mayRead: () => true }),
    partition: partition ?? null,
    resumed: ({ topicId }: TopicImage) =>
      untagged ?? (places === null ? null : places.get(topicTag(topicId))),
  };
}

/** Of the route for several. */
export function topicsWish(
  broker: Broker,
  { query, request }: { query: ValuesOf<typeof topicsQuery>; request: Request },
): LiveWish {
  const { topics, pattern } = query;
  if (topics === undefined && pattern === undefined) {
    throw fieldProblem("topics", "is missing: name topics, or give a pattern");
  }
  const names = topics?.split(",") ?? [];
  for (const name of names) {
    checkTopicAccess(request, "consume", name);
    findTopic(broker, name);
  }
  const place = placeOf(request, query.lastEventId);
  const places = place === null ? null : parsePlaces(place.text);
  if (place !== null && places === null) {
    throw fieldProblem(place.field, "is not an id that events of this tail had");
  }
  const access = accessOf(request);
  return {
    ...commonWish(query, request),
    selection: new TopicSelection({
      names,
      pattern: pattern === undefined ? null : compiled(pattern),
      mayRead: (name) => access.allows("consume", name),
    }),
    partition: null,
    resumed: ({ topicId }: TopicImage) => places === null ? null : places.get(topicTag(topicId)),
  };
}

function commonWish(
  { from = "latest", key = [], header = [], isolation = "read_uncommitted", format = "auto" }: ValuesOf<
    typeof commonQuery
  >,
  request: Request,
) {
  return {
    from,
    isolation,
    format,
    filter: recordFilter(key, header),
    request,
    isStillValid: () => isStillValid(request),
  };
}

/** The id that the reader saw last; null for none. */
function placeOf(request: Request, parameter: string | undefined) {
  const header = request.headers.get("last-event-id") ?? "";
  if (header !== "") return { field: "Last-Event-ID", text: header };
  return parameter === undefined || parameter === "" ? null : { field: "lastEventId", text: parameter };
}

function compiled(pattern: string): TopicRegex {
  try {
    return new TopicRegex(pattern);
  } catch (error) {
    if (!(error instanceof RegexError)) throw error;
    throw fieldProblem("pattern", `is not a regular expression of RE2: ${error.message}`);
  }
}
