import { describe, expect, it } from 'vitest';
import { verifyChoice } from '../../src/reward/verify/choice.ts';
import { verifyCount } from '../../src/reward/verify/count.ts';
import { verifyList } from '../../src/reward/verify/list.ts';
import { verifyNumber } from '../../src/reward/verify/number.ts';
import { verifyRelaxed } from '../../src/reward/verify/relaxed.ts';
import { verifyText } from '../../src/reward/verify/text.ts';
import type { Verifier } from '../../src/reward/verify/verdict.ts';
import { verifyYesNo } from '../../src/reward/verify/yes-no.ts';

const VERIFIERS: Readonly<Record<string, [verifier: Verifier, problem: string]>> = {
  number: [verifyNumber, ''],
  count: [verifyCount, 'How many circles are there?'],
  choice: [verifyChoice, 'Which is largest?\n(A) 7 (B) 9 (C) a red ball (D) None of the above'],
  yes_no: [verifyYesNo, ''],
  text: [verifyText, ''],
  list: [verifyList, ''],
  relaxed: [verifyRelaxed, ''],
};

/** Answers as models write them: verifier | answer | gold answer. */
const RIGHT = String.raw`
number | The answer is 8 | 8
number | Answer: 8 | 8
number | 8 (eight) | 8
number | 8. | 8
number | \text{8} | 8
number | $8$. | 8
number | \(x=8\) | 8
number | x=8 cm | 8
number | The area is 12 square centimeters. | 12
number | 12 cm^{2} | 12 cm²
number | 12\text{ cm}^2 | 12 cm^2
number | The total cost is $15.50. | 15.5
number | $15.50 | \$15.50
number | 15.50 dollars | \$15.50
number | about 8 | 8
number | approximately 3.14 | 3.14
number | So, the answer is 42 apples. | 42
number | 42 apples in total | 42 apples
number | \frac{3}{4} | 0.75
number | 3/4 of the pie | 3/4
number | three fourths | 0.75
number | 1,234,567.89 | 1234567.89
number | 2.5 hours | 2.5 h
number | 5 o'clock | 5
number | 5 o'clock | 5 o'clock
number | 45 degrees | 45^\circ
number | 45 degrees | 45°
number | ∠ABC = 45° | 45
number | m\angle ABC = 45^{\circ} | 45
number | \angle A = 45^\circ | 45
number | x \approx 3.14 | 3.14
number | 75\% | 75%
number | 75\% | 0.75
number | -0.5 | -1/2
number | −3 | -3
number | (8) | 8
number | [8] | 8
number | {8} | 8
number | "8" | 8
number | '8' | 8
number | *8* | 8
number | _8_ | 8
number | 8 units | 8
number | 8 units^2 | 8
number | 8 sq units | 8
number | 8 square units | 8
number | 8 square units | 8 units^2
number | 8\text{ square units} | 8
number | 6.02e23 | 6.02 \times 10^{23}
number | 6.02×10²³ | 6.02e23
number | It takes 3 days. | 3
number | Jane has 5 more apples than Tom. | 5
number | 5 more | 5
number | There are five triangles. | 5
number | Five | 5
number | a total of 7 | 7
number | 7 in all | 7
number | 24 km/hr | 24 km/h
number | 24 km per hour | 24 km/h
number | 24 kilometers an hour | 24 km/h
number | 8 is the answer | 8
number | No. 8 | 8
number | Number 8 | 8
number | #8 | 8
number | 1 hundred | 100
number | Rs. 500 | 500
number | 500 rupees | ₹500
number | 10^{-3} | 0.001
number | 0.001 | 10^{-3}
number | 2.0 \times 10^{3} | 2000
number | 3 \frac{1}{2} | 3.5
number | 3\tfrac12 | 3.5
number | \frac{7}{2} | 3 1/2
number | 100\,000 | 100000
number | 100\ 000 | 100000
number | 30 % | 30%
number | 30 pct | 30%
number | 1st | 1
number | 8 (approximately) | 8
number | ~8 | 8
number | 8 or 8.0 | 8
number | 8 = 8 | 8
number | 2 + 6 = 8 apples | 8
number | 8 kg | 8 kilograms
number | 8kg | 8 kg
number | 8 Kg | 8 kg
number | 8 KG | 8 kg
number | 8 m² | 8 m^2
number | 8 ㎡ | 8 m^2
number | 8 sec | 8 seconds
number | 8 min | 8 minutes
number | 8 lbs | 8 pounds
number | 8 L | 8 liters
number | 15 N·m | 15 N m
number | 9.8 m/s² | 9.8 m/s^2
number | 9.8 \mathrm{~m} / \mathrm{s}^{2} | 9.8 m/s^2
number | 5 \mathrm{~cm} | 5 cm
number | 20 kmph | 20 km/h
number | 300 K | 300 K
number | \text{Rs. }500 | 500
number | 5.4 cents | 5.4\text{ cents}
number | 32348 | \$32,348
number | $\$32,348$ | 32348
number | \frac{1}{2}\text{ hour} | 0.5
number | half an hour | 0.5
number | twelve hundred | 1200
number | two point five | 2.5
number | one thousand two hundred and thirty-four | 1234
number | nineteen eighty-four | 1984
number | minus three | -3
number | four-fifths | 4/5
number | five | 5.0
number | The value of $x$ is $8$. | 8
number | $x$ = 8 | 8
number | 8 \text{ apples} | 8
number | AB = 8 | 8
number | $AB=8$ cm | 8 cm
number | x_1 = 8 | 8
number | f(3) = 8 | 8
number | 8^\circ C | 8 °C
number | 8 °C | 8 degrees Celsius
number | 8,0 | 8
number | $1.00 | 1
number | 1e-5 | 0.00001
count | There are five (5) circles in the image. | 5
count | 5 of them | 5
count | I can see 5 circles | 5
count | The image contains 5 circles | 5
count | Five. | 5
count | There is one circle | 1
count | There is only one | 1
count | 0 circles | 0
choice | B) 9 | B
choice | (b) | B
choice | Answer: B | B
choice | The answer is B | B
choice | The answer is option B | B
choice | I choose B | B
choice | Choice B | B
choice | B is correct | B
choice | B is the correct answer | B
choice | Option (B): 9 | B
choice | $\boxed{B}$ | B
choice | \mathrm{B} | B
choice | B - 9 | B
choice | B – 9 | B
choice | B, 9 | B
choice | "B. 9" | B
choice | The red ball | C
choice | red ball | C
choice | It is a red ball | C
choice | The correct answer is C. a red ball | C
choice | None of the above | D
choice | Therefore, the answer is B. | B
choice | B because 9 is the largest | B
choice | A | A
choice | A is correct | A
choice | A. | A
choice | The answer is A | A
yes_no | Yes, because they overlap. | yes
yes_no | Yes - they overlap | Yes
yes_no | yes! | Yes
yes_no | No, they don't | No
yes_no | No; there is a gap. | no
yes_no | The answer is yes | yes
yes_no | It is true | true
yes_no | That is false | false
yes_no | This statement is False. | false
yes_no | TRUE | true
yes_no | Answer: true | true
yes_no | The two circles do not overlap: no | no
yes_no | They do not overlap, so no | no
yes_no | I'd say yes | yes
yes_no | Yes, the circles are not separate | yes
yes_no | True. | True
yes_no | **True** | true
yes_no | \text{True} | true
yes_no | The statement is true because there is a yellow box. | true
yes_no | The claim is not true | false
text | Mount Everest | mount everest
text | it is a cat | a cat
text | It's Paris | Paris
text | Paris. | paris
text | "Paris" | Paris
text | San Francisco | san francisco
text | blue-green | blue green
text | U.S.A. | USA
text | St. Louis | St Louis
text | Dr. Smith | Dr Smith
text | O'Brien | OBrien
text | 5:30 | 5:30
text | 5:30 PM | 5:30 p.m.
text | June 20, 2010 | June 20 2010
text | x^2 | x^2
text | co-operate | cooperate
text | 10 am | 10am
list | apple, banana & cherry | apple, banana, cherry
list | Apple, Banana, and Cherry. | cherry, banana, apple
list | (1) apple; (2) banana | apple, banana
list | {1,2,3} | 3,2,1
list | 1 and 2 | 1, 2
list | x = 1, x = 2 | 1, 2
list | $1$, $2$ | 1, 2
list | A, B | A and B
relaxed | 45.3% | 45.3
relaxed | about 100 | 100
relaxed | $100 | 100
relaxed | Around 2,300 | 2299
`;

