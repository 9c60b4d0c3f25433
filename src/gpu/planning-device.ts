/**
 * A device that computes nothing: its buffers have sizes and no memory, its commands go nowhere, reads give zeros. The
 * program runs on it unchanged, so that what it would allocate can be counted before anything is loaded.
 */

/** A buffer that TensorFlow.js takes for one. */
function plannedBuffer({
  size,
  usage,
  label = '',
  mappedAtCreation = false,
}: GPUBufferDescriptor): GPUBuffer {
  const buffer = {
    size,
    usage,
    label,
    mapState: mappedAtCreation ? 'mapped' : 'unmapped',
    mapAsync: async () => undefined,
    getMappedRange: () => new ArrayBuffer(size),
    unmap: () => {
      buffer.mapState = 'unmapped';
    },
    destroy: nothing,
  };
  return Object.setPrototypeOf(buffer, GPUBuffer.prototype) as GPUBuffer;
}

const nothing = () => {};
const made = () => ({});

const PASS = {
  setPipeline: nothing,
  setBindGroup: nothing,
  dispatchWorkgroups: nothing,
  end: nothing,
};

const ENCODER = {
  beginComputePass: () => PASS,
  copyBufferToBuffer: nothing,
  clearBuffer: nothing,
  finish: made,
};

/** What the program uses of `GPUDevice`. It has no optional features, on which only speed depends. */
export class PlanningDevice {
  readonly limits: GPUSupportedLimits;
  readonly features = new Set<string>();
  readonly queue = { submit: nothing, writeBuffer: nothing, onSubmittedWorkDone: async () => undefined };

  /** @param adapter whose limits the device has */
  constructor({ limits }: GPUAdapter) {
    this.limits = limits;
  }

  readonly createBuffer = plannedBuffer;
  readonly createShaderModule = made;
  readonly createBindGroupLayout = made;
  readonly createPipelineLayout = made;
  readonly createBindGroup = made;
  readonly createComputePipeline = () => ({ getBindGroupLayout: made });
  readonly createCommandEncoder = () => ENCODER;
  readonly destroy = nothing;
}
