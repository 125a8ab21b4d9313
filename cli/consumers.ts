/**
 * `kavka consumers`: who reads what now, in which group, and how far behind, as the server's supervisor sees it.
 */
import { newCommand, parseOptions, type Terminal, utf8 } from "./command_line.ts";
import { askServer, SERVER_OPTION } from "./server_http.ts";
import { table, widthOf } from "./table.ts";

interface ConsumersOptions {
  readonly server?: string;
  readonly group?: string;
  readonly json?: boolean;
}

/** As GET /v1/consumers answers. */
interface ConsumerView {
  readonly groupId: string;
  readonly memberId: string;
  readonly clientId: string;
  readonly host: string;
  readonly lastHeartbeatMs: number;
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
  readonly lag: number | null;
}

const PAGE_LENGTH = 1_000;

/** The command. */
export async function consumers(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = newCommand("kavka consumers", "Shows the live members of groups.")
    .option("--server <url>", SERVER_OPTION)
    .option("--group <id>", "only this group")
    .option("--json", "print what the server answers");
  const { server, group, json } = parseOptions<ConsumersOptions>(command, args);
  const filter = group === undefined ? "" : `&group=${encodeURIComponent(group)}`;
  const response = await askServer(terminal, { server, path: `/v1/consumers?limit=${PAGE_LENGTH}${filter}` });
  const text = await response.text();
  if (json === true) {
    await terminal.writeOut(utf8(`${text.trimEnd()}\n`));
    return 0;
  }
  const answer = JSON.parse(text) as { consumers: readonly ConsumerView[]; total: number };
  await terminal.writeOut(utf8(formatConsumers(answer.consumers, terminal.env.now())));
  const more = answer.total - answer.consumers.length;
  if (more > 0) terminal.writeError(`${more} more are not shown: name a group with --group`);
  return 0;
}

/** A line for each member. */
export function formatConsumers(members: readonly ConsumerView[], nowMs: number): string {
  const rows = members.map((member) => [
    member.groupId,
    member.memberId,
    member.clientId,
    member.host,
    `${(Math.max(0, nowMs - member.lastHeartbeatMs) / 1_000).toFixed(1)} s ago`,
    String(member.lag ?? "-"),
    member.assignment.map(({ topic, partitions }) => `${topic}:${partitions.join(",")}`).join(";") || "-",
  ]);
  const titles = ["GROUP", "CONSUMER-ID", "CLIENT-ID", "HOST", "LAST-HEARTBEAT", "LAG", "PARTITIONS"];
  const columns = titles.map((title, index) => ({
    title,
    width: index === titles.length - 1
      ? null
      : widthOf(rows.map((row) => row[index] ?? ""), Math.max(title.length, 8)),
  }));
  return table(columns, rows);
}
