/** What a client may do to a group (KIP-430): everything, as long as there are no access control lists. */

/** Bits by AclOperation: Read 3, Delete 6, Describe 8, DescribeConfigs 10, AlterConfigs 11. */
const ALL_GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8) | (1 << 10) | (1 << 11);
/** Nobody asked. */
const NOT_ASKED = -0x8000_0000;

export function groupOperations(isAsked: boolean): number {
  return isAsked ? ALL_GROUP_OPERATIONS : NOT_ASKED;
}
