import { describe, expect, it } from 'vitest';
import { verifyNumber } from '../../src/reward/verify/number.ts';
import { readQuantity } from '../../src/reward/verify/quantity.ts';
import { parseDecimal } from '../../src/reward/verify/rational.ts';
import { cpuMsSince } from './cpu-time.ts';

function score(extracted: string, gold: string, problem = '', tolerance = 0): number {
  return verifyNumber(extracted, gold, { where: 'r:1', problem, tolerance, iouThreshold: null }).score;
}

describe('number', () => {
  it.each([
    ['8', '8'],
    ['8.0', '8'],
    ['08', '8'],
    ['+8', '8'],
    ['-8', '\u22128'],
    ['- 8', '-8'],
    ['x = 8', '8'],
    ['3 + 5 = 8', '8'],
    ['The sum is 8.', '8'],
    ['eight', '8'],
    ['Eight.', '8'],
    ['eight apples', '8'],
    ['8', 'eight'],
    ['8 (8)', '8'],
    ['**8**', '8'],
    ['$8$', '8'],
    ['\\(8\\)', '8'],
    ['\\text{8}', '8'],
    ['\uFF18', '8'],
    ['1,000,000', '1000000'],
    ['1\\,000', '1000'],
    ['1{,}000', '1000'],
    ['$1,234.50', '1234.5'],
    ['1e3', '1000'],
    ['1.2×10^3', '1200'],
    ['1.2 \\times 10^{-3}', '0.0012'],
    ['.5', '0.5'],
    ['1/2', '0.5'],
    ['2/4', '1/2'],
    ['\\frac{1}{2}', '0.5'],
    ['\\dfrac{2}{4}', '\\frac12'],
    ['-\\frac{1}{2}', '-0.5'],
    ['1\\frac{1}{2}', '\\frac{3}{2}'],
    ['1 1/2', '1.5'],
    ['½', '0.5'],
    ['50%', '0.5'],
    ['50\\%', '0.5'],
    ['50 percent', '50%'],
    ['5 cm', '5'],
    ['5', '5 cm'],
    ['5 centimeters', '5 cm'],
    ['5cm', '5 cm'],
    ['5\\text{ cm}', '5'],
    ['5 cm^2', '5 cm²'],
    ['30^\\circ', '30^{\\circ}'],
    ['30°', '30 degrees'],
    ['There are 8 red apples', '8 apples'],
    ['12345678901234567890', '12345678901234567890'],
    ['0.1', '1/10'],
    ['≈8', '8'],
    ['\\approx 8', '8'],
    ['7 + 1 = 8', '8'],
    ['22/7 ≈ 3.14', '3.14'],
    // decimal comma and thousands
    ['3,5', '3.5'],
    ['3,50', '3.5'],
    ['0,125', '0.125'],
    ['1.234,56', '1234.56'],
    ['1.234.567', '1234567'],
    ['1,234', '1234'],
    ['1234', '1,234'],
    ['3.5', '3,5'],
    ['3,500', '3,5'],
    ['12.500', '12,5'],
    ['1 234 567', '1234567'],
    ['1\u2009234,5', '1234.5'],
    ["1'234'567", '1234567'],
    ['1_000', '1000'],
    ['1,\\!000', '1000'],
    ['10{,}000', '10,000'],
    // currency
    ['\\$32,348', '32,348'],
    ['32348', '\\$32,348'],
    ['$5', '5 dollars'],
    ['5 USD', '$5'],
    ['USD 5', '\\$5'],
    ['US$5.00', '$5'],
    ['-$5', '-5'],
    ['€5', '5 euros'],
    ['5 €', '€5'],
    ['£3.20', '3.20 pounds'],
    ['5.4 cents', '5.4 \\text{ cents}'],
    ['$1.5 billion', '1,500,000,000'],
    ['$1.5B', '1.5 billion dollars'],
    ['$5 per hour', '5 $/h'],
    ['¥100', '100 yen'],
    // percent
    ['50%', '50 \\%'],
    ['45', '45%'],
    ['45 percent', '45%'],
    ['0.45', '45%'],
    ['50/100', '50%'],
    ['12.5 per cent', '12.5%'],
    ['5 percentage points', '5%'],
    // units
    ['5 kilometers per hour', '5 km/h'],
    ['5 kph', '5 km/h'],
    ['60 mph', '60 miles per hour'],
    ['9.8 m/s^2', '9.8 \\text{ m/s}^2'],
    ['9.8 meters per second squared', '9.8 m/s²'],
    ['9.8 m s^-2', '9.8 m/s^2'],
    ['12 square meters', '12 m^2'],
    ['12 sq. cm', '12\\text{ cm}^2'],
    ['12 cubic feet', '12 ft^3'],
    ['12\\,\\mathrm{cm}^{2}', '12 cm²'],
    ['20 degrees Celsius', '20 °C'],
    ['20', '20°C'],
    ['20°', '20 °C'],
    ['30^\\circ', '30 deg'],
    ['90\\degree', '90'],
    ['6 feet', '6 ft'],
    ['5 inches', '5 in'],
    ['There are 8 in the picture', '8 circles'],
    ['8 in total', '8 cm'],
    ['2 hours', '2 hrs'],
    ['5 years old', '5 years'],
    ['4 p.m.', '4 PM'],
    ['3 people', '3 persons'],
    ['12 boxes', '12 box'],
    ['100 m', '100 meters long'],
    // scientific
    ['1.2e3', '1200'],
    ['1.2 x 10^{3}', '1200'],
    ['1.2·10³', '1200'],
    ['1.2 * 10^3', '1.2\\times10^{3}'],
    ['2\\times10^{-4}', '0.0002'],
    ['2×10⁻⁴', '2e-4'],
    ['10^3', '1000'],
    ['10^{3}', '1,000'],
    ['3E5', '300000'],
    // magnitudes and words
    ['3 million', '3000000'],
    ['3M', '3,000,000'],
    ['2k', '2000'],
    ['2.5 thousand', '2500'],
    ['three million', '3000000'],
    ['twenty-one', '21'],
    ['Twenty one', '21'],
    ['one hundred and five', '105'],
    ['a hundred', '100'],
    ['two thousand three hundred forty-five', '2345'],
    ['one million two hundred thousand', '1200000'],
    ['a dozen', '12'],
    ['two dozen', '24'],
    ['one half', '1/2'],
    ['half', '0.5'],
    ['a third', '1/3'],
    ['two thirds', '2/3'],
    ['two-thirds', '2/3'],
    ['three quarters', '0.75'],
    ['three and a half', '3.5'],
    ['2 and a half', '2.5'],
    ['negative seven', '-7'],
    ['minus 7', '-7'],
    ['zero', '0'],
    ['one', '1'],
    ['The answer is one.', '1'],
    ['there is one circle', '1'],
    ['The number of circles is seven.', '7'],
    ['seven (7)', '7'],
    ['The two lines cross 3 times.', '3'],
    // ordinals
    ['3rd', 'third'],
    ['third', '3rd'],
    ['third', '3rd place'],
    ['the twenty-first', '21st'],
    ['second', '2nd'],
    ['2', '2nd'],
    // fractions
    ['1½', '1.5'],
    ['2 ¾', '11/4'],
    ['⅔', '2/3'],
    ['1 / 2', '0.5'],
    ['\\tfrac{3}{4}', '0.75'],
    ['-3/4', '-0.75'],
    ['1-1/2', '1.5'],
  ])('%j is %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(1);
    expect(score(gold, gold)).toBe(1);
  });

  it.each([
    ['9', '8'],
    ['-8', '8'],
    ['±8', '8'],
    ['\\pm 8', '8'],
    ['7 or 8', '8'],
    ['8 or 9', '8'],
    ['1 2 3 4 5 6 7 8 9', '8'],
    ['3+5', '8'],
    ['13-5', '8'],
    ['2^4', '8'],
    ['2^3 - 0', '8'],
    ['12 \\times 12', '144'],
    ['7\\cdot 8', '56'],
    ['8!', '8'],
    ['2\\sqrt{2}', '2'],
    ['4\\sqrt(2)', '4'],
    ['8x', '8'],
    ['>8', '8'],
    ['<= 8', '8'],
    ['8:30', '8'],
    ['8/0', '8'],
    ['A8', '8'],
    ['not a number', '8'],
    ['no one knows', '1'],
    ['infinity', '8'],
    ['NaN', '8'],
    ['0x8', '8'],
    ['50%', '50'],
    ['5 m', '5 cm'],
    ['4 am', '4 pm'],
    ['1,00', '100'],
    ['\\frac{1}{2}', '\\frac{1}{3}'],
    ['0.333', '1/3'],
    ['0.0000001', '0.0000002'],
    ['1/2004', '1/2006'],
    ['12345678901234567891', '12345678901234567890'],
    ['1e999999', '8'],
    ['9'.repeat(1000), '9'],
    ['8\u0000', '8.5'],
    ['3,5', '5'],
    ['3,5', '35'],
    ['1,234', '1.234'],
    ['1.234', '1,234'],
    ['1,2,3', '3'],
    ['(3,5)', '3.5'],
    ['1 2', '12'],
    ['0.45', '45'],
    ['45%', '45'],
    ['45', '0.45'],
    ['800', '8'],
    ['0.45%', '45%'],
    ['4500', '45%'],
    ['$5', '5 euros'],
    ['50 cents', '$50'],
    ['5 mph', '5 km/h'],
    ['5 m', '5 m^2'],
    ['5 m/s', '5 m/s^2'],
    ['3 s', '3 m'],
    ['20 °F', '20 °C'],
    ['8 apples', '8 oranges'],
    ['2 times 2', '2'],
    ['2 by 2', '2'],
    ['3 lb', '3 kg'],
    ['£3', '3 lb'],
    ['8 km', '8 apples'],
    ['2n', '2'],
    ['2 x', '2'],
    ['2xy', '2'],
    ['2 pi', '2'],
    ['2 times 4', '2'],
    ['8 squared', '8'],
    ['f(8)', '8'],
    ['10^4', '1000'],
    ['2^3', '3'],
    ['10^{10^{10}}', '10'],
    ['7 = 8', '8'],
    ['x = 7, y = 8', '8'],
    ['1 = 2 = 3 = 8', '8'],
    ['x=1, x=2, x=8', '8'],
    ['x = 7 or x = 8', '8'],
    ['1 ≈ 3 ≈ 8', '8'],
    ['7\n8', '8'],
    ['three or four', '3'],
    ['between 4 and 5', '5'],
    ['one two three four', '4'],
    ['two 3', '3'],
    ['second', '2'],
    ['no one', '1'],
    ['the red one', '1'],
    ['one of them', '1'],
    ['twenty third', '23'],
    ['a second', '2'],
    ['fourth', '3rd'],
    ['3 million', '3'],
    ['3M', '3'],
    ['3-5', '3'],
    ['3–5', '5'],
    ['3 to 5', '5'],
    ['3 ± 1', '3'],
    ['3:4', '3'],
    ['3:3', '3'],
    ['3:45', '3'],
    ['2020-01-05', '2020'],
    ['1.2.3', '1.2'],
    ['not 8', '8'],
    ['it is not equal to 8', '8'],
    ['more than 8', '8'],
    ['less than 8', '8'],
    ['8 or more', '8'],
    ['8+', '8'],
    ['1990s', '1990'],
    ['8ab', '8'],
    ['0.333...', '0.333'],
    ['1, 2, ..., 8', '8'],
  ])('%j is not %j', (extracted, gold) => {
    expect(score(extracted, gold)).toBe(0);
  });

  it('allows a relative error where one is configured', () => {
    expect(score('0.333', '1/3', '', 0.01)).toBe(1);
    expect(score('101', '100', '', 0.01)).toBe(1);
    expect(score('-101', '-100', '', 0.01)).toBe(1);
    expect(score('101.0001', '100', '', 0.01)).toBe(0);
    expect(score('-100', '100', '', 0.01)).toBe(0);
    expect(score('0.0001', '0', '', 0.01)).toBe(0);
    expect(score('0', '0.0', '', 0.01)).toBe(1);
  });

  it('throws for a gold answer that is no number', () => {
    expect(() => score('8', 'a cat')).toThrow(/r:1[^]*a number[^]*no number/);
    expect(() => score('8', '7 or 8')).toThrow(/several different numbers/);
  });

  it('reads decimals exactly', () => {
    expect(parseDecimal('-1,234.5e-2')).toEqual({ num: -12345n, den: 1000n });
    expect(parseDecimal('1e301')).toBeUndefined();
    expect(parseDecimal('.')).toBeUndefined();
    expect(parseDecimal('')).toBeUndefined();
    expect(parseDecimal('1,23')).toBeUndefined();
  });
  it('takes a percent sign more where the problem asks for percents', () => {
    expect(score('45%', '45', 'What percentage of people said yes?')).toBe(1);
    expect(score('0.45', '45', 'What percentage of people said yes?')).toBe(0);
    expect(score('45%', '45', 'How many people said yes?')).toBe(0);
  });

  it('tells a number from a text that holds one', () => {
    const bare = (text: string): boolean => {
      const quantity = readQuantity(text);
      return typeof quantity !== 'string' && quantity.bare;
    };
    for (const text of ['8', '-1/2', '1,000', '5 cm', '45%', '$5', 'seven', '5 apples', '3 million']) {
      expect(bare(text), text).toBe(true);
    }
    for (const text of [
      '3,5',
      'Seven Samurai',
      '7 Up',
      'Route 66',
      '10 Downing Street',
      'third',
      'x = 5',
      'vitamin B12',
      'the left one',
    ]) {
      expect(bare(text), text).toBe(false);
    }
  });

  // Linear work takes a few milliseconds here, backtracking would take seconds.
  const LIMIT_MS = 50;
  it.each([
    '1',
    '1,',
    '1,000',
    '1.000',
    '1 000',
    '1 1/',
    '1/',
    '1/2 ',
    '-',
    '=',
    '1=',
    '≈',
    '1e',
    '×10^',
    '10^',
    '{,}',
    '\\,',
    "1'",
    'one ',
    'one-',
    'a hundred ',
    'one and ',
    'half a ',
    'million ',
    'not ',
    '5 m/',
    'm/s^2 ',
    '5 m ',
    '$1',
    '$',
    '% ',
    '½',
    '\\frac{',
    '\\frac{1}{',
    '\\text{',
    '{',
    '³',
    '5 or more ',
    'e',
    ' ',
    '\t',
    'é',
    '°',
    '1:',
  ])('stays fast on many %j', (part) => {
    const hostile = part.repeat(Math.floor(2000 / part.length));
    const start = process.cpuUsage();
    expect(score(hostile, '8')).toBe(0);
    readQuantity(hostile);
    expect(cpuMsSince(start)).toBeLessThan(LIMIT_MS);
  });
});

it.each([
  ['2^3', '8'],
  ['2^{10}', '1024'],
  ['10^{-3}', '0.001'],
  ['5²', '25'],
  ['\\sqrt{16}', '4'],
  ['x = \\sqrt{25}', '5'],
  ['-\\sqrt{9}', '-3'],
  ['\\frac{10}{2}', '5'],
  ['\\frac{\\sqrt{4}}{4}', '1/2'],
  ['5!', '120'],
  ['\\binom{10}{3}', '120'],
  ['6^2 cm^2', '36'],
])('%j has the value %j', (extracted, gold) => {
  expect(score(extracted, gold)).toBe(1);
});
