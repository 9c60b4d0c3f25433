/** Reads the verdict out of a judge's reply: exactly one of the tiers, or none at all. */
import { UnusableReply } from '../io/chat-error.ts';
import type { ChatReply } from '../io/chat-http.ts';
import { shorten } from '../io/http-trouble.ts';

const MAX_REASON_CHARS = 200;
const MAX_SHOWN_CHARS = 120;
const SAME_SCORE = 1e-9;

const THINK_END = '</think>';
/** A line that holds a score and nothing else, for judges without structured output. */
const SCORE_LINE =
  /^[\t *#_>-]{0,10}(?:(?:final )?score[ *_]{0,5}[:=][ *_]{0,5})?(-?\d{1,4}(?:\.\d{1,9})?)[ *_.]{0,5}$/gim;
/** A score inside a JSON text, but not inside one of its strings, where quotes are escaped. */
const SCORE_KEY = /(?<!\\)"score"\s{0,20}:\s{0,20}"?(-?[\d.eE+-]{1,20})/g;

const WORDS = /[\p{L}\p{N}]/u;
// oxlint-disable-next-line no-control-regex -- they are what is to be found
const CONTROL = /[\u0000-\u001F]/g;
const ESCAPE = /\\(?:u[0-9a-fA-F]{4}|[^])/g;
const VALID_ESCAPE = /^\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])$/;

export interface JudgeVerdict {
  score: number;
  /** What the judge said of it; may be empty. */
  reason: string;
}

/** The JSON Schema of a verdict. The reason comes first, so that the judge thinks before it decides. */
export function verdictSchema(tiers: readonly number[]) {
  return {
    name: 'verdict',
    schema: {
      type: 'object',
      properties: { reason: { type: 'string' }, score: { type: 'number', enum: tiers } },
      required: ['reason', 'score'],
      additionalProperties: false,
    },
  };
}

/**
 * The verdict is a JSON object with a score, or a line `Score: 0.5`, at the start or the end of the reply: one in
 * its midst may be the judge's quote of the answer. Reasoning before `</think>` does not count.
 * @throws UnusableReply for no verdict, a score that is none of the tiers, and scores that differ.
 */
export function readVerdict(reply: ChatReply, tiers: readonly number[]): JudgeVerdict {
  const text = withoutReasoning(reply.text.trim());
  const objects = jsonVerdicts(text);
  const verdicts = objects.length > 0 ? objects : scoreLines(text);
  const shown = text === '' ? 'nothing' : JSON.stringify(shorten(text, MAX_SHOWN_CHARS));
  const [first] = verdicts;
  if (first === undefined || !verdicts.some(({ start, end }) => isAtRim(text, start, end))) {
    const cut = reply.finishReason === 'length' ? ' (cut at max_tokens)' : '';
    throw new UnusableReply(`no score in ${shown}${cut}`);
  }
  const scores = verdicts.flatMap((verdict) => verdict.scores.map((score) => toTier(score, tiers)));
  const [score] = scores;
  if (score === undefined || scores.includes(undefined)) {
    throw new UnusableReply(`a score that is none of ${tiers.join(', ')} in ${shown}`);
  }
  if (scores.some((other) => other !== score)) throw new UnusableReply(`several scores in ${shown}`);
  return { score, reason: shorten(first.reason, MAX_REASON_CHARS) };
}

function withoutReasoning(text: string): string {
  // A verdict may mention the tag in its reason.
  if (text.startsWith('{')) return text;
  const end = text.lastIndexOf(THINK_END);
  if (end === -1 && text.startsWith('<think>')) throw new UnusableReply('reasoning without an end');
  return end === -1 ? text : text.slice(end + THINK_END.length).trim();
}

/** Whether nothing but marks, such as those of a code block, stands before or behind a part of the text. */
function isAtRim(text: string, start: number, end: number): boolean {
  const before = text.slice(0, start).replace(/^```json/, '');
  return !WORDS.test(before) || !WORDS.test(text.slice(end));
}

function toTier(value: unknown, tiers: readonly number[]): number | undefined {
  const score = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof score === 'number' ? tiers.find((tier) => Math.abs(tier - score) < SAME_SCORE) : undefined;
}

interface FoundVerdict {
  /** All that it calls its score, as written. */
  scores: readonly unknown[];
  reason: string;
  /** Where it stands in the reply. */
  start: number;
  end: number;
}

function scoreLines(text: string): FoundVerdict[] {
  return [...text.matchAll(SCORE_LINE)].map(({ 0: line, 1: score, index: start }) => {
    return { scores: [score], reason: '', start, end: start + line.length };
  });
}

/** The outermost JSON objects with a score, alone or among words, found in one pass. */
function jsonVerdicts(text: string): FoundVerdict[] {
  const verdicts: FoundVerdict[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const char = text[index];
    if (quoted) {
      if (char === '\\') index++;
      else if (char === '"') quoted = false;
    } else if (char === '{') {
      if (depth++ === 0) start = index;
    } else if (depth > 0 && char === '"') {
      quoted = true;
    } else if (depth > 0 && char === '}' && --depth === 0) {
      verdicts.push(...readObject(text.slice(start, index + 1), start));
    }
  }
  return verdicts;
}

function readObject(source: string, start: number): FoundVerdict[] {
  const value = parseObject(source) ?? parseObject(repair(source));
  if (value === undefined) return [];
  // Also those of repeated keys, of which a parser keeps the last, and of objects inside.
  const written = [...source.matchAll(SCORE_KEY)].map(([, score]) => score);
  const scores = Object.hasOwn(value, 'score') ? [value['score'], ...written] : written;
  const reason = typeof value['reason'] === 'string' ? value['reason'] : '';
  return scores.length === 0 ? [] : [{ scores, reason, start, end: start + source.length }];
}

function parseObject(source: string): Readonly<Record<string, unknown>> | undefined {
  try {
    // Braces enclose it, so that it is an object if it is JSON at all.
    return JSON.parse(source) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** What judges without structured output get wrong in strings: line breaks, and LaTeX with single backslashes. */
function repair(source: string): string {
  return source
    .replaceAll(CONTROL, ' ')
    .replaceAll(ESCAPE, (escape) => (VALID_ESCAPE.test(escape) ? escape : `\\${escape}`));
}
