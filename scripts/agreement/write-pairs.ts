/** Writes the generated pairs as lines "label, family, gold, answer" with tabs between. Argument: the seed. */
import { agreementPairs } from './pairs.ts';

for (const { label, family, gold, answer } of agreementPairs(Number(process.argv[2] ?? 1))) {
  console.log([label ? 'right' : 'wrong', family, gold, answer].join('\t'));
}
