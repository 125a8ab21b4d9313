/** Names of the actor kinds, for those who address an actor without importing it. */
export const BROKER_KIND = "broker";
export const SUPERVISOR_KIND = "supervisor";
/** The only key of the supervisor. */
export const SUPERVISOR_KEY = "cluster";
export const PARTITION_KIND = "partition";
export const TRANSACTION_KIND = "transaction";
