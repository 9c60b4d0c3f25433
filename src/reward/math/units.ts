/** Units of measure and other words after a number: "5 cm", "30^{\circ}", "\$12", "7 ways". */
import type { Rational } from '../verify/rational.ts';
import { power, product, whole } from './exact.ts';
import { tokenize } from './nesting.ts';

export interface Unit {
  /** What it measures, such as "length^2 time^-1"; empty for plain words. */
  dimension: string;
  /** How many basic units it is. */
  scale: Rational;
  /** What "thousand" or "million" multiply the number by. */
  multiple: Rational;
  /** Words that are no units of measure, in the singular. */
  words: readonly string[];
}

export interface Measured {
  value: string;
  unit?: Unit;
  /** The unit is one letter, and might be a factor as well. */
  doubtful: boolean;
}

/** dimension: name and aliases = how many basic units; names of more than one letter also in the plural. */
const TABLE = `
length: m meter metre=1, mm millimeter millimetre=1/1000, cm centimeter centimetre=1/100, km kilometer kilometre=1000
length: nm nanometer=1/1000000000, in inch inche=127/5000, ft foot feet=381/1250, yd yard=1143/1250, mi mile=201168/125
length^3: ml mL milliliter millilitre=1/1000000, l L liter litre=1/1000, gal gallon=473176473/125000000000, cc=1/1000000
mass: g gram gramme=1, mg milligram=1/1000, kg kilogram kilo=1000, lb lbs pound=45359237/100000, oz ounce=45359237/1600000
mass: ton tonne=1000000
time: s sec second=1, ms millisecond=1/1000, min minute=60, h hr hour=3600, day=86400, week=604800
year: year yr=1, month=1/12
angle: degree deg \\circ=1
radian: rad radian=1
money: dollar usd USD buck=1, cent cents ¢=1/100
euro: euro eur EUR €=1
sterling: gbp GBP £=1
force: N newton=1, kN=1000
energy: J joule=1, kJ kilojoule=1000
electronvolt: eV electronvolt=1
power: W watt=1, kW kilowatt=1000, MW megawatt=1000000
voltage: V volt=1, mV=1/1000, kV=1000
current: A amp ampere=1, mA=1/1000
resistance: Ω ohm \\Omega=1
frequency: Hz hertz=1, kHz=1000, MHz=1000000
pressure: Pa pascal=1, kPa=1000, atm=101325
amount: mol mole=1
temperature: K kelvin=1
celsius: C celsius \\circC=1
fahrenheit: F fahrenheit \\circF=1
length^1 time^-1: mph=44704/100000, kph kmh=1000/3600
percent: \\% percent=1
unit: unit un=1
`;

interface Entry {
  dimensions: ReadonlyMap<string, number>;
  scale: Rational;
}

const UNITS: ReadonlyMap<string, Entry> = new Map(
  TABLE.trim()
    .split('\n')
    .flatMap((line) => {
      const [dimension = '', list = ''] = line.split(': ');
      const dimensions = new Map(dimension.split(' ').map(readPower));
      return list.split(', ').flatMap((item) => {
        const [names = '', scale = '1'] = item.split('=');
        const entry: Entry = { dimensions, scale: readScale(scale) };
        return names.split(' ').map((name) => [name, entry] as const);
      });
    }),
);
const MULTIPLES: ReadonlyMap<string, bigint> = new Map([
  ['dozen', 12n],
  ['hundred', 100n],
  ['thousand', 1000n],
  ['million', 1_000_000n],
  ['billion', 1_000_000_000n],
  ['trillion', 1_000_000_000_000n],
]);
const POWER_BEFORE: ReadonlyMap<string, number> = new Map([
  ['square', 2],
  ['sq', 2],
  ['cubic', 3],
  ['cu', 3],
]);
const POWER_AFTER: ReadonlyMap<string, number> = new Map([
  ['squared', 2],
  ['cubed', 3],
]);

