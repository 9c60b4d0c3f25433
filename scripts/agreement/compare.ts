/**
 * Compares three columns: the label that the generator knows, this project's verdict, and math-verify's. Argument:
 * the file that math_verify_verdicts.py wrote.
 */
import { readFileSync } from 'node:fs';
import { verifyMath } from '../../src/reward/verify/math.ts';

const CONTEXT = { where: 'compare', problem: '', tolerance: 0, iouThreshold: null };

interface Tally {
  pairs: number;
  ours: number;
  theirs: number;
  falseYes: number;
  falseNo: number;
  disagreements: string[];
}

const families = new Map<string, Tally>();
const [, , path = 'test/golden/agreement/math-verify.tsv'] = process.argv;
for (const line of readFileSync(path, 'utf8').trimEnd().split('\n')) {
  const [label = '', theirs = '', family = '', gold = '', answer = ''] = line.split('\t');
  const ours = verifyMath(answer, gold, CONTEXT).score === 1 ? 'right' : 'wrong';
  const tally = families.get(family) ?? {
    pairs: 0,
    ours: 0,
    theirs: 0,
    falseYes: 0,
    falseNo: 0,
    disagreements: [],
  };
  families.set(family, tally);
  tally.pairs++;
  if (ours === label) tally.ours++;
  if (theirs === label) tally.theirs++;
  else if (theirs === 'right') tally.falseYes++;
  else tally.falseNo++;
  if (ours !== theirs)
    tally.disagreements.push(`${label}: ours ${ours}, math-verify ${theirs}: ${gold} | ${answer}`);
}

console.log(
  '| family | pairs | ours | math-verify | its false yes | its false no |\n|---|---|---|---|---|---|',
);
const rows = [...families].map(([name, tally]) => ({ name, ...tally }));
const sum = (key: 'pairs' | 'ours' | 'theirs' | 'falseYes' | 'falseNo') =>
  rows.reduce((total, row) => total + row[key], 0);
for (const { name, pairs, ours, theirs, falseYes, falseNo } of rows) {
  console.log(`| ${name} | ${pairs} | ${ours} | ${theirs} | ${falseYes} | ${falseNo} |`);
}
console.log(
  `| all | ${sum('pairs')} | ${sum('ours')} | ${sum('theirs')} | ${sum('falseYes')} | ${sum('falseNo')} |`,
);
for (const { name, disagreements } of rows) {
  for (const disagreement of new Set(disagreements)) console.log(`${name}: ${disagreement}`);
}
