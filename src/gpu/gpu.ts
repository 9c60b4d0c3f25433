/**
 * The GPU as the rest of the program sees it: tensors of TensorFlow.js's WebGPU backend, and dispatches of
 * our kernels over them. A dispatch is either encoded into the backend's compute pass at once (training,
 * under the tape) or recorded into a plan (rollouts); launchers do not know which.
 */
import * as tf from '@tensorflow/tfjs';
import { GpuError, ShapeError } from '../util/errors.ts';
import { chooseAdapter, type AdapterChoice, type AdapterKind, type ChosenAdapter } from './adapter.ts';
import { registerBackend, type BackendInternals } from './backend.ts';
import { DeviceFaults, openDevice } from './device.ts';
import { KernelCache, encodeParams } from './kernel.ts';
import { familyFor, type KernelFamily } from './kernel-family.ts';
import { BufferPool } from './buffer-pool.ts';
import { MemoryBudget, type MemoryLine } from './memory.ts';
import { bindOperands, type Dispatch } from './operands.ts';
import { PlanningDevice } from './planning-device.ts';
import { Plan, type Command } from './plan.ts';
import { waitGently } from './polling.ts';
import { Profiler, type KernelTime } from './profiler.ts';
import { readBuffer } from './readback.ts';
import { UniformCache } from './uniforms.ts';

/** Dispatches per submission: enough to amortise it, few enough to keep the GPU fed while we encode. */
const DISPATCHES_PER_SUBMIT = 64;
const STORAGE = 0x80 | 0x4 | 0x8; // GPUBufferUsage.STORAGE | COPY_SRC | COPY_DST

/** The open device. One at a time, because TensorFlow.js has one engine with one backend of a name. */
let current: Gpu | undefined;

/** @throws {GpuError} before `Gpu.open` */
export function currentGpu(): Gpu {
  if (!current) throw new GpuError('no GPU is open: call Gpu.open first');
  return current;
}

/** Values of a tensor in the order of its buffer. */
export interface ValueRange {
  start: number;
  count: number;
}

interface Recording {
  commands: Command[];
  uniforms: UniformCache;
}

export class Gpu {
  readonly device: GPUDevice;
  readonly kind: AdapterKind;
  readonly name: string;
  /** Nothing is computed, and what is written is lost (`openForPlanning`). */
  readonly isPlanning: boolean;
  readonly budget: MemoryBudget;
  readonly kernels: KernelCache;
  /** Which variants launchers take where a kernel has several; tests set it. */
  family: KernelFamily;
  readonly #backend: BackendInternals;
  readonly #faults: DeviceFaults;
  readonly #pool: BufferPool;
  readonly #uniforms: UniformCache;
  #recording: Recording | undefined;
  #profiler: Profiler | undefined;

  private constructor(
    device: GPUDevice,
    { kind, name, adapter }: ChosenAdapter,
    budget: MemoryBudget,
    pool: BufferPool,
    backend: BackendInternals,
    faults: DeviceFaults,
  ) {
    this.device = device;
    this.kind = kind;
    this.name = name;
    this.isPlanning = device instanceof PlanningDevice;
    this.budget = budget;
    this.kernels = new KernelCache(device);
    this.family = familyFor(kind, adapter);
    this.#pool = pool;
    this.#backend = backend;
    this.#faults = faults;
    this.#uniforms = new UniformCache(device);
  }

  static async open(choice: AdapterChoice = 'auto', budgetBytes = Infinity): Promise<Gpu> {
    const chosen = await chooseAdapter(choice);
    const { device, faults } = await openDevice(chosen);
    return Gpu.#over(device, chosen, new MemoryBudget(budgetBytes), faults);
  }

  /**
   * As `open`, without a device: what is allocated is counted, nothing is computed, and reads give zeros. A run on
   * it shows what the same run on the adapter will need.
   */
  static async openForPlanning(choice: AdapterChoice = 'auto', budgetBytes = Infinity): Promise<Gpu> {
    const chosen = await chooseAdapter(choice);
    const device = new PlanningDevice(chosen.adapter) as unknown as GPUDevice;
    return Gpu.#over(device, chosen, new MemoryBudget(budgetBytes, false), new DeviceFaults());
  }

