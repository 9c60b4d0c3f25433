/**
 * The public interface of the package, for programs in TypeScript; the command line is the other way in.
 *
 *   const config = await loadConfig('configs/quickstart.yaml', ['trainer.max_steps=10']);
 *   const { folder, after } = await runTraining(config, { configFile: 'configs/quickstart.yaml' });
 *
 *   const gpu = await Gpu.open('auto');
 *   const policy = await Policy.load(gpu, 'checkpoints/mini', FROZEN);
 *   const question = { problem: 'What is the sum?', images: ['two.png'], systemPrompt: WETHINK_SYSTEM_PROMPT };
 *   const prompt = await policy.prompt({ ...question, where: 'my question' });
 *   const engine = new RolloutEngine(policy, { maxSequences: 8, maxRows: 4096 });
 *   const sampling = { temperature: 1, maxTokens: 64, seed: 1, step: 0 };
 *   const [responses] = await engine.generate([{ prompt, count: 8 }], sampling);
 *
 * One `Gpu` is open at a time. Everything throws the error classes below, whose messages say where, what was
 * expected, what was found and what to do.
 */
export { loadConfig, parseConfig } from './config/load.ts';
export { WETHINK_SYSTEM_PROMPT } from './config/system-prompt.ts';
export type {
  AlgorithmConfig,
  Config,
  DataConfig,
  ModelConfig,
  OptimConfig,
  RewardConfig,
  RolloutConfig,
  TrainerConfig,
} from './config/schema.ts';
export type { AssessorName, VerifierName } from './config/reward-routes.ts';
export { loadRows } from './data/formats.ts';
export type { Row } from './data/row.ts';
export type { AdapterChoice, AdapterKind } from './gpu/adapter.ts';
export { Gpu } from './gpu/gpu.ts';
export type { Episode, EpisodeReward } from './grpo/episode.ts';
export type { LoraSettings } from './model/lora.ts';
export type { PromptGroup } from './model/packed-batch.ts';
export { FROZEN, type ModelSettings } from './model/qwen2_5_vl.ts';
export { scoreGroups, type ResponseScore, type ScoreOptions } from './model/score.ts';
export type { Prompt } from './processor/prompt.ts';
export type { BatchRewardFunction, FunctionInput, RewardFunction } from './reward/functions.ts';
export { HybridReward } from './reward/hybrid.ts';
export type { RewardRow, Sample, Score } from './reward/sample.ts';
export { Policy, type Question } from './rollout/policy.ts';
export {
  RolloutEngine,
  type EngineOptions,
  type Response,
  type RolloutRequest,
  type Sampling,
} from './rollout/rollout.ts';
export { exportHuggingFace } from './train/export.ts';
export { runTraining, type TrainOptions, type TrainSummary } from './train/loop.ts';
export type { Metrics } from './train/run-folder.ts';
export { runSft } from './train/sft.ts';
export {
  CheckpointError,
  ConfigError,
  DataError,
  GpuError,
  ServiceError,
  ShapeError,
  WethinkError,
  type ErrorDetail,
} from './util/errors.ts';
