/** What a run does besides its steps, and when. */
import type { Run } from './run.ts';

/** Every so many steps; -1 is never. */
function isDue(step: number, every: number): boolean {
  return every > 0 && step % every === 0;
}

export function isValidationDue({ config, valRows, totalSteps }: Run, step: number): boolean {
  const { val_freq, val_after_train } = config.trainer;
  return valRows.length > 0 && (isDue(step, val_freq) || (step === totalSteps && val_after_train));
}

export function isSaveDue({ config, totalSteps }: Run, step: number): boolean {
  return isDue(step, config.trainer.save_freq) || step === totalSteps;
}
