/** What is asked where the length of the answer is all that counts. */
import type { Prompt } from '../processor/prompt.ts';
import type { Policy } from '../rollout/policy.ts';

/** A short question of text. */
export function shortQuestion(policy: Policy): Promise<Prompt> {
  return policy.prompt({
    problem: 'What is 2 + 3?',
    images: [],
    systemPrompt: null,
    where: 'wethink bench',
  });
}
