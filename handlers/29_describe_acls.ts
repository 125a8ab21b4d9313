/**
 * DescribeAcls (API 29): SECURITY_DISABLED, which is Kafka's answer of a broker without an authorizer. Whoever reaches this
 * broker may do everything.
 */
import { errorCode } from "../protocol/errors.ts";
import { describeAcls } from "../protocol/messages/29_describe_acls.ts";
import { handler } from "./handler.ts";

export const describeAclsHandler = handler(describeAcls, () => ({
  errorCode: errorCode("SECURITY_DISABLED"),
  errorMessage: "No authorizer is configured: everybody may do everything",
  resources: [],
}));
