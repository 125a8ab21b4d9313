/**
 * UpdateFeatures (API 57): the levels of features are part of the program, so an update to the level that there is succeeds
 * and any other is refused (KIP-584). Since version 1 a request may only check and names the kind of downgrade (KIP-778);
 * since 2 the outcome is one for all (KIP-1022).
 */
import { featureUpdateFault, UPGRADE_TYPES } from "../core/cluster/features.ts";
import { errorCode } from "../protocol/errors.ts";
import { updateFeatures, type UpdateFeaturesRequest } from "../protocol/messages/57_update_features.ts";
import { handler, type RequestContext } from "./handler.ts";

export const updateFeaturesHandler = handler(updateFeatures, serveUpdateFeatures);

function serveUpdateFeatures({ featureUpdates }: UpdateFeaturesRequest, { apiVersion }: RequestContext) {
  for (const update of featureUpdates) {
    const upgradeType = apiVersion >= 1
      ? update.upgradeType
      : update.allowDowngrade
      ? UPGRADE_TYPES.SAFE_DOWNGRADE
      : UPGRADE_TYPES.UPGRADE;
    const errorMessage = featureUpdateFault({ ...update, upgradeType });
    if (errorMessage !== null) {
      return { errorCode: errorCode("INVALID_UPDATE_VERSION"), errorMessage, results: [] };
    }
  }
  const results = featureUpdates.map(({ feature }) => ({ feature, errorCode: 0, errorMessage: null }));
  return { errorCode: 0, errorMessage: null, results };
}
