/** A report as plain text for people. Pure. */

import type { Report, RuleReport } from "./check.ts";

/** Lines of text, grouped by rule, the fatal ones first; ends with a newline. */
export function renderReport(report: Report): string {
  const { counts } = report;
  const lines = [
    `${
      report.valid ? "VALID" : "INVALID"
    }: ${counts.operations} operations (${counts.ok} ok, ${counts.fail} fail, ${counts.info} info), ` +
    `${counts.records} records in ${counts.partitions} partitions, profile ${report.profile}`,
    `${report.judged.length} rules judged, ${report.fatalCount} fatal findings, ${report.reportCount} to know of`,
  ];
  for (const [name, value] of Object.entries(report.metrics)) {
    lines.push(`${name}: ${Math.round(value * 1000) / 1000}`);
  }
  const fatal = report.rules.filter((rule) => rule.fatalCount > 0);
  const other = report.rules.filter((rule) => rule.fatalCount === 0);
  for (const rule of [...fatal, ...other]) lines.push("", ...renderRule(rule));
  return lines.join("\n") + "\n";
}

function renderRule(rule: RuleReport): string[] {
  const found = [
    rule.fatalCount > 0 ? `${rule.fatalCount} fatal` : "",
    rule.reportCount > 0 ? `${rule.reportCount} to know of` : "",
  ].filter((part) => part !== "").join(", ");
  const lines = [`${rule.rule} (${found})`, `  ${rule.what}`];
  // What is only worth knowing gets two examples; the JSON form has all that were kept.
  const shown = rule.fatalCount > 0 ? rule.findings : rule.findings.slice(0, 2);
  for (const finding of shown) {
    lines.push(`  - ${finding.message} [line ${finding.lines.join(", ")}]`);
  }
  const hidden = rule.fatalCount + rule.reportCount - shown.length;
  if (hidden > 0) lines.push(`  … and ${hidden} more`);
  lines.push(`  Look at: ${rule.look}`);
  return lines;
}
