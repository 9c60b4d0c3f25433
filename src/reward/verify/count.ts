/** Counts: a whole number from 0 on, in digits or in words, alone or in a sentence that states no other number. */
import { differenceOf } from './compare-quantities.ts';
import { plainText } from './plain-text.ts';
import { type Quantity, readQuantity } from './quantity.ts';
import { badGold, RIGHT, type Verifier, wrong } from './verdict.ts';

/** Judges a count exactly; no tolerance applies. */
export const verifyCount: Verifier = (extracted, gold, context) => {
  const right = readCount(gold, context.problem);
  if (typeof right === 'string') throw badGold(context, 'count', 'a whole number from 0 on', gold, right);
  const found = readCount(extracted, context.problem);
  if (typeof found === 'string') return wrong(found);
  const difference = differenceOf(found, right, 0, false);
  return difference === undefined ? RIGHT : wrong(difference);
};

function readCount(text: string, problem: string): Quantity | string {
  const quantity = readQuantity(text);
  if (typeof quantity === 'string')
    return quantity === 'no number' && countsNothing(text, problem) ? NOTHING : quantity;
  const { num, den } = quantity.value;
  return num < 0n || num % den !== 0n || quantity.percent ? 'not a whole number from 0 on' : quantity;
}

const NOTHING: Quantity = {
  value: { num: 0n, den: 1n },
  percent: false,
  unit: '',
  words: [],
  bare: false,
  comma: false,
};

/** "None", and "there are no circles" where the problem asks how many circles; "no idea" is no count. */
function countsNothing(text: string, problem: string): boolean {
  const words = plainText(text).split(' ');
  const said = words.slice(words[0] === 'there' ? 2 : 0);
  if (said.length === 1 && (said[0] === 'none' || said[0] === 'nothing')) return true;
  const asked = /how many ((?:[\p{L}\p{N}-]{1,30}[ ,?]){1,4})/iu.exec(`${problem.slice(0, 2000)} `)?.[1];
  if (said[0] !== 'no' || asked === undefined) return false;
  const things = plainText(asked).split(' ');
  return said.slice(1, 4).some((word) => word.length > 2 && things.includes(word));
}
