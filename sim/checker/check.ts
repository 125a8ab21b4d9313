/**
 * The checker: a built history and a profile in, a report out. Pure.
 */

import { FAIL, type History, INFO, OK } from "./history.ts";
import { buildLogOrder } from "./log_order.ts";
import { type Profile, profileNamed, profiles } from "./profile.ts";
import { type Evidence, Judged, type Rule, type Severity } from "./rule.ts";
import { rules as allRules } from "./rules/all.ts";

/** One violation of one rule. */
export interface Finding extends Evidence {
  readonly severity: Severity;
}

/** What one rule found: the counts are whole, the findings only the first few of each severity. */
export interface RuleReport {
  readonly rule: string;
  readonly what: string;
  readonly look: string;
  readonly fatalCount: number;
  readonly reportCount: number;
  readonly findings: readonly Finding[];
}

export interface Report {
  readonly profile: string;
  /** True when nothing fatal was found. */
  readonly valid: boolean;
  readonly fatalCount: number;
  readonly reportCount: number;
  /** Rules that found something, in the order of `rules/all.ts`. */
  readonly rules: readonly RuleReport[];
  /** Names of the rules that were judged. */
  readonly judged: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<"operations" | "ok" | "fail" | "info" | "records" | "partitions", number>>;
}

export interface CheckOptions {
  /** Findings kept of each rule and severity; 10 by default. */
  readonly evidenceCountMax?: number;
  readonly rules?: readonly Rule[];
}

/** The profile that a history names, `idempotent` when it names none. Throws RangeError when there is no such profile. */
export function profileOf(history: History): Profile {
  const name = history.header.profile;
  if (name === undefined) return profiles.idempotent;
  const profile = profileNamed(name);
  if (profile === null) {
    throw new RangeError(
      `Cannot check history: no profile "${name}", there are ${Object.keys(profiles).join(", ")}`,
    );
  }
  return profile;
}

/** Judges a history by all rules. */
export function check(
  history: History,
  profile: Profile = profileOf(history),
  options: CheckOptions = {},
): Report {
  const judged = new Judged(history, buildLogOrder(history), profile);
  const evidenceCountMax = options.evidenceCountMax ?? 10;
  const reports: RuleReport[] = [];
  const names: string[] = [];
  const metrics: Record<string, number> = {};
  for (const rule of options.rules ?? allRules) {
    const severity = profile.overrides[rule.name] ?? rule.severity(profile);
    if (severity === "off") continue;
    names.push(rule.name);
    const counts = { fatal: 0, report: 0 };
    const findings: Finding[] = [];
    rule.check(judged, {
      add(evidence, own = severity) {
        // A rule may only soften what the profile says, never make it worse.
        const effective = severity === "report" ? "report" : own;
        counts[effective] += 1;
        if (counts[effective] <= evidenceCountMax) findings.push({ ...evidence(), severity: effective });
      },
      metric: (name, value) => metrics[name] = value,
    });
    if (counts.fatal + counts.report === 0) continue;
    reports.push({
      rule: rule.name,
      what: rule.what,
      look: rule.look,
      fatalCount: counts.fatal,
      reportCount: counts.report,
      findings: findings.toSorted((a, b) =>
        Number(a.severity === "report") - Number(b.severity === "report")
      ),
    });
  }
  const fatalCount = reports.reduce((sum, report) => sum + report.fatalCount, 0);
  return {
    profile: profile.name,
    valid: fatalCount === 0,
    fatalCount,
    reportCount: reports.reduce((sum, report) => sum + report.reportCount, 0),
    rules: reports,
    judged: names,
    metrics,
    counts: countOperations(history, judged),
  };
}

function countOperations(history: History, judged: Judged): Report["counts"] {
  const byType = [0, 0, 0];
  for (const type of history.type) byType[type] = (byType[type] ?? 0) + 1;
  return {
    operations: history.operationCount,
    ok: byType[OK] ?? 0,
    fail: byType[FAIL] ?? 0,
    info: byType[INFO] ?? 0,
    records: judged.log.logs.reduce((sum, log) => sum + log.offsets.length, 0),
    partitions: history.partitions.all.length,
  };
}
