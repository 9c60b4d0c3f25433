/** Takes an answer out of its wrapping (Markdown, delimiters, \boxed, \text, spacing) and settles on one LaTeX spelling. */
import { glyphsToLatex } from './glyphs.ts';
import { partners } from './nesting.ts';
import { plainNotationToLatex } from './plain-notation.ts';

/** Commands that are dropped; what they hold or precede stays. */
const DROPPED =
  /\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits|mathstrut|strut|boldmath|bf|rm|it|normalsize|large|Large|quad(?= *$))(?![a-zA-Z])/g;
const SPACES =
  /(?<!\\)\\[,;:> ]|(?<!\\)\\(?:quad|qquad|enspace|thinspace|medspace|thickspace|hfill|newline|hspace\*? ?\{[^{}]{0,20}\})(?![a-zA-Z])|~|[\u00A0\u2000-\u200A\u202F\u205F\u3000\t\r\n]/g;
const NOTHING = /\\!|[\u200B-\u200F\u2060-\u2064\uFEFF]|\\(?:label|tag|color|textcolor) ?\{[^{}]{0,40}\}/g;
const TEXT =
  /\\(?:text|textbf|textit|textrm|textnormal|textsf|texttt|emph|mbox|hbox|mathrm|operatorname\*?|rm|mathop) ?\{((?:[^{}]|\{[^{}]{0,20}\}){0,300})\}/g;
const FONT =
  /\\(?:mathbf|mathit|mathcal|mathsf|mathtt|mathscr|mathfrak|boldsymbol|bm|pmb|mathnormal|underline|ensuremath) ?(?:\{([^{}]{0,100})\}|([a-zA-Z]))/g;
const ACCENT =
  /\\(dot|ddot|tilde|widetilde|hat|widehat|bar|vec|overrightarrow) ?(?:\{ ?([a-zA-Z]|\\[a-z]{2,10}) ?\}|([a-zA-Z]))/g;
/** A unit or a word; as opposed to a constant that some people set upright. */
const UPRIGHT_CONSTANT = /^[eid]$/;

/** One spelling of what several commands say. */
const SYNONYMS: ReadonlyMap<string, string> = new Map(
  String.raw`
dfrac \frac  tfrac \frac  cfrac \frac  sfrac \frac  nicefrac \frac  dbinom \binom  tbinom \binom  div /
leq \le  leqslant \le  leqq \le  geq \ge  geqslant \ge  geqq \ge  neq \ne  lt <  gt >  isin \in
lbrace \{  rbrace \}  lcub \{  rcub \}  lbrack [  rbrack ]  colon :  mid |  vert |  lvert |  rvert |
land \text{and}  wedge \text{and}  And \text{and}  lor \text{or}  vee \text{or}  euro \text{€}  pounds \text{£}
varnothing \emptyset  empty \emptyset  infin \infty  bigcup \cup  bigcap \cap  smallsetminus \setminus
backslash \setminus  ast \cdot  cdotp \cdot  bullet \cdot  dots \ldots  dotsc \ldots  dotsb \ldots  cdots \ldots
degree ^{\circ}  degrees ^{\circ}  approxeq \approx  simeq \approx  thickapprox \approx  Reals \mathbb{R}
R \mathbb{R}  Z \mathbb{Z}  N \mathbb{N}  implies \Rightarrow  Longrightarrow \Rightarrow
tg \tan  ctg \cot  arctg \arctan  cosec \csc
`
    .trim()
    .split(/ {2}|\n/)
    .map((pair) => pair.split(' ') as [string, string])
    .map(([from, to]) => [`\\${from}`, to]),
);

