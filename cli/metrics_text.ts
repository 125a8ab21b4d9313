/** The table that `--print-metrics` prints, as Kafka's ToolsUtils has it. Pure. */
import type { ClientMetric } from "../client/mod.ts";

/** A line for each figure, in the order of their names. */
export function metricsText(metrics: readonly ClientMetric[], clientId: string): string {
  const rows = metrics
    .map(({ group, name, value }) => ({ name: `${group}:${name}:{client-id=${clientId}}`, value }))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, value }) => `${name.padEnd(width)} : ${value.toFixed(3)}\n`);
  return `\n${"Metric Name".padEnd(width)}   Value\n${lines.join("")}`;
}
