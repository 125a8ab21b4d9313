/** Records as CloudEvents in structured mode, for every route that shows them so, and for webhooks. Pure. */
import { eventTextOfRecord, type PlacedRecord } from "../../protocol/cloudevents/kafka_binding.ts";
import { limits } from "../config/limits.ts";
import { recordFormats } from "./record_text.ts";

/** Of what shows whole records; `cloudevents` has no fields of a record around it. */
export const viewFormats = [...recordFormats, "cloudevents"] as const;
export type ViewFormat = (typeof viewFormats)[number];

export const eventOptions = { attributesMax: limits.recordHeadersMax };

/** The JSON text of the record's event. */
export function eventText(record: PlacedRecord): string {
  return eventTextOfRecord(record, eventOptions);
}
