/** Makes texts comparable: what is left is what two people would call the same answer. */

const ARTICLES = new Set(['a', 'an', 'the']);
/** LaTeX commands that only dress a text up. */
const DRESSING =
  /\\(?:boxed|text|textrm|textbf|textit|mathrm|mathbf|mathit|mathsf|boldsymbol|operatorname|mbox|emph)\s?\{([^{}]{0,200})\}/g;
const SPACING = /\\(?:[,;:! ]|(?:quad|qquad|left|right|displaystyle)(?![a-zA-Z]))/g;

/** Takes off Markdown emphasis, dollar signs, `\text{…}` and LaTeX spacing; keeps the wording. */
export function stripMarkup(text: string): string {
  return text
    .replace(DRESSING, '$1')
    .replace(SPACING, ' ')
    .replace(/\\[()[\]]|\*\*|__|`/g, ' ')
    .replace(/(?<!\\)\$/g, ' ')
    .trim();
}

/**
 * Compatibility form (NFKC), lower case, without punctuation and without articles before a word, single spaces.
 * Signs that belong to a number (-5, 3.5, 1/2, 5:30, 50%) stay. Never empty unless the text is blank.
 */
export function plainText(text: string): string {
  const folded = stripMarkup(text)
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\u2212\u2013]/g, '-');
  const words = folded
    // The apostrophe joins ("it's"), everything else separates.
    .replace(/['\u2019]/g, '')
    .replace(/(?<!\\)&/g, ' and ')
    .replace(
      /(?<=^|[^\d,([{])(\d{1,3})((?:,\d{3}){1,20})(?![\d,)\]}])/g,
      (_, head: string, rest: string) => head + rest.replaceAll(',', ''),
    )
    // Initials are one word: "U.S.A.", "p.m.".
    .replace(
      /(?<=(?<![\p{L}\p{N}])\p{L})\.(?=\p{L}(?![\p{L}\p{N}]))|(?<=\.\p{L})\.(?=\p{L}(?![\p{L}\p{N}]))/gu,
      '',
    )
    .replace(/\.(?!\d)|(?<=\p{L})\./gu, ' ')
    .replace(/-(?!\d)|(?<=\p{L})-/gu, ' ')
    // "3 : 4" is 3:4.
    .replace(/(?<=\d) ?([/:]) ?(?=\d)/g, '$1')
    .replace(/(?<!\d)[/:]|[/:](?!\d)/g, ' ')
    .replace(/[^\p{L}\p{N}\p{M}\p{S}.%/:#-]/gu, ' ')
    .split(' ')
    .filter((word) => word !== '');
  // The last word is never an article: "vitamin A".
  const kept = words.filter((word, i) => i === words.length - 1 || !ARTICLES.has(word));
  return kept.join(' ') || folded.trim() || text.trim();
}
