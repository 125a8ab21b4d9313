/** Names of the actor kinds, for those who address an actor without importing it. */
export const BROKER_KIND = "broker";
export const SUPERVISOR_KIND = "supervisor";
/** The only key of the supervisor. */
export const SUPERVISOR_KEY = "cluster";
export const PARTITION_KIND = "partition";
export const TRANSACTION_KIND = "transaction";
export const SHARE_GROUP_KIND = "share_group";
export const SHARE_PARTITION_KIND = "share_partition";
