/** The system prompt that WeThink trains and answers with (arXiv 2506.07905; the released inference code). */
export const WETHINK_SYSTEM_PROMPT =
  'You FIRST think about the reasoning process as an internal monologue and then provide the final answer.\n' +
  'The reasoning process MUST BE enclosed within <think> </think> tags. ' +
  'The final answer MUST BE enclosed within <answer> </answer> tags.';
