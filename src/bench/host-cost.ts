/**
 * What a decode step costs the host: dispatches, JavaScript for each, and what is created while steps are
 * replayed. Watches a real generation from outside, through the methods of the device.
 */
import type { Gpu } from '../gpu/gpu.ts';
import type { Policy } from '../rollout/policy.ts';
import { GpuError } from '../util/errors.ts';
import { FixedGeneration } from './generation.ts';
import { roundsOf, type Rounds } from './median.ts';
import { shortQuestion } from './short-question.ts';

export interface HostOptions {
  responses: number;
  tokens: number;
  runs: number;
}

export interface HostResult {
  dispatchesPerStep: number;
  stepsPerSubmission: number;
  /** Microseconds of the main thread for each dispatch: the calls that encode it. The median of a generation. */
  encodeMicroseconds: Rounds;
  /** As above, for handing the commands over: Dawn and the driver, no JavaScript. */
  submitMicroseconds: Rounds;
  /** Objects created from the first replay of a generation to its end, in all and by the call that did it. */
  created: number;
  createdBy: Record<string, number>;
  /** Buffers for reads among them, which are not counted there. */
  stagingBuffers: number;
}

/**
 * As many steps together as on a GPU, but none ahead: a driver that computes on the CPU would take the core that the
 * encoding is timed on.
 */
const PACE = { stepsPerCheck: 16, checksAhead: 0 };

const CREATORS = [
  'createBuffer',
  'createTexture',
  'createSampler',
  'createBindGroup',
  'createBindGroupLayout',
  'createPipelineLayout',
  'createShaderModule',
  'createComputePipeline',
  'createComputePipelineAsync',
  'createQuerySet',
] as const satisfies readonly (keyof GPUDevice)[];

/** What one generation showed. */
interface Observed {
  steps: number;
  submissions: number;
  dispatches: number;
  /** Microseconds a dispatch of each submission. */
  encoding: number[];
  submitting: number[];
  createdBy: Record<string, number>;
  stagingBuffers: number;
}

/** @throws {GpuError} when the engine replays no plan */
export async function measureHost(policy: Policy, options: HostOptions): Promise<HostResult> {
  const { responses, tokens, runs } = options;
  const { gpu } = policy.model;
  const prompt = await shortQuestion(policy);
  const generation = new FixedGeneration(policy, [{ prompt, count: responses }], tokens, { pace: PACE });
  await generation.run(0);
  const observed: Observed[] = [];
  for (let run = 1; run <= runs; run++) {
    await gpu.sync();
    observed.push(await observe(gpu, () => generation.run(run)));
  }
  const last = observed.at(-1)!;
  if (last.dispatches === 0) throw new GpuError('the engine replayed no recorded plan: nothing to measure');
  return {
    dispatchesPerStep: last.dispatches / last.steps,
    stepsPerSubmission: last.steps / last.submissions,
    encodeMicroseconds: roundsOf(observed.map(({ encoding }) => roundsOf(encoding).median)),
    submitMicroseconds: roundsOf(observed.map(({ submitting }) => roundsOf(submitting).median)),
    created: Object.values(last.createdBy).reduce((sum, count) => sum + count, 0),
    createdBy: last.createdBy,
    stagingBuffers: last.stagingBuffers,
  };
}

/** Puts watches over methods of the device for the time of some work. */
async function observe(gpu: Gpu, work: () => Promise<unknown>): Promise<Observed> {
  const { device } = gpu;
  const seen: Observed = {
    steps: 0,
    submissions: 0,
    dispatches: 0,
    encoding: [],
    submitting: [],
    createdBy: {},
    stagingBuffers: 0,
  };
  let submitted = 0;
  const undo = [
    cover(gpu, 'replay', (replay) => (...args: Parameters<Gpu['replay']>) => {
      const [plan, times = 1] = args;
      const dispatches = plan.commands.length * times;
      seen.submissions += 1;
      seen.steps += times;
      seen.dispatches += dispatches;
      gpu.flush();
      submitted = 0;
      const whole = microseconds(() => replay.apply(gpu, args));
      seen.encoding.push((whole - submitted) / dispatches);
      seen.submitting.push(submitted / dispatches);
    }),
    cover(device.queue, 'submit', (submit) => (commands) => {
      submitted += microseconds(() => submit.call(device.queue, commands));
      return undefined;
    }),
    ...CREATORS.map((name) =>
      cover(device as unknown as Creators, name, (create) => (descriptor) => {
        const isStaging = name === 'createBuffer' && (descriptor.usage! & GPUBufferUsage.MAP_READ) !== 0;
        if (seen.submissions > 0 && isStaging) seen.stagingBuffers += 1;
        else if (seen.submissions > 0) seen.createdBy[name] = (seen.createdBy[name] ?? 0) + 1;
        return create.call(device, descriptor);
      }),
    ),
  ];
  try {
    await work();
    return seen;
  } finally {
    for (const restore of undo) restore();
  }
}

type Creators = Record<(typeof CREATORS)[number], (descriptor: { usage?: number }) => unknown>;

/** Replaces a method of one object. @returns what puts the class's own back */
function cover<T extends object, K extends keyof T>(
  owner: T,
  name: K,
  replacement: (original: T[K]) => T[K],
): () => void {
  owner[name] = replacement(owner[name]);
  return () => void Reflect.deleteProperty(owner, name);
}

/**
 * By the wall clock: the clock of a thread's CPU moves in steps of a millisecond, and nothing here waits. That the
 * thread may lose its core meanwhile is why the median of many is taken.
 */
function microseconds(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) * 1000;
}
