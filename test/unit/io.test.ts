import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  appendLine,
  cutTornLine,
  ensureWritableFolder,
  writeFileAtomic,
  writeFolderAtomic,
} from '../../src/io/atomic.ts';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/io/float16.ts';
import { readJsonlAll } from '../../src/io/jsonl.ts';
import { ConfigError, DataError } from '../../src/util/errors.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wethink-io-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('float16', () => {
  it('keeps every bf16 and f16 value through f32 and back', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const bf16 = f32ToBf16(bf16ToF32(all));
    const f16 = f32ToF16(f16ToF32(all));
    // A NaN stays a NaN but may get another pattern, so it counts as one value here.
    const fold = (bits: Uint16Array, infinity: number): Uint16Array =>
      bits.map((pattern) => ((pattern & 0x7fff) > infinity ? 0xffff : pattern));
    expect(fold(bf16, 0x7f80)).toEqual(fold(all, 0x7f80));
    expect(fold(f16, 0x7c00)).toEqual(fold(all, 0x7c00));
  });

  it.each([
    { name: 'one', word: 0x3f800000, bf16: 0x3f80 },
    { name: 'below the tie', word: 0x3f807fff, bf16: 0x3f80 },
    { name: 'a tie goes down to even', word: 0x3f808000, bf16: 0x3f80 },
    { name: 'above the tie', word: 0x3f808001, bf16: 0x3f81 },
    { name: 'a tie goes up to even', word: 0x3f818000, bf16: 0x3f82 },
    { name: 'a negative tie', word: 0xbf818000, bf16: 0xbf82 },
    { name: 'the largest f32 becomes infinity', word: 0x7f7fffff, bf16: 0x7f80 },
    { name: 'infinity', word: 0xff800000, bf16: 0xff80 },
    { name: 'a NaN whose rounding would carry', word: 0x7fffffff, bf16: 0x7fff },
    { name: 'a NaN with its payload in the low half', word: 0x7f800001, bf16: 0x7fc0 },
    { name: 'a subnormal', word: 0x00018000, bf16: 0x0002 },
  ])('rounds to bf16: $name', ({ word, bf16 }) => {
    expect(f32ToBf16(new Float32Array(Uint32Array.of(word).buffer))[0]).toBe(bf16);
  });

  it.each([
    { value: 1, f16: 0x3c00 },
    { value: 1 + 2 ** -11, f16: 0x3c00 },
    { value: 1 + 3 * 2 ** -11, f16: 0x3c02 },
    { value: 65504, f16: 0x7bff },
    { value: 65519, f16: 0x7bff },
    { value: 65520, f16: 0x7c00 },
    { value: 2 ** -24, f16: 0x0001 },
    { value: 2 ** -25, f16: 0x0000 },
    { value: -0, f16: 0x8000 },
  ])('rounds $value to f16', ({ value, f16 }) => {
    expect(f32ToF16(Float32Array.of(value))[0]).toBe(f16);
  });

  it('reads views that start inside a buffer', () => {
    const source = Float32Array.of(9, 1.5, -2);
    expect(f32ToBf16(source.subarray(1))).toEqual(Uint16Array.of(0x3fc0, 0xc000));
    expect(f16ToF32(Uint16Array.of(7, 0x3c00).subarray(1))).toEqual(Float32Array.of(1));
  });
});

