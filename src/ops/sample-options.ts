/** How tokens are chosen: the options of Hugging Face `generate`, by their names there. */
import { ShapeError } from '../util/errors.ts';
import { logitScale } from './logprob.ts';

/** They apply in this order: penalty, minimum length and banned ids, temperature, top-k, top-p, min-p. */
export interface SampleOptions {
  /** 0 takes the most likely token, whatever top-k, top-p and min-p; log-probabilities are those at 1. */
  temperature: number;
  /** Keeps the k most likely tokens and those as likely as the k-th; 0 or absent: all. */
  topK?: number;
  /**
   * From 0 to 1: keeps a token when those more likely than it hold less than this share, so that tokens of
   * equal probability stay or go together; 1 or absent: all.
   */
  topP?: number;
  /** From 0 to 1: keeps tokens at least this times as likely as the most likely one; 0 or absent: all. */
  minP?: number;
  /**
   * Above 0: divides positive logits of tokens in prompt and response so far, multiplies negative ones; 1 or
   * absent: none. The state needs `seenVocabulary` and the prompts' tokens.
   */
  repetitionPenalty?: number;
  /** End tokens cannot be chosen before so many tokens; 0 or absent: at once. */
  minTokens?: number;
}

/** What the launchers make of the options. */
export interface SamplePlan {
  /** The factor on logits. */
  scale: number;
  isGreedy: boolean;
  penalty: number;
  minTokens: number;
  /** 0: all. */
  topK: number;
  /** 1: all. */
  topP: number;
  /** 0: all. */
  minP: number;
  /** Whether the choice goes by other values than the logits. */
  isAdjusted: boolean;
  /** Whether tokens are left out for their rank, which takes whole rows. */
  isCut: boolean;
}

/** @throws {ShapeError} when an option is outside its range */
export function samplePlan(options: SampleOptions): SamplePlan {
  const { temperature, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1, minTokens = 0 } = options;
  const isWhole = (value: number) => Number.isSafeInteger(value) && value >= 0;
  const isShare = (value: number) => value >= 0 && value <= 1;
  check('topK', topK, 'a whole number from 0', isWhole(topK));
  check('topP', topP, '0 to 1', isShare(topP));
  check('minP', minP, '0 to 1', isShare(minP));
  const factor = Math.fround(repetitionPenalty);
  check('repetitionPenalty', repetitionPenalty, 'a number above 0', factor > 0 && Number.isFinite(factor));
  check('minTokens', minTokens, 'a whole number from 0', isWhole(minTokens));
  const isGreedy = temperature === 0;
  const isCut = !isGreedy && (topK > 0 || topP < 1 || minP > 0);
  return {
    scale: logitScale(isGreedy ? 1 : temperature),
    isGreedy,
    penalty: repetitionPenalty,
    minTokens,
    topK,
    topP,
    minP,
    isAdjusted: isCut || repetitionPenalty !== 1 || minTokens > 0,
    isCut,
  };
}

function check(name: string, value: number, expected: string, isRight: boolean): void {
  if (!isRight) throw new ShapeError({ where: `sampling.${name}`, expected, found: `${value}` });
}