  static async #over(
    device: GPUDevice,
    chosen: ChosenAdapter,
    budget: MemoryBudget,
    faults: DeviceFaults,
  ): Promise<Gpu> {
    const pool = new BufferPool(device, budget, 'activations', () => currentGpu().flush());
    const backend = await registerBackend(chosen.instance, device, chosen.adapter, pool);
    current = new Gpu(device, chosen, budget, pool, backend, faults);
    return current;
  }

  /** True on a driver that computes on the CPU, which needs its cores left to it. */
  get isSoftware(): boolean {
    return this.kind !== 'real';
  }

  /** Whether kernels share work within a workgroup: on GPUs. */
  get sharesWork(): boolean {
    return this.family === 'gpu';
  }

  /** Bytes that the budget still allows, those of free buffers included; Infinity where there is no limit. */
  get availableBytes(): number {
    return this.budget.remainingBytes + this.#pool.freeBytes;
  }

  /** A tensor with undefined contents, from the pool; freed by TensorFlow.js (tidy, dispose). */
  empty(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): tf.TensorInfo {
    const info = this.#backend.makeTensorInfo([...shape], dtype);
    this.#backend.uploadToGPU(info.dataId);
    return info;
  }

  /** Frees what `empty` made and TensorFlow.js does not track: scratch space inside a launcher. */
  release(info: tf.TensorInfo): void {
    this.#backend.disposeData(info.dataId);
  }

  /** A tensor over a buffer of its own that lives until `free`; with zeros where no data is given. */
  persistent(
    line: MemoryLine,
    shape: readonly number[],
    data?: Float32Array | Int32Array | Uint32Array,
    dtype: 'float32' | 'int32' = data && !(data instanceof Float32Array) ? 'int32' : 'float32',
  ): tf.Tensor {
    const size = Math.max(4, tf.util.sizeFromShape([...shape]) * 4);
    if (data && data.byteLength !== size) {
      throw new ShapeError({
        where: line,
        expected: `${size} bytes for [${shape.join()}]`,
        found: `${data.byteLength}`,
      });
    }
    const { maxBufferSize } = this.device.limits;
    if (size > maxBufferSize) {
      throw new GpuError({
        where: `${this.name}: ${line} [${shape.join(', ')}]`,
        expected: `at most ${maxBufferSize} bytes, the adapter's largest buffer`,
        found: `${size}`,
        fix: 'choose another adapter, or a smaller model',
      });
    }
    this.#pool.makeRoom(size);
    this.budget.add(line, size);
    const buffer = this.device.createBuffer({ size, usage: STORAGE, label: line });
    if (data) this.device.queue.writeBuffer(buffer, 0, data);
    const tensor = tf.keep(tf.tensor({ buffer, zeroCopy: true }, [...shape], dtype));
    this.#lines.set(buffer, line);
    this.check();
    return tensor;
  }

  readonly #lines = new WeakMap<GPUBuffer, MemoryLine>();

  /** Frees a tensor made by `persistent`. */
  free(tensor: tf.Tensor): void {
    const buffer = this.buffer(tensor);
    this.flush();
    tensor.dispose();
    this.budget.remove(this.#lines.get(buffer)!, buffer.size);
    buffer.destroy();
  }

  /** The buffer behind a tensor, uploaded first when its values still lie on the host. */
  buffer(tensor: tf.TensorInfo): GPUBuffer {
    const record = this.#backend.tensorMap.get(tensor.dataId);
    if (!record.resource) {
      if (this.#recording) {
        throw new GpuError('a tensor was uploaded while a plan was recorded; upload it before the recording');
      }
      this.#backend.uploadToGPU(tensor.dataId);
    }
    return record.resource!;
  }

  /** Overwrites (a part of) a tensor in order with the work encoded so far. */
  write(tensor: tf.TensorInfo, data: Float32Array | Int32Array | Uint32Array, offsetBytes = 0): void {
    this.flush();
    this.device.queue.writeBuffer(this.buffer(tensor), offsetBytes, data);
  }

  /** Fills tensors with zeros, in order with the work encoded so far. */
  clear(tensors: readonly tf.TensorInfo[]): void {
    this.flush();
    const encoder = this.device.createCommandEncoder();
    for (const tensor of tensors) encoder.clearBuffer(this.buffer(tensor));
    this.device.queue.submit([encoder.finish()]);
  }

  /** Runs one kernel. @throws {ShapeError} when operands or parameters do not match its declarations */
  dispatch(path: string, { operands, params = {}, constants = {}, grid }: Dispatch): void {
    const kernel = this.kernels.get(path, constants);
    const uniforms = this.#recording?.uniforms ?? this.#uniforms;
    if (!this.#recording && uniforms.isFull) {
      this.flush();
      uniforms.dispose();
    }
    const entries = bindOperands(kernel, operands, (tensor) => this.buffer(tensor));
    if (kernel.source.paramsIndex >= 0) {
      const buffer = uniforms.get(encodeParams(kernel, params));
      entries.push({ binding: kernel.source.paramsIndex, resource: { buffer } });
    }
    const bindGroup = this.device.createBindGroup({ label: kernel.label, layout: kernel.layout, entries });
    const command: Command = { kernel, bindGroup, grid: [grid[0], grid[1] ?? 1, grid[2] ?? 1] };
    if (this.#recording) this.#recording.commands.push(command);
    else this.#encode(command);
    this.check();
  }

  #encode({ kernel, bindGroup, grid }: Command): void {
    const backend = this.#backend;
    backend.ensureCommandEncoderReady();
    if (this.#profiler) {
      backend.endComputePassEncoder();
      backend.computePassEncoder = backend.commandEncoder!.beginComputePass(this.#profiler.passFor(kernel));
    }
    const pass = (backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass());
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(grid[0], grid[1], grid[2]);
    backend.dispatchCountInPass += 1;
    if (backend.dispatchCountInPass >= DISPATCHES_PER_SUBMIT) this.flush();
  }

  /**
   * Records the dispatches that `build` makes instead of running them. Its tensors belong to the plan and are
   * gone afterwards; what it writes must be tensors that live outside it.
   */
  record(build: () => void): Plan {
    if (this.#recording) throw new GpuError('a plan is being recorded already');
    this.flush();
    const backend = this.#backend;
    const pool = new BufferPool(this.device, this.budget, 'workspace');
    const recording: Recording = { commands: [], uniforms: new UniformCache(this.device) };
    backend.bufferManager = pool;
    backend.runWebGPUProgram = () => {
      throw new GpuError('an operation of TensorFlow.js itself was called while a plan was recorded');
    };
    this.#recording = recording;
    try {
      tf.tidy(build);
      return new Plan(recording.commands, pool, recording.uniforms);
    } catch (error) {
      pool.dispose();
      throw error;
    } finally {
      this.#recording = undefined;
      backend.bufferManager = this.#pool;
      // Uncovers the backend's own method again.
      Reflect.deleteProperty(backend, 'runWebGPUProgram');
    }
  }

  /** Runs a plan `times` times in one submission. */
  replay(plan: Plan, times = 1): void {
    this.flush();
    if (this.#profiler) {
      for (let i = 0; i < times; i++) plan.commands.forEach((command) => this.#encode(command));
      return;
    }
    const encoder = this.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < times; i++) plan.encode(pass);
    pass.end();
    this.device.queue.submit([encoder.finish()]);
    this.check();
  }

  /** Submits everything encoded so far. */
  flush(): void {
    const backend = this.#backend;
    backend.endComputePassEncoder();
    if (backend.commandEncoder) backend.submitQueue();
    this.check();
  }

  /** Waits for the GPU and returns spare memory. */
  async sync(): Promise<void> {
    this.flush();
    await this.#wait(this.device.queue.onSubmittedWorkDone());
    this.#pool.trim();
    this.check();
  }

  #wait<T>(promise: Promise<T>): Promise<T> {
    return this.isSoftware ? waitGently(promise) : promise;
  }

  /**
   * Copies a tensor, or a range of its values, to the host. Unlike `tensor.data()` it keeps no copy that in-place
   * updates would stale.
   */
  async read(tensor: tf.TensorInfo, range?: ValueRange): Promise<Float32Array<ArrayBuffer>> {
    return new Float32Array(await this.#readBytes(tensor, range));
  }

  /** As `read`, for int32 tensors. */
  async readInts(tensor: tf.TensorInfo, range?: ValueRange): Promise<Int32Array<ArrayBuffer>> {
    return new Int32Array(await this.#readBytes(tensor, range));
  }

  async #readBytes(
    tensor: tf.TensorInfo,
    { start, count }: ValueRange = { start: 0, count: tf.util.sizeFromShape(tensor.shape) },
  ): Promise<ArrayBuffer> {
    if (count === 0) return new ArrayBuffer(0);
    const source = this.buffer(tensor);
    this.flush();
    const bytes = { offset: start * 4, size: count * 4 };
    const copy = await readBuffer(this.device, source, bytes, (promise) => this.#wait(promise));
    this.check();
    return copy;
  }

  /** Runs `work` with a timestamp around every dispatch. Needs the feature `timestamp-query`. */
  async profile(work: () => Promise<void>): Promise<KernelTime[]> {
    if (!this.device.features.has('timestamp-query'))
      throw new GpuError(`${this.name} has no timestamp queries`);
    this.flush();
    const profiler = (this.#profiler = new Profiler(this.device));
    try {
      await work();
    } finally {
      this.#profiler = undefined;
      this.flush();
    }
    return profiler.report();
  }

  /** @throws {GpuError} when the device has reported an error */
  check(): void {
    this.#faults.check();
  }

  /** Ends the device; buffers and tensors of it are gone. */
  close(): void {
    this.flush();
    this.#uniforms.dispose();
    tf.removeBackend('webgpu');
    this.device.destroy();
  }
}