describe('atomic writes', () => {
  it('replaces a file and leaves nothing else', async () => {
    const file = join(folder, 'latest');
    await writeFileAtomic(file, 'one');
    await writeFileAtomic(file, 'two');
    expect(await readFile(file, 'utf8')).toBe('two');
    expect(await readdir(folder)).toEqual(['latest']);
  });

  it('keeps the old file when the writer fails', async () => {
    const file = join(folder, 'latest');
    await writeFileAtomic(file, 'old');
    const failing = writeFileAtomic(file, async (handle) => {
      await handle.write('half');
      throw new Error('power cut');
    });
    await expect(failing).rejects.toThrow('power cut');
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['latest']);
  });

  it('makes a folder whole, or not at all', async () => {
    const step = join(folder, 'run', 'step_000001');
    await mkdir(`${step}.tmp`, { recursive: true });
    await writeFile(join(`${step}.tmp`, 'left by a killed run'), '');
    await writeFolderAtomic(step, async (temporary) => {
      expect(await readdir(temporary)).toEqual([]);
      await mkdir(join(temporary, 'sub'));
      await writeFile(join(temporary, 'sub', 'a'), '1');
    });
    const failing = writeFolderAtomic(step, async (temporary) => {
      await writeFile(join(temporary, 'b'), '2');
      throw new Error('killed');
    });
    await expect(failing).rejects.toThrow('killed');
    expect(await readdir(join(folder, 'run'))).toEqual(['step_000001']);
    expect(await readFile(join(step, 'sub', 'a'), 'utf8')).toBe('1');
  });

  it('replaces a folder that is there', async () => {
    const step = join(folder, 'step');
    for (const name of ['first', 'second']) {
      await writeFolderAtomic(step, (temporary) => writeFile(join(temporary, name), ''));
    }
    expect(await readdir(step)).toEqual(['second']);
    expect(await readdir(folder)).toEqual(['step']);
  });

  it('appends lines and ends a torn one first', async () => {
    const file = join(folder, 'metrics.jsonl');
    await appendLine(file, '{"step":1}');
    await writeFile(file, '{"st', { flag: 'a' });
    await appendLine(file, '{"step":2}');
    await appendLine(file, '{"step":3}');
    expect(await readFile(file, 'utf8')).toBe('{"step":1}\n{"st\n{"step":2}\n{"step":3}\n');
    await expect(appendLine(file, 'a\nb')).rejects.toThrow(RangeError);
  });

  it('cuts a torn last line, and only that', async () => {
    const file = join(folder, 'torn.jsonl');
    await writeFile(file, '{"step":1}\n{"st');
    await cutTornLine(file);
    expect(await readFile(file, 'utf8')).toBe('{"step":1}\n');
    await cutTornLine(file);
    expect(await readFile(file, 'utf8')).toBe('{"step":1}\n');
    await writeFile(file, '{"st');
    await cutTornLine(file);
    expect(await readFile(file, 'utf8')).toBe('');
    await cutTornLine(join(folder, 'not-there'));
    expect(await readdir(folder)).not.toContain('not-there');
  });

  it('says what to do when a place cannot be written', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const inside = join(file, 'run');
    const message = /run\n.*a place that can be written\n.*ENOTDIR[^]*fix: .*save_checkpoint_path/;
    await expect(ensureWritableFolder(inside)).rejects.toThrow(message);
    await expect(writeFolderAtomic(inside, async () => {})).rejects.toThrow(ConfigError);
    await expect(writeFileAtomic(inside, 'x')).rejects.toThrow(message);
    await expect(appendLine(inside, 'x')).rejects.toThrow(message);
    await expect(ensureWritableFolder('/proc/nothing-here')).rejects.toThrow(ConfigError);
    await ensureWritableFolder(join(folder, 'a', 'b'));
    expect(await readdir(join(folder, 'a', 'b'))).toEqual([]);
  });
});

describe('readJsonl', () => {
  async function read(content: string | Uint8Array): Promise<unknown> {
    const file = join(folder, 'rows.jsonl');
    await writeFile(file, content);
    return readJsonlAll(file);
  }

  it('splits at "\\n" only and counts blank lines', async () => {
    const odd = { text: 'a\u2028b\u2029c\u0085d' };
    const content = `\uFEFF{"a":1}\r\n\n  \n${JSON.stringify(odd)}\n[2]`;
    expect(await read(content)).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 4, value: odd },
      { line: 5, value: [2] },
    ]);
    expect(await read('')).toEqual([]);
  });

  it('reads lines that are longer than a chunk and characters that straddle two', async () => {
    const long = 'ä€😀'.repeat(60_000);
    const content = `${JSON.stringify(long)}\n${JSON.stringify(`x${long}`)}\n`;
    expect(await read(content)).toEqual([
      { line: 1, value: long },
      { line: 2, value: `x${long}` },
    ]);
  });

  it.each([
    ['{"a":1}\n{"a":', /rows\.jsonl:2\n.*one JSON value on the line\n.*\{"a":/],
    ['{"a":1} {"b":2}', /rows\.jsonl:1/],
    ['[\n{"a":1}\n]', /rows\.jsonl:1[^]*one JSON list has to be converted/],
    ['{"a":NaN}', /rows\.jsonl:1/],
    [Uint8Array.of(0x7b, 0x0a, 0xff, 0xfe), /rows\.jsonl:1/],
    [Uint8Array.of(0x31, 0x0a, 0x22, 0xff, 0x22), /rows\.jsonl:2\n.*UTF-8/],
    [Uint8Array.of(0x1f, 0x8b, 0x08, 0x00), /UTF-8/],
  ])('refuses %j', async (content, message) => {
    await expect(read(content)).rejects.toThrow(DataError);
    await expect(read(content)).rejects.toThrow(message);
  });

  it('says which file cannot be read', async () => {
    await expect(readJsonlAll(join(folder, 'none.jsonl'))).rejects.toThrow(
      /none\.jsonl\n.*readable[^]*ENOENT/,
    );
    await expect(readJsonlAll(folder)).rejects.toThrow(/EISDIR/);
  });
});
