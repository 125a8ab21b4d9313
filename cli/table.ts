/** Tables as Kafka's tools print them: columns of fixed width, the last one without padding where it has none. */

export interface Column {
  readonly title: string;
  /** null: the text as it is, without padding. */
  readonly width: number | null;
}

/** The header and one line for each row. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    columns.map(({ width }, index) => (cells[index] ?? "").padEnd(width ?? 0)).join(" ") + "\n";
  return line(columns.map(({ title }) => title)) + rows.map(line).join("");
}

/** The width that Kafka gives to a column: that of its longest cell, and `minimum` at least. */
export function widthOf(cells: readonly string[], minimum = 15): number {
  return cells.reduce((width, cell) => Math.max(width, cell.length), minimum);
}
