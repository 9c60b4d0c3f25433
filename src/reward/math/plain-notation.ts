/** Mathematics as people type it (sqrt(2), x^10, pi/2, <=, 1e5) in LaTeX. */
import { partners } from './nesting.ts';

const FUNCTION_NAMES =
  'arcsinh|arccosh|arctanh|arcsin|arccos|arctan|arccot|arcsec|arccsc|asin|acos|atan|sinh|cosh|tanh|coth|sech|csch|sin|cos|tan|cot|sec|csc|log|ln|lg|exp|sqrt|cbrt|mod';
/** Names that are words or units as well; they need their bracket. */
const BRACKETED_NAMES = 'abs|floor|ceil|gcd|lcm|max|min';
/** A name with its argument; "sinx" and "ln2" are functions, "since" and "5 sec" are not. */
const BARE_FUNCTION = new RegExp(
  String.raw`(?<![\\a-zA-Z{])(?!cost(?![a-zA-Z]))(?:(?:${FUNCTION_NAMES})(?![a-zA-Z]{2})(?![b-mo-su-w](?![a-zA-Z]))(?= {0,2}[\^_({\\\da-zA-Z|])|(?:${BRACKETED_NAMES})(?= ?(?:\(|\\?\{)))`,
  'g',
);
const RENAMED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    asin: '\\arcsin',
    acos: '\\arccos',
    atan: '\\arctan',
    arcsinh: '\\operatorname{arsinh}',
    arccosh: '\\operatorname{arcosh}',
    arctanh: '\\operatorname{artanh}',
    arccot: '\\operatorname{arccot}',
    arcsec: '\\operatorname{arcsec}',
    arccsc: '\\operatorname{arccsc}',
    sech: '\\operatorname{sech}',
    csch: '\\operatorname{csch}',
    abs: '\\operatorname{abs}',
    floor: '\\operatorname{floor}',
    ceil: '\\operatorname{ceil}',
    lcm: '\\operatorname{lcm}',
    mod: '\\bmod',
  }),
);
const GREEK =
  'alpha|beta|gamma|delta|epsilon|theta|lambda|sigma|omega|infty|Alpha|Beta|Gamma|Delta|Theta|Lambda|Sigma|Omega|phi|psi|rho|tau|mu|nu';
const BARE_GREEK = new RegExp(String.raw`(?<![\\a-zA-Z{])(?:${GREEK})(?![a-zA-Z])`, 'g');

export function plainNotationToLatex(text: string): string {
  const signs = text
    .replace(/(?<=[\w)}])\*\*(?=[\w(\\-])/g, '^')
    .replace(/\*\*|__|`/g, ' ')
    .replace(/(?<![<=>])<=(?!>)|=</g, '\\le ')
    .replace(/>=/g, '\\ge ')
    .replace(/!=|<>|=\/=/g, '\\ne ')
    .replace(/={2,3}/g, '=')
    .replace(/\+ ?\/ ?-|\+-(?=\s*[\d\\a-z(])/g, '\\pm ')
    .replace(/\.{3,}/g, '\\ldots ')
    .replace(/\*/g, '\\cdot ')
    .replace(/(?<!\\)%| percent\b/g, '\\%');
  const numbers = signs
    .replace(/(\d) [x×] (?=[\d(])/g, '$1\\times ')
    .replace(/(\d\.?) ?x ?10(?=\^)/g, '$1\\times 10')
    .replace(/(?<![a-zA-Z\\_^{])(\d{1,40}\.?\d{0,40})[eE]([+-]?\d{1,4})(?![\d.a-zA-Z])/g, '$1\\times 10^{$2}')
    .replace(/(?<![\d.^_/}])(\d{1,20}) (\d{1,20}) ?\/ ?(\d{1,20})(?![\d.])/g, '$1\\frac{$2}{$3}')
    .replace(
      /\^ ?(-? ?(?:\d{1,40}\.\d{1,20}|\d{1,40}))(?!\d)/g,
      (_, digits: string) => `^{${digits.replaceAll(' ', '')}}`,
    )
    .replace(/\^ ?-([a-zA-Z])/g, '^{-$1}')
    .replace(/_ ?(\d{1,20})/g, '_{$1}')
    .replace(/(?<![a-zA-Z])\\?log(2|10)(?= ?\()/g, '\\log_{$1}')
    .replace(/(?<=\\in {0,3})([RZNQ])(?![a-zA-Z])/g, '\\mathbb{$1}')
    .replace(/\\log ?_\{10\}/g, '\\lg ')
    .replace(/\\(max|min|gcd|lcm) ?\\\{([^{}]{1,80})\\\}/g, '\\$1($2)')
    .replace(/\\pmod ?\{? ?(\w{1,10}) ?\}?|\( ?\\?b?mod ?(\w{1,10}) ?\)/g, '\\pmod{$1$2}')
    .replace(/\\frac (\d) ?(\d)/g, '\\frac{$1}{$2}')
    .replace(/(?<=\d ?)\^ ?\{?o\}?(?![a-z])/g, '^{\\circ}')
    .replace(/\^ ?\\circ(?![a-z])/g, '^{\\circ}')
    .replace(/\{ ?\}\^/g, '^')
    .replace(/\^\{ ?\\circ ?\} ?/g, '^{\\circ} ');
  const named = numbers
    .replace(BARE_FUNCTION, (name) => `${RENAMED.get(name) ?? `\\${name}`} `)
    .replace(/\\arccot(?![a-z])/g, '\\operatorname{arccot}')
    .replace(/(?<![\\a-zA-Z{])([knmabrR])?pi(?:(?=[rRhkn](?![a-zA-Z]))|(?![a-zA-Z]))/g, '$1\\pi ')
    .replace(BARE_GREEK, (name) => `\\${name} `)
    .replace(/(?<![\\a-zA-Z])(?:infinity|inf|Infinity|INF|oo)(?![a-zA-Z])/g, '\\infty ')
    .replace(/(?<=[)\]}] ?)(?:U|u|union|V)(?= ?(?:\\\{|[([{]))/g, '\\cup ')
    .replace(/(?<=[a-zA-Z] )(?:in|belongs to)(?= ?(?:\\\{|[([]|\\mathbb))/g, '\\in ')
    .replace(/\\sqrt ?(\d{2,40}(?:\.\d{1,20})?)/g, '\\sqrt{$1}')
    .replace(/\\cbrt ?(\d{1,40}|[a-zA-Z])/g, '\\sqrt[3]{$1}')
    .replace(/\\cbrt ?(?=[({])/g, '\\sqrt[3]')
    .replace(/\\sqrt ?([34])\] ?/g, '\\sqrt[$1]')
    // "sin x / x" divides the sine, "sin pi/3" does not.
    .replace(/(\\(?:sin|cos|tan|ln|log)(?:\^\{\d\})? {1,2}[a-z]) ?\/ ?(?!\d)/g, '($1)/');
  return bracesForParentheses(named);
}

/** The arguments of roots and powers in braces: \sqrt(x) is \sqrt{x}, x^(a+b) is x^{a+b}. */
function bracesForParentheses(text: string): string {
  const opening = [...text.matchAll(/(?:\\sqrt(?: ?\[[^[\]]{1,20}\])?|\^) ?(?=\()/g)];
  if (opening.length === 0) return text;
  const partner = partners(text, '(', ')');
  const letters = text.split('');
  for (const match of opening) {
    const open = match.index + match[0].length;
    const close = partner[open] ?? -1;
    if (close < 0) continue;
    letters[open] = '{';
    letters[close] = '}';
  }
  return letters.join('');
}
