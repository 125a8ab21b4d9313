/**
 * ApiVersions (API 18): which APIs the broker serves, in which versions; the first thing that clients ask.
 *
 * A broker that does not know the version asked for answers in version 0 with UNSUPPORTED_VERSION and its own
 * range for this API (KIP-511). The response header is always version 0, so that a client can read it whatever it
 * asked.
 *
 * Versions 0 to 4.
 * - 1: throttle time.
 * - 3: flexible (KIP-482); name and version of the client's software (KIP-511), features of the cluster (KIP-584).
 * - 4: features may have 0 as their least version (KIP-1022).
 */
import {
  api,
  type RequestInput,
  type RequestOf,
  type ResponseInput,
  type ResponseOf,
} from "../schema/api.ts";
import { array, bool, int16, int32, int64, string, struct } from "../schema/fields.ts";

export const apiVersions = api({
  key: 18,
  name: "ApiVersions",
  versions: "0-4",
  flexible: "3+",
  request: () => ({
    clientSoftwareName: string("3+"),
    clientSoftwareVersion: string("3+"),
  }),
  response: () => ({
    errorCode: int16("0+"),
    apiKeys: array(
      "0+",
      struct({
        apiKey: int16("0+"),
        minVersion: int16("0+"),
        maxVersion: int16("0+"),
      }),
    ),
    throttleTimeMs: int32("1+", { default: 0 }),
    /** Features that the broker could run with; before version 4 without those whose least version is 0. */
    supportedFeatures: array(
      "3+",
      struct({
        name: string("0+"),
        minVersion: int16("0+"),
        maxVersion: int16("0+"),
      }),
      { tag: 0 },
    ),
    /** −1 when unknown. */
    finalizedFeaturesEpoch: int64("3+", { default: -1, tag: 1 }),
    /** Features that the cluster runs with; valid when the epoch is known. */
    finalizedFeatures: array(
      "3+",
      struct({
        name: string("0+"),
        maxVersionLevel: int16("0+"),
        minVersionLevel: int16("0+"),
      }),
      { tag: 2 },
    ),
    zkMigrationReady: bool("3+", { default: false, tag: 3 }),
  }),
});

export type ApiVersionsRequest = RequestOf<typeof apiVersions>;
export type ApiVersionsRequestInput = RequestInput<typeof apiVersions>;
export type ApiVersionsResponse = ResponseOf<typeof apiVersions>;
export type ApiVersionsResponseInput = ResponseInput<typeof apiVersions>;
