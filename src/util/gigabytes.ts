/** Bytes as people read them. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(bytes < 1e8 && bytes > 0 ? 3 : 2)} GB`;
}
