/** What a benchmark ran on. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import type { Gpu } from '../gpu/gpu.ts';

export interface Machine {
  /** ISO 8601. */
  date: string;
  adapter: { kind: string; name: string };
  cpu: string;
  cores: number;
  /** Processes that were running or waiting to, over the last minute: well below one on an idle machine. */
  load: number;
  versions: Record<string, string>;
}

/** Packages whose versions decide speed; they are pinned. */
const PACKAGES = ['webgpu', '@tensorflow/tfjs', '@tensorflow/tfjs-backend-webgpu'] as const;

export function describeMachine({ kind, name }: Gpu): Machine {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version, dependencies } = JSON.parse(file) as {
    version: string;
    dependencies: Record<(typeof PACKAGES)[number], string>;
  };
  const cores = cpus();
  return {
    date: new Date().toISOString(),
    adapter: { kind, name },
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    load: loadavg()[0]!,
    versions: {
      wethink: version,
      node: process.versions.node,
      ...Object.fromEntries(PACKAGES.map((name) => [name, dependencies[name]])),
    },
  };
}
