import assert from "node:assert/strict";
import { metricsText } from "./metrics_text.ts";

Deno.test("metricsText() stands in columns and in the order of names, as Kafka's tools print it", () => {
  const group = "g";
  const text = metricsText([{ group, name: "longer", value: 2 }, { group, name: "a", value: NaN }], "c");
  assert.equal(
    text,
    "\nMetric Name              Value\n" +
      "g:a:{client-id=c}      : NaN\n" +
      "g:longer:{client-id=c} : 2.000\n",
  );
});
