/** Messages of the broker actor (`broker/<brokerId>`): one per process, it registers, beats and keeps the image. */
import type { MetadataImage } from "../../core/cluster/metadata_image.ts";
import type { Expects } from "../runtime/types.ts";

/** From the supervisor; answered once the doors of this process see the new image. */
export interface MetadataChanged extends Expects<boolean> {
  readonly type: "metadataChanged";
  readonly image: MetadataImage;
}

/** Registers with the supervisor; answered when the doors may open. */
export interface StartBroker extends Expects<boolean> {
  readonly type: "start";
}

/** Internal: time for a heartbeat. */
export interface BrokerBeat {
  readonly type: "beat";
}

export type BrokerMessage = MetadataChanged | StartBroker | BrokerBeat;
