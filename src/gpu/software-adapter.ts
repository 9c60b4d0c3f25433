/**
 * The embedded software GPU: SwiftShader, a Vulkan driver for CPUs, as the npm package `@sparticuz/chromium`
 * carries it. It needs no system package: the driver and its Vulkan loader are unpacked into a cache folder
 * and loaded into this process before Dawn looks for an adapter.
 */
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, mkdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-fs';
import { cacheFolder } from '../util/cache-folder.ts';
import { GpuError } from '../util/errors.ts';

const PACKAGE = '@sparticuz/chromium';
/** The Vulkan loader, by the name that Dawn asks for. */
const LOADER = 'libvulkan.so.1';
/** glibc's flag that keeps a library loaded although Node refuses it as an addon. */
const RTLD_NODELETE = 0x1000;

/**
 * Makes the embedded driver the only Vulkan driver of this process.
 * @throws {GpuError} when the package has no driver for this platform
 */
export async function loadEmbeddedDriver(): Promise<void> {
  const folder = await unpackDriver();
  process.env['VK_ICD_FILENAMES'] = join(folder, 'vk_swiftshader_icd.json');
  process.env['VK_DRIVER_FILES'] = process.env['VK_ICD_FILENAMES'];
  const fault = loadLibrary(join(folder, LOADER));
  if (fault !== null) throw new GpuError(`The embedded software driver could not be loaded: ${fault}`);
}

/** Whether Dawn can look for the system's adapters at all; without a Vulkan loader it prints a warning. */
export function hasSystemLoader(): boolean {
  return process.platform !== 'linux' || loadLibrary(LOADER) === null;
}

/** Loads a plain library into this process for good. @returns what went wrong, or null */
function loadLibrary(path: string): string | null {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    // A plain library registers no addon, which Node reports as an error although the library is loaded.
    if (!String(error).includes('did not self-register')) return String(error);
  }
  return null;
}

/** Unpacks the driver once per package version and returns its folder. */
async function unpackDriver(): Promise<string> {
  const packageRoot = join(dirname(createRequire(import.meta.url).resolve(PACKAGE)), '..');
  const { version } = createRequire(import.meta.url)(join(packageRoot, 'package.json')) as {
    version: string;
  };
  const archive = join(packageRoot, 'bin', 'swiftshader.tar.br');
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(archive)) {
    throw new GpuError({
      where: 'embedded software adapter',
      expected: `Linux on x64 with the npm package ${PACKAGE}`,
      found: `${process.platform} on ${process.arch}`,
      fix: 'use a GPU or a system software driver (trainer.gpu.adapter: auto)',
    });
  }
  const cacheRoot = cacheFolder();
  const folder = join(cacheRoot, `swiftshader-${version}`);
  if (existsSync(join(folder, LOADER))) return folder;
  await mkdir(cacheRoot, { recursive: true });
  // Unpacked beside its place and renamed, so that a second process never sees half a driver.
  const partial = await mkdtemp(join(cacheRoot, 'unpack-'));
  await pipeline(createReadStream(archive), createBrotliDecompress(), extract(partial));
  try {
    await rename(partial, folder);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (!existsSync(join(folder, LOADER))) throw error;
  }
  return folder;
}
