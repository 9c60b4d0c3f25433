/** Units of measure by their many names. Nothing is converted: 5 m and 500 cm are different answers. */

/** Each line one unit: its short name, then its other names in the singular. A slash makes a quotient. */
const LINES = `
nm nanometer nanometre
µm μm um micrometer micrometre micron
mm millimeter millimetre
cm centimeter centimetre
dm decimeter decimetre
m meter metre
km kilometer kilometre
in inch inches
ft foot feet
yd yard
mi mile
px pixel
mg milligram milligramme
g gram gramme gr gm
kg kilogram kilogramme kilo
t tonne
ton
lb lbs
pound
oz ounce
ml milliliter millilitre mL
cl centiliter centilitre cL
l liter litre L
gal gallon
cup
ms millisecond
s sec second
min minute mins
h hr hour hrs
d day
wk week
mo month
yr year
ha hectare
acre
mi/h mph
km/h kmh kph kmph
ft/s fps
° deg degree
°C celsius centigrade
°F fahrenheit
rad radian
K kelvin
N newton
J joule
kJ kilojoule
cal calorie
kcal kilocalorie
W watt
kW kilowatt
MW megawatt
GW gigawatt
kWh kilowatt-hour
V volt
A amp ampere
mA milliampere
Ω ohm
Hz hertz
kHz kilohertz
MHz megahertz
GHz gigahertz
Pa pascal
kPa kilopascal
bar
atm
mol mole
dB decibel
bit
byte
KB kB kilobyte
MB megabyte
GB gigabyte
TB terabyte
﹩ dollar usd us﹩
¢ cent
€ euro eur
£ gbp quid
¥ yen jpy yuan cny rmb
₹ rupee inr rs
₩ won krw
₽ ruble rouble rub
am
pm
unit
`;

const NAMES: ReadonlyMap<string, string> = new Map(
  LINES.trim()
    .split('\n')
    .map((line) => line.split(' '))
    .flatMap((names) => names.map((name): [string, string] => [name, names[0] ?? name])),
);

/** What may stand before a number as its currency; a dollar sign has become ﹩ by then. */
export const CURRENCY_IN_FRONT =
  /(?<![\p{L}\p{N}])(US﹩|[﹩€£¥₹₩₽]|USD|EUR|GBP|JPY|CNY|INR|Rs\.?) ?(?=[+-]?[\d.])/iu;

const SPACED = /(?: ?([·*/]) ?| (per|an?) | )/y;
const FACTOR =
  /(?:(square|cubic|sq\.?|cu\.?) )?(°[CF]?|[﹩¢€£¥₹₩₽]|\p{L}{1,20}(?:-hour)?)(?:(?:\^[{(]?(-?[1-4])[)}]?)|([²³])|([⁻]¹)|([⁻]²)| (squared|cubed)\b)?/uy;
/** A factor after a mere space must be one of these, or the next word of a sentence would join the unit. */
const AFTER_SPACE = new Set(['m', 'cm', 's', 'K', 'N', 'J', 'W', 'V', 'A', 'mol', 'kg']);
const MAX_FACTORS = 6;

/**
 * One unit by its canonical name; undefined when the word is none. Names of one letter are read to the letter
 * (5 n are no newtons), others in any case and in the plural.
 */
export function unitName(word: string): string | undefined {
  const exact = NAMES.get(word);
  if (exact !== undefined || word.length === 1) return exact;
  const lower = word.toLowerCase();
  return (
    NAMES.get(lower) ?? (lower.length > 2 && lower.endsWith('s') ? NAMES.get(lower.slice(0, -1)) : undefined)
  );
}

/**
 * The unit that a text begins with, with its powers: "m/s^2", "square meters", "km per hour".
 * @returns the canonical form ("m s^-2") and where the text goes on; undefined when it begins with none.
 */
export function readUnit(text: string): { unit: string; end: number } | undefined {
  const powers = new Map<string, number>();
  let position = 0;
  let sign = 1;
  let spaced = false;
  for (let factor = 0; factor < MAX_FACTORS; factor++) {
    FACTOR.lastIndex = position;
    const match = FACTOR.exec(text);
    const name = match?.[2] === undefined ? undefined : unitName(match[2]);
    if (!match || name === undefined || (spaced && !AFTER_SPACE.has(match[2] ?? ''))) break;
    // "8 in the picture" counts no inches.
    if (match[2] === 'in' && /^ \p{L}/u.test(text.slice(FACTOR.lastIndex))) break;
    const power = sign * powerOf(match);
    const [over = '', under] = name.split('/');
    powers.set(over, (powers.get(over) ?? 0) + power);
    if (under !== undefined) powers.set(under, (powers.get(under) ?? 0) - power);
    position = FACTOR.lastIndex;
    SPACED.lastIndex = position;
    const join = SPACED.exec(text);
    if (!join) return { unit: canonical(powers), end: position };
    spaced = join[1] === undefined && join[2] === undefined;
    if (join[1] === '/' || join[2] !== undefined) sign = -1;
    const next = SPACED.lastIndex;
    FACTOR.lastIndex = next;
    const following = FACTOR.exec(text)?.[2];
    const goesOn = following !== undefined && unitName(following) !== undefined;
    if (!goesOn || (spaced && !AFTER_SPACE.has(following))) return { unit: canonical(powers), end: position };
    position = next;
  }
  return powers.size === 0 ? undefined : { unit: canonical(powers), end: position };
}

function powerOf([, shape, , power, raised, inverse, inverseSquare, word]: RegExpExecArray): number {
  if (shape !== undefined) return /^sq/i.test(shape) ? 2 : 3;
  if (power !== undefined) return Number(power);
  if (raised !== undefined) return raised === '²' ? 2 : 3;
  if (inverse !== undefined) return -1;
  if (inverseSquare !== undefined) return -2;
  if (word !== undefined) return word === 'squared' ? 2 : 3;
  return 1;
}

function canonical(powers: ReadonlyMap<string, number>): string {
  return [...powers]
    .filter(([, power]) => power !== 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, power]) => (power === 1 ? name : `${name}^${power}`))
    .join(' ');
}

/** Names that leave open which of these units is meant. */
const VAGUE: Readonly<Record<string, readonly string[]>> = { '°': ['°C', '°F'], pound: ['lb', '£'] };

/** Whether two canonical units are the same; degrees may leave out their scale, and a pound is money or weight. */
export function sameUnit(a: string, b: string): boolean {
  return a === b || VAGUE[a]?.includes(b) === true || VAGUE[b]?.includes(a) === true;
}
