/** Words around an answer: "The area is …", "Answer: …", "so x = 3." */

/** Words that lead to what follows them. */
const CUE = /(?<![a-zA-Z\\])(?:is|are|equals|equal to|be|becomes|gives|yields)(?![a-zA-Z]):? ?/g;
const LEAD =
  /^(?:(?:so|thus|hence|therefore|then|and|finally|approximately|approx\.?|about|roughly|around|exactly|only|either|at|(?:the )?(?:final |correct |exact )?(?:answers?|solutions?|result|value|values)|option|choice|we (?:get|have|find|obtain)|it is|\\therefore|\\approx|\\Rightarrow|\\to|\\boxed)(?![a-zA-Z])[:,]?|:) ?/i;
/** A label of words and a colon; a ratio has digits before its colon. */
const LABEL = /^[A-Za-z][A-Za-z' ]{1,60}: ?(?=\S)/;
/** "1/3 (about 0.33)" */
const REMARK = / ?\((?:approximately|approx\.?|about|roughly|or about|\\approx)[^()]{1,60}\)$/i;
/** "3 (bolts)" */
const BRACKETED_WORDS = / \((?!base)([a-zA-Z ]{2,40})\)$/;
/** Words around one plain number: "Janet makes $18 every day". */
const SENTENCE =
  /^[A-Za-z']{1,20}(?: [A-Za-z']{1,20}){1,12} (?:€|£)?-?\d[\d,]{0,20}(?:\.\d{1,20})?(?: ?\\%)?(?:,? [A-Za-z]{1,20}){0,12}$/;
/** What makes the number of a sentence another one, or none. */
const DOUBT =
  /(?<![a-zA-Z])(?:not?|nor|or|but|never|maybe|perhaps|possibly|wrong|less|more|least|most|than|between|half|twice|page|step|base|per|if)(?![a-zA-Z])|n't/i;
const MAX_LEADS = 6;

/** The text without the words that only lead to it; unchanged when several statements could be meant. */
export function stripProse(text: string): string {
  // "x is 3" is "x = 3", and no lead of its own.
  let rest = text.replace(/(?<![a-zA-Z\\])([a-zA-Z]) (?:is equal to|equals|is) (?=[-\d\\(])/g, '$1 = ');
  for (let i = 0; i < MAX_LEADS; i++) {
    const shorter = rest.replace(LEAD, '').replace(LABEL, '');
    if (shorter === rest || shorter === '') break;
    rest = shorter;
  }
  rest = rest.replace(REMARK, '').replace(BRACKETED_WORDS, ' $1');
  const cues = [...rest.matchAll(CUE)];
  const [cue] = cues;
  if (cues.length > 1) return rest;
  if (cue === undefined)
    return SENTENCE.test(rest) && !DOUBT.test(rest)
      ? rest.replace(/^[^\d]*?(?=(?:dollar |€|£)?-?\d)/, '')
      : rest;
  const after = rest.slice(cue.index + cue[0].length).trim();
  const before = rest.slice(0, cue.index);
  if (after === '' || /[=<>]|(?<![a-zA-Z])(?:where|for|not|never|cannot)(?![a-zA-Z])|n't/.test(before))
    return rest;
  if (before.trim() !== '' && !/[a-zA-Z]{2}/.test(before)) return rest;
  return stripProse(after);
}
