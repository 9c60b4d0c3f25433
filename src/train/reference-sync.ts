/**
 * A reference policy that follows the trained one: every `algorithm.ref_model_sync_steps` steps
 *
 *   ref = alpha · policy + (1 - alpha) · ref,   alpha = algorithm.ref_model_mixup_alpha
 *
 * so that the KL term holds the policy near where it lately was, not where it started.
 *
 * @see TR-DPO (arXiv 2404.09656); the names are those of TRL, whose steps are optimizer updates
 */
import { mix } from '../ops/optimizer.ts';
import type { Run } from './run.ts';

/** To be called after the update of `step`, from 1. Does nothing unless the step is one of synchronisation. */
export function synchroniseReference(
  { config, model, reference }: Pick<Run, 'config' | 'model' | 'reference'>,
  step: number,
): void {
  const {
    sync_ref_model: sync,
    ref_model_mixup_alpha: alpha,
    ref_model_sync_steps: every,
  } = config.algorithm;
  if (!reference || !sync || step % every !== 0) return;
  for (const { name, tensor } of model.layers.trainable()) {
    mix(reference.layers.base.get(name).tensor, tensor, alpha);
  }
}
