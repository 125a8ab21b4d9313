/**
 * Produce (API 0) in versions 0 to 2, which bring message formats from before record batch v2. ApiVersions names them for
 * librdkafka's sake (KAFKA-18659); this table is there to answer them with UNSUPPORTED_VERSION and for nothing else.
 * Source: Kafka's ProduceRequest and ProduceResponse schemas before KIP-896.
 */
import { api, type RequestOf } from "../schema/api.ts";
import { array, int16, int32, int64, records, string, struct } from "../schema/fields.ts";

export const oldProduce = api({
  key: 0,
  name: "Produce",
  versions: "0-2",
  flexible: "9+",
  request: () => ({
    acks: int16("0+"),
    timeoutMs: int32("0+"),
    topicData: array(
      "0+",
      struct({
        name: string("0+"),
        partitionData: array(
          "0+",
          struct({ index: int32("0+"), records: records("0+", { nullable: "0+" }) }),
        ),
      }),
    ),
  }),
  response: () => ({
    responses: array(
      "0+",
      struct({
        name: string("0+"),
        partitionResponses: array(
          "0+",
          struct({
            index: int32("0+"),
            errorCode: int16("0+"),
            baseOffset: int64("0+", { default: -1 }),
            logAppendTimeMs: int64("2+", { default: -1 }),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32("1+", { default: 0 }),
  }),
});

export type OldProduceRequest = RequestOf<typeof oldProduce>;
