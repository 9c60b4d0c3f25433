/** Where the time of a step goes, kernel by kernel. */
import type { Gpu } from '../gpu/gpu.ts';
import { log } from '../util/log.ts';

const SHOWN = 15;

/** Runs `work` with a timestamp around every dispatch and logs the slowest kernels. */
export async function profiled<T>(gpu: Gpu, work: () => Promise<T>): Promise<T> {
  let result: T | undefined;
  const times = await gpu.profile(async () => {
    result = await work();
  });
  const total = times.reduce((sum, { ms }) => sum + ms, 0);
  log.info(`kernels of this step: ${total.toFixed(0)} ms`);
  for (const { label, count, ms } of times.slice(0, SHOWN)) {
    const share = ((100 * ms) / total).toFixed(1);
    log.info(
      `${ms.toFixed(1).padStart(9)} ms ${share.padStart(5)} %  ${String(count).padStart(5)} x  ${label}`,
    );
  }
  return result!;
}
