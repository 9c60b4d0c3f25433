/** Splits the groups of a batch into passes of bounded size. */
import type { PromptGroup } from './packed-batch.ts';

/** Some responses of one group, by their indices. */
export interface GroupPart {
  group: number;
  responses: number[];
}

/**
 * Fills passes with whole groups in order; a group that is too long for one pass is split by its responses,
 * each part with the prompt. A pass holds at least one response, however long.
 * @param maxRows rows of a pass (trainer.micro_batch_tokens)
 */
export function microBatches(groups: readonly PromptGroup[], maxRows: number): GroupPart[][] {
  const passes: GroupPart[][] = [];
  let pass: GroupPart[] = [];
  let passRows = 0;
  const close = () => {
    if (pass.length > 0) passes.push(pass);
    pass = [];
    passRows = 0;
  };
  groups.forEach(({ prompt, responses }, group) => {
    const promptRows = prompt.tokens.length;
    const groupRows = promptRows + responses.reduce((sum, { length }) => sum + length, 0);
    if (passRows > 0 && passRows + groupRows > maxRows) close();
    let part: GroupPart = { group, responses: [] };
    let partRows = promptRows;
    responses.forEach(({ length }, response) => {
      if (part.responses.length > 0 && passRows + partRows + length > maxRows) {
        pass.push(part);
        close();
        part = { group, responses: [] };
        partRows = promptRows;
      }
      part.responses.push(response);
      partRows += length;
    });
    pass.push(part);
    passRows += partRows;
  });
  close();
  return passes;
}

/** The groups of a pass, with only its responses. */
export function passGroups(groups: readonly PromptGroup[], pass: readonly GroupPart[]): PromptGroup[] {
  return pass.map(({ group, responses }) => ({
    prompt: groups[group]!.prompt,
    responses: responses.map((response) => groups[group]!.responses[response]!),
  }));
}
