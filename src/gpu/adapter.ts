/**
 * Chooses the adapter: a real GPU, else a software driver of the system, else the embedded one. All of them
 * run the same code and the same kernels.
 */
import { create, globals } from 'webgpu';
import { GpuError } from '../util/errors.ts';
import { hasSystemLoader, loadEmbeddedDriver } from './software-adapter.ts';

export type AdapterChoice = 'auto' | 'real' | 'system' | 'embedded';
export type AdapterKind = Exclude<AdapterChoice, 'auto'>;

export interface ChosenAdapter {
  instance: GPU;
  adapter: GPUAdapter;
  kind: AdapterKind;
  /** The driver's own description, such as `SwiftShader Device (LLVM 16.0.0)`. */
  name: string;
}

/**
 * Dawn toggles. `allow_unsafe_apis` admits timestamps and experimental features;
 * `vulkan_enable_f16_on_nvidia` shows NVIDIA's f16, which Dawn hides by default;
 * `disable_robustness` drops bounds clamping, worth a third of a step on CPU drivers. The parity tests run
 * with robustness on as well (WETHINK_ROBUSTNESS=1), over guarded buffers.
 */
function dawnToggles(): string[] {
  const toggles = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia'];
  if (process.env['WETHINK_ROBUSTNESS'] !== '1') toggles.push('disable_robustness');
  return [`enable-dawn-features=${toggles.join(',')}`];
}

/** Kept for good: a software driver was seen to crash when an instance was collected and another one worked. */
const instances = new Map<'system' | 'embedded', GPU>();

function instanceOf(driver: 'system' | 'embedded'): GPU {
  const instance = instances.get(driver) ?? create(dawnToggles());
  instances.set(driver, instance);
  return instance;
}

/**
 * @param choice `auto` takes the first of real, system, embedded that exists.
 * @throws {GpuError} when there is no adapter of that kind
 */
export async function chooseAdapter(choice: AdapterChoice): Promise<ChosenAdapter> {
  Object.assign(globalThis, globals);
  // Mesa's drivers complain on stderr without it.
  process.env['XDG_RUNTIME_DIR'] ??= '/tmp';
  const found: string[] = [];
  if (choice !== 'embedded' && hasSystemLoader()) {
    const instance = instanceOf('system');
    const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
    if (adapter) {
      const kind: AdapterKind = adapter.info.isFallbackAdapter ? 'system' : 'real';
      found.push(`${kind}: ${adapter.info.description}`);
      if (choice === 'auto' || choice === kind) return describe(instance, adapter, kind);
    }
  }
  if (choice === 'auto' || choice === 'embedded') {
    await loadEmbeddedDriver();
    const instance = instanceOf('embedded');
    const adapter = await instance.requestAdapter();
    if (adapter) return describe(instance, adapter, 'embedded');
  }
  throw new GpuError({
    where: 'trainer.gpu.adapter',
    expected: choice === 'auto' ? 'a WebGPU adapter' : `a ${choice} adapter`,
    found: found.length > 0 ? found.join('; ') : 'none',
    fix:
      choice === 'auto' ? 'install a Vulkan driver' : 'use adapter: auto, or install a Vulkan driver for it',
  });
}

function describe(instance: GPU, adapter: GPUAdapter, kind: AdapterKind): ChosenAdapter {
  const { description, device, vendor } = adapter.info;
  return { instance, adapter, kind, name: description || device || vendor || 'unnamed adapter' };
}
