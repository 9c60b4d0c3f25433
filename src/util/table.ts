/** Columns of text. */

/** Lines of three aligned columns; numbers in the second are aligned at their ends. */
export function table(
  rows: readonly (readonly [string, string, string])[],
  { numbers = false, indent = '  ' }: { numbers?: boolean; indent?: string } = {},
): string[] {
  const width = (column: 0 | 1): number => Math.max(...rows.map((row) => row[column].length));
  const [first, second] = [width(0), width(1)];
  return rows.map(([name, value, text]) => {
    const middle = numbers ? value.padStart(second) : value.padEnd(second);
    return `${indent}${name.padEnd(first)}  ${middle}  ${text}`.trimEnd();
  });
}