const WRONG = String.raw`
number | 8 or nine | 8
number | either 7 or 8 | 8
number | 7, 8 | 8
number | 7/8 | 8
number | 8% | 8
number | 8 thousand | 8
number | 8k | 8
number | (7,8) | 8
number | 7;8 | 8
number | 7 8 | 8
number | 78 | 8
number | 8 to 10 | 8
number | 8-10 | 8
number | 8±1 | 8
number | 8x | 8
number | 8i | 8
number | 8π | 8
number | 8\pi | 8
number | 8 pi | 8
number | \sqrt{8} | 8
number | sqrt 8 | 8
number | 8\sqrt{3} | 8
number | 8^2 | 8
number | 2^8 | 8
number | x^8 | 8
number | log 8 | 8
number | 8! | 8
number | |8| | 8
number | 1/8 | 8
number | 8 mod 3 | 8
number | 8 choose 3 | 8
number | 8 cm | 8 m
number | 8 cm² | 8 cm
number | 80% | 80
number | -8 | 8
number | not 8 | 8
number | 8 is wrong | 8
number | 8 is not the answer | 8
number | 8 dozen | 8
number | eight hundred | 8
number | eighth | 8
number | 1 8 | 8
number | x > 8 | 8
number | x ≤ 8 | 8
number | x \ge 8 | 8
number | 8 < x | 8
number | f(8) | 8
number | x_8 | 8
number | 8 7/8 | 8
number | page 7 of 8 | 8
number | 8 million | 8
number | 08:00 | 8
number | 8:00 | 8
number | 8/9/2020 | 8
number | 8.8.8 | 8
number | 0b1000 | 8
number | 0x8 | 8
number | 8e | 8
number | 8e8 | 8
number | ∞ | 8
number | 8∞ | 8
number | 8 vs 9 | 8
number | option 8 or option 9 | 8
number | one | 8
number | maybe 8, maybe 9 | 8
number | 8th or 9th | 8
number | <8> | 9
number | 8 = 9 | 8
number | 8 = 9 | 9
number | 7 → 8 | 8
number | {7, 8} | 8
number | 1,8 | 8
number | 8,1 | 8
number | two eights | 8
number | 8 and a half | 8
number | 8 1/2 | 8
number | 3 hours | 3 minutes
number | 3 s | 3 m
number | 5 cats | 5 dogs
number | $5 | €5
number | 0.33 | 1/3
number | 33% | 1/3
count | 5 or 6 | 5
count | 5-6 circles | 5
count | at most 5 | 6
count | two or three | 2
choice | A or B | B
choice | A and B | B
choice | A/B | B
choice | All of the above | D
choice | C or none of the above | C
choice | 9 or 7 | B
choice | 7 | B
choice | 99 | B
choice | I think A or B | B
choice | either B or C | B
choice | B? C? | B
choice | B C | B
choice | BC | B
choice | B) 7 | B
choice | not B | B
choice | anything but B | B
choice | I don't know | D
choice | E | B
choice | Ball | B
choice | b c | B
choice | Both B and C | B
yes_no | maybe yes | no
yes_no | not yes | yes
yes_no | yes or no | yes
yes_no | no yes | no
yes_no | Yes and no | no
yes_no | true false | true
yes_no | I can't say yes | yes
yes_no | There is no way to say | no
yes_no | Unknown | no
yes_no | none | no
yes_no | nothing | no
yes_no | not sure | no
yes_no | n/a | no
yes_no | North | no
text | not Paris | Paris
text | Paris or London | Paris
text | Pari | Paris
text | London, Paris | Paris
list | apple | apple, banana
list | apple or banana | apple, banana
list | apple, banana, cherry, date | apple, banana, cherry
list | apple, apple | apple, banana
list | 1, 2, 3, 4, 5, 6, 7, 8, 9 | 1, 2
relaxed | 2011 | 2012
relaxed | 150 | 100
relaxed | 1,2 | 12
number | 8 and 8 | 8
number | an hour and a half | 0.5
`;

function rows(table: string): [name: string, answer: string, gold: string][] {
  return table
    .trim()
    .split('\n')
    .map((line) => {
      const [name = '', ...parts] = line.split(' | ');
      return [name, parts.slice(0, -1).join(' | '), parts.at(-1) ?? ''];
    });
}

function score(name: string, answer: string, gold: string): number {
  const [verify, problem] = VERIFIERS[name]!;
  return verify(answer, gold, { where: 'r:1', problem, tolerance: 0, iouThreshold: null }).score;
}

describe('answers as models write them', () => {
  it.each(rows(RIGHT))('%s: %j is %j', (name, answer, gold) => {
    expect(score(name, answer, gold)).toBe(1);
    expect(score(name, gold, gold)).toBe(1);
  });

  it.each(rows(WRONG))('%s: %j is not %j', (name, answer, gold) => {
    expect(score(name, answer, gold)).toBe(0);
  });
});
