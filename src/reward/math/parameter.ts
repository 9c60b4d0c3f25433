/** Families of solutions such as 2k\pi + \frac{\pi}{6} with k \in \mathbb{Z}: their parameter's name says nothing. */

const STATEMENT =
  /(?<![a-zA-Z\\])([a-zA-Z]) ?(?:\\in ?\\mathbb ?\{?[ZN]|(?:is|being) an? (?:arbitrary |any |positive )?integer)/;
const USUAL = 'knmltpq'.split('');

/** Both texts with the integer parameter of the gold answer under one name, where it has one. */
export function alignParameters(gold: string, found: string): [string, string] {
  const [, own] = STATEMENT.exec(gold) ?? [];
  if (own === undefined) return [gold, found];
  const [, stated] = STATEMENT.exec(found) ?? [];
  const candidates = USUAL.filter((letter) => isolated(letter).test(found) && !isolated(letter).test(gold));
  const other =
    stated ?? (isolated(own).test(found) ? own : candidates.length === 1 ? candidates[0] : undefined);
  if (other === undefined || other === own || isolated(own).test(found)) return [gold, found];
  return [gold, found.replace(isolated(other), own)];
}

/** The letter alone, as a variable is written. */
function isolated(letter: string): RegExp {
  return new RegExp(String.raw`(?<![a-zA-Z\\])${letter}(?![a-zA-Z])`, 'g');
}
