/**
 * What only saves memory or time gives the same gradients: recomputed blocks, passes of any size, and one copy of
 * the prompt for all responses of its group.
 */
import { describe, expect, it } from 'vitest';
import type { Episode } from '../../src/grpo/episode.ts';
import { addAdvantages } from '../../src/train/advantages.ts';
import { openGpu } from '../parity/harness.ts';
import { gradientsOf, openScenario } from './scenarios.ts';

/** Sums over rows and passes are cut and ordered differently, in f32. Measured: up to 1.3e-6. */
const TOLERANCE = 1e-5;

const RECOMPUTED = 'model.gradient_checkpointing=true';
const ONE_RESPONSE = 'trainer.micro_batch_tokens=1';
/** Prompts of 22 and 33 tokens with responses of 1 to 12. */
const TWO_RESPONSES = 'trainer.micro_batch_tokens=42';

const VARIANTS = [
  { label: 'blocks recomputed', overrides: [RECOMPUTED], shared: true },
  { label: 'passes of a response', overrides: [ONE_RESPONSE], shared: true },
  { label: 'passes of about two responses', overrides: [TWO_RESPONSES], shared: true },
  { label: 'passes of a response, recomputed', overrides: [ONE_RESPONSE, RECOMPUTED], shared: true },
  { label: 'a prompt for each response', overrides: [], shared: false },
  { label: 'a prompt for each response, recomputed', overrides: [RECOMPUTED], shared: false },
  { label: 'a prompt for each response, a pass each', overrides: [ONE_RESPONSE], shared: false },
] as const;

const opened = openGpu();

async function gradientsBy(
  name: string,
  overrides: readonly string[],
  shared: boolean,
): Promise<Map<string, Float32Array>> {
  const { context, groups } = await openScenario(opened.gpu, name, [...overrides]);
  await addAdvantages(opened.gpu, groups, context.config.algorithm, {});
  const alone = (episode: Episode): Episode[] => [episode];
  await gradientsOf(context, shared ? groups : groups.flat().map(alone));
  const gradients = new Map<string, Float32Array>();
  for (const parameter of context.model.layers.trainable()) {
    gradients.set(parameter.name, await context.optimizer.gradient(parameter.name));
  }
  context.optimizer.dispose();
  context.model.dispose();
  return gradients;
}

/** |a - b| / |b| */
function relativeDistance(a: Float32Array, b: Float32Array): number {
  return Math.hypot(...a.map((value, i) => value - b[i]!)) / Math.hypot(...b);
}

describe.each(['grpo_untied_full', 'grpo_tied_lora_vision'])('%s', (name) => {
  it.each(VARIANTS)('$label', async ({ overrides, shared }) => {
    const expected = await gradientsBy(name, [], true);
    const actual = await gradientsBy(name, overrides, shared);
    expect([...actual.keys()]).toEqual([...expected.keys()]);
    for (const [parameter, values] of actual) {
      expect(relativeDistance(values, expected.get(parameter)!), parameter).toBeLessThanOrEqual(TOLERANCE);
    }
  });
});
