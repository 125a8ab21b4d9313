/**
 * The features that the whole cluster has agreed on (KIP-584): each at its highest level, which is part of the program and
 * cannot be lowered. Source of the checks and their order: Kafka's FeatureControlManager.
 */

export interface Feature {
  readonly name: string;
  readonly minVersion: number;
  /** And the level that is finalized. */
  readonly maxVersion: number;
}

export const features: readonly Feature[] = [
  { name: "group.version", minVersion: 0, maxVersion: 1 },
  /** Share groups (KIP-932). */
  { name: "share.version", minVersion: 0, maxVersion: 1 },
  /** Every end of a transaction bumps the epoch, and writing adds partitions by itself (KIP-890). */
  { name: "transaction.version", minVersion: 0, maxVersion: 2 },
];

export const UPGRADE_TYPES = { UPGRADE: 1, SAFE_DOWNGRADE: 2, UNSAFE_DOWNGRADE: 3 } as const;

export interface FeatureUpdate {
  readonly feature: string;
  readonly maxVersionLevel: number;
  /** One of `UPGRADE_TYPES`. */
  readonly upgradeType: number;
}

/** Why an update is INVALID_UPDATE_VERSION, in a sentence, or null for the level that there already is. */
export function featureUpdateFault({ feature, maxVersionLevel, upgradeType }: FeatureUpdate): string | null {
  const fault = (why: string) =>
    `Invalid update version ${maxVersionLevel} for feature ${feature.slice(0, 100)}: ${why}`;
  const known = features.find(({ name }) => name === feature);
  const { UPGRADE, UNSAFE_DOWNGRADE } = UPGRADE_TYPES;
  if (known === undefined) return fault("the feature is not known here");
  if (upgradeType < UPGRADE || upgradeType > UNSAFE_DOWNGRADE) return fault("the upgrade type is not known");
  if (maxVersionLevel < 0) return fault("a level cannot be less than 0");
  if (maxVersionLevel < known.minVersion || maxVersionLevel > known.maxVersion) {
    return fault(`the levels ${known.minVersion} to ${known.maxVersion} are supported`);
  }
  if (maxVersionLevel === known.maxVersion) return null;
  return upgradeType === UPGRADE
    ? fault("the upgrade type allows no downgrade")
    : fault(`the feature is always at level ${known.maxVersion}`);
}