/** The text in one notation: LaTeX without delimiters, fonts and spacing; words stand bare. Linear in its length. */
export function clean(source: string): string {
  const wrapped = glyphsToLatex(source.normalize('NFC').replace(NOTHING, ''));
  const inner = boxedContent(lonelyDollar(wrapped))
    .replace(/\\\$/g, ' \\text{dollar} ')
    .replace(/(?<!\\)\$/g, ' ')
    .replace(/(\\mathbb ?\{?[NZ]\}?)\^ ?\{?[*]\}?/g, '$1')
    .replace(/(?<![a-zA-Z])([ap])\. ?m\b\.?/gi, '$1m')
    .replace(/(?<!\\)\\[()[\]]/g, ' ')
    .replace(/(\d)(?:\\[,;: ]|~|\u202F|\u2009| )(?=\d{3}(?!\d))/g, joinThousands)
    .replace(/\{([,.])\}/g, (_, mark: string, at: number, all: string) => commaInBraces(mark, at, all))
    .replace(SPACES, ' ')
    .replace(DROPPED, ' ');
  const upright = inner.replace(FONT, (_, group?: string, letter?: string) => group ?? letter ?? '');
  const words = upright
    .replace(TEXT, (all, content: string) => uprightText(all, content))
    .replace(ACCENT, (_, accent: string, group?: string, letter?: string) => {
      return ` \\mathrm{${accent}${(group ?? letter ?? '').replace('\\', '')}}`;
    });
  const synonyms = words
    .replace(/\\not ?(?:=|\\in(?![a-z]))/g, (all) => (all.endsWith('=') ? '\\ne ' : '\\notin '))
    .replace(/\\[a-zA-Z]+/g, (command) => SYNONYMS.get(command) ?? command)
    .replace(/\\text\{([^{}]{0,20})\}/g, ' $1 ');
  return tidy(plainNotationToLatex(synonyms));
}

/** One dollar sign before a number is money; two are delimiters. */
function lonelyDollar(text: string): string {
  const signs = text.match(/(?<!\\)\$/g)?.length ?? 0;
  return signs === 1 ? text.replace(/(?<!\\)\$ ?(?=[\d.])/, '\\$') : text;
}

/** What the boxes hold, all of them, so that two boxes are two answers; the text itself when it has none. */
function boxedContent(text: string): string {
  if (!/\\f?box(?:ed)?\b/.test(text)) return text;
  const partner = partners(text, '{', '}');
  const boxes: string[] = [];
  let end = 0;
  for (const match of text.matchAll(/\\(?:boxed|fbox) ?(\{|[^\s{])/g)) {
    if (match.index < end) continue;
    const open = match.index + match[0].length - 1;
    const close = match[1] === '{' ? partner[open]! : open;
    if (close < 0) continue;
    boxes.push(match[1] === '{' ? text.slice(open + 1, close) : match[1]!);
    end = close;
  }
  return boxes.length === 0 ? text : boxes.map((box) => boxedContent(box)).join(', ');
}

/** A space between digits joins them only as a thousands mark: a lone group of one to three goes before it. */
function joinThousands(all: string, digit: string, at: number, text: string): string {
  const before = /(?:^|[^\d.,])(\d{1,3}(?:(?:\\[,;: ]|[~\u202F\u2009 ])\d{3}){0,8})$/.exec(
    text.slice(Math.max(0, at - 60), at + 1),
  );
  return before === null ? all : digit;
}

/** 1{,}000 has a thousands mark, 3{,}5 a decimal comma. */
function commaInBraces(mark: string, at: number, text: string): string {
  if (mark === '.') return '.';
  return /^\d{3}(?!\d)/.test(text.slice(at + 3, at + 7)) ? '' : '.';
}

function uprightText(command: string, content: string): string {
  const inside = content.trim();
  const isName = !/^\\(?:text|mbox|hbox|emph)/.test(command);
  if (isName && UPRIGHT_CONSTANT.test(inside)) return inside;
  return ` ${inside} `;
}

function tidy(text: string): string {
  return text
    .replace(/ {2,}/g, ' ')
    .replace(/ (?=[\^_,;!')\]}])/g, '')
    .replace(/(?<=(?<!\\)[([{^_]) /g, '')
    .replace(/\\infty ?/g, '\\infty ')
    .replace(/^[\s,;.:]+(?!\d)|[\s,;.:]+$/g, '')
    .trim();
}
