/**
 * DescribeLogDirs (API 35): which partitions a broker keeps in which directory, and how much room they take
 * (KIP-113).
 *
 * Versions 1 to 5.
 * - 1: answers come before the throttling (KIP-219).
 * - 2: flexible (KIP-482).
 * - 3: an error for the whole request (KIP-784).
 * - 4: size of the volume (KIP-827).
 * - 5: cordoned directories, which take no new partitions (KIP-1066).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const describeLogDirs = api({
  key: 35,
  name: "DescribeLogDirs",
  versions: "1-5",
  flexible: "2+",
  request: () => ({
    /** Null asks for all. */
    topics: array(
      "0+",
      struct({
        topic: string("0+"),
        partitions: array("0+", "int32"),
      }),
      { nullable: "0+" },
    ),
  }),
  response: () => ({
    throttleTimeMs: int32("0+", { default: 0 }),
    errorCode: int16("3+"),
    results: array(
      "0+",
      struct({
        /** Of the directory: KAFKA_STORAGE_ERROR when it failed. */
        errorCode: int16("0+"),
        logDir: string("0+"),
        topics: array(
          "0+",
          struct({
            name: string("0+"),
            partitions: array(
              "0+",
              struct({
                partitionIndex: int32("0+"),
                /** Bytes of the segments. */
                partitionSize: int64("0+"),
                /**
                 * How far the log is behind: a future one behind the present one, a present one behind the high
                 * watermark.
                 */
                offsetLag: int64("0+"),
                /** This log is being filled and will take the place of the present one. */
                isFutureKey: bool("0+"),
              }),
            ),
          }),
        ),
        /** Of the volume; −1 when unknown. */
        totalBytes: int64("4+", { default: -1 }),
        /** Left on the volume; −1 when unknown. */
        usableBytes: int64("4+", { default: -1 }),
        isCordoned: bool("5+", { default: false }),
      }),
    ),
  }),
});

export type DescribeLogDirsRequest = RequestOf<typeof describeLogDirs>;
export type DescribeLogDirsRequestInput = RequestInput<typeof describeLogDirs>;
export type DescribeLogDirsResponse = ResponseOf<typeof describeLogDirs>;
export type DescribeLogDirsResponseInput = ResponseInput<typeof describeLogDirs>;
