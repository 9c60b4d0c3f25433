/** Texts that end a response, as `stop_strings` of Hugging Face `generate`. */

/**
 * @param tokens of a response so far
 * @param decode the text of some first tokens
 * @returns how many tokens there are up to the one that completes the first of the texts; undefined without one
 */
export function stoppedAt(
  tokens: Int32Array,
  stopStrings: readonly string[],
  decode: (tokens: Int32Array) => string,
): number | undefined {
  const stops = (count: number): boolean => {
    const text = decode(tokens.subarray(0, count));
    return stopStrings.some((stop) => text.includes(stop));
  };
  if (stopStrings.length === 0 || !stops(tokens.length)) return undefined;
  // A text that is complete stays so with more tokens.
  let [without, within] = [0, tokens.length];
  while (within - without > 1) {
    const middle = (without + within) >> 1;
    if (stops(middle)) within = middle;
    else without = middle;
  }
  return within;
}