/** Longer words after a number are prose. */
const MAX_TAIL = 80;
const TAIL = /^(?:[a-zA-Z€£¢Ω]|\\%|\^ ?\{\\circ\}|\\Omega|\\mu|\^\{-?\d\}|\^-?\d|[ /().'-]|\\cdot)*$/;
/** What takes a value back. */
const DOUBT = /(?<![a-zA-Z])(?:not?|nor|or|but|never|maybe|perhaps|possibly|wrong|less|more)(?![a-zA-Z])/i;
const LEADING = /^(-? ?)(dollars?|€|£|USD|US dollar) ?(?=[\d.\\(-])/;
const SHORT_WORDS = new Set(['am', 'pm', 'of', 'in', 'to', 'at', 'on', 'by', 'is', 'as', 'or']);
const FUNCTION = /^(?:arc|ar)?(?:sin|cos|tan|cot|csc)h?$|^(?:log|ln|exp|mod|gcd|lcm|sqrt)$/;

/** Parts a text into its value and the unit around it; the whole text is the value where there is none. */
export function splitUnit(text: string): Measured {
  const [lead = '', sign = '', currency = ''] = LEADING.exec(text) ?? [];
  const body = sign + text.slice(lead.length);
  const tokens = tokenize(body);
  // In \sin 30^\circ the degrees belong to the angle.
  const hasAngle = /\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])/.test(body);
  const index = tokens.findIndex(({ text: token, at, depth }, i) => {
    if (depth > 0 || i === 0 || body.length - at > MAX_TAIL) return false;
    if (hasAngle && token === '^') return false;
    return startsUnit(token, tokens[i - 1]?.text ?? '', body.slice(at)) && TAIL.test(body.slice(at));
  });
  const start = tokens[index]?.at ?? body.length;
  const value = body.slice(0, start).trim();
  const tail = body.slice(start);
  if (value === '' || value === '-' || /^[a-zA-Z ]{2,}$/.test(value) || DOUBT.test(tail))
    return { value: text, doubtful: false };
  if (tail === '' && currency === '') return { value, doubtful: false };
  const isLetter = /^[a-zA-Z](?![a-zA-Z])/.test(tail) && currency === '';
  return { value, unit: readUnit(`${currency} ${tail}`), doubtful: isLetter };
}

function startsUnit(token: string, before: string, rest: string): boolean {
  if (token === '\\%' || /^\^ ?\{\\circ\}/.test(rest)) return true;
  if (token === '\\Omega' || /^[€£¢Ω]$/.test(token)) return true;
  if (!/^[a-zA-Z]+$/.test(token) || /^[\^_]$/.test(before)) return false;
  const isApart = before === ' ' || before === '}';
  if (FUNCTION.test(token)) return false;
  if (POWER_BEFORE.has(token)) return true;
  if (token.length === 1) return before === ' ' && lookUp(token) !== undefined;
  if (lookUp(token) !== undefined || token.length >= 4) return true;
  if (token.length === 2) return isApart && SHORT_WORDS.has(token);
  return isApart && /[aeiou]/.test(token) && token !== 'abc';
}

/** Reads words, powers and fraction bars: "cm^{2}", "square cm", "m/s", "red balls". */
function readUnit(text: string): Unit {
  const dimensions = new Map<string, number>();
  const words: string[] = [];
  let scale: Rational = whole(1);
  let multiple: Rational = whole(1);
  let side = 1;
  let pending = 1;
  let last: { entry: Entry; exponent: number } | undefined;
  const apply = (entry: Entry, exponent: number): void => {
    for (const [name, own] of entry.dimensions) {
      dimensions.set(name, (dimensions.get(name) ?? 0) + own * exponent);
    }
    scale = product(scale, power(entry.scale, whole(exponent)) ?? whole(1)) ?? scale;
  };
  for (const [, word, raised] of text
    .replace(/\^ ?\{\\circ\} ?([CF])(?![a-zA-Z])/g, ' \\circ$1 ')
    .replace(/\^ ?\{\\circ\}/g, ' \\circ ')
    .matchAll(/(\\?[a-zA-Z€£¢Ω]+|\\%|\/)|\^\{?(-?\d)\}?/g)) {
    if (raised !== undefined || POWER_AFTER.has(word ?? '')) {
      const exponent = raised === undefined ? POWER_AFTER.get(word ?? '')! : Number(raised);
      if (last) apply(last.entry, last.exponent * (exponent - 1));
      last = undefined;
      continue;
    }
    if (word === undefined) continue;
    const entry = lookUp(word);
    const factor = MULTIPLES.get(word.toLowerCase().replace(/s$/, ''));
    if (word === '/' || word === 'per') side = -1;
    else if (POWER_BEFORE.has(word)) pending = POWER_BEFORE.get(word)!;
    else if (factor !== undefined) multiple = product(multiple, whole(factor)) ?? multiple;
    else if (entry !== undefined) {
      last = { entry, exponent: side * pending };
      apply(entry, side * pending);
      pending = 1;
    } else words.push(word.toLowerCase().replace(/(?<=...)s$/, ''));
  }
  const dimension = [...dimensions]
    .filter(([, exponent]) => exponent !== 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, exponent]) => `${name}^${exponent}`)
    .join(' ');
  return { dimension, scale, multiple, words };
}

/** Whether two units can belong to the same answer; a missing one fits any. */
export function unitsAgree(gold: Unit | undefined, found: Unit | undefined): boolean {
  if (gold === undefined || found === undefined) return true;
  if (gold.dimension !== '' && found.dimension !== '') {
    return gold.dimension === found.dimension || isGeneric(gold, found) || isGeneric(found, gold);
  }
  if (gold.words.length === 0 || found.words.length === 0) return gold.dimension === found.dimension;
  return gold.words.some((word) => found.words.includes(word));
}

/** "square units" stands for any area. */
function isGeneric(generic: Unit, { dimension }: Unit): boolean {
  return generic.dimension.startsWith('unit^') && dimension === generic.dimension.replace('unit', 'length');
}

function lookUp(word: string): Entry | undefined {
  if (word.length <= 2 && !word.startsWith('\\')) return UNITS.get(word);
  const lower = word.toLowerCase();
  return UNITS.get(word) ?? UNITS.get(lower) ?? UNITS.get(lower.replace(/s$/, ''));
}

function readPower(text: string): [string, number] {
  const [name = '', exponent = '1'] = text.split('^');
  return [name, Number(exponent)];
}

function readScale(text: string): Rational {
  const [num = '1', den = '1'] = text.split('/');
  const decimals = num.split('.')[1]?.length ?? 0;
  return { num: BigInt(num.replace('.', '')), den: BigInt(den) * 10n ** BigInt(decimals) };
}
