/** Columns of text. */

/** Lines of aligned columns. */
export function table(rows: readonly (readonly [string, string, string])[]): string[] {
  const width = (column: 0 | 1): number => Math.max(...rows.map((row) => row[column].length));
  const [first, second] = [width(0), width(1)];
  return rows.map(([name, value, text]) =>
    `  ${name.padEnd(first)}  ${value.padEnd(second)}  ${text}`.trimEnd(),
  );
}
