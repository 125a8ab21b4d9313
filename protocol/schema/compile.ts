/** Placeholder until the compiler lands: closures serve. */
import type { Codec } from "./message.ts";
import type { PlanStruct } from "./plan.ts";

export function compileCodec(_plan: PlanStruct): Codec | null {
  return null;
}
