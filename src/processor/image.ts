/**
 * Decodes picture files to 8-bit RGB with the bytes that the Python processor (transformers 5.23, Pillow 13)
 * sees when it is given a path: turned as EXIF says, 16-bit grey clipped at 255, colour profiles ignored, an
 * alpha channel dropped, and white where a single colour is declared transparent.
 */

import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import type { Metadata, Sharp } from 'sharp';
import { DataError, messageOf } from '../util/errors.ts';
import type { Pixels } from './resize.ts';

/** A decoded picture, u8 [height, width, 3], and where it comes from, for messages. */
export interface RgbImage extends Pixels {
  where: string;
}

/** Where Pillow, too, calls a picture a decompression bomb and refuses it. */
const MAX_IMAGE_PIXELS = 178_956_970;
const FORMATS = new Set(['jpeg', 'png', 'webp', 'gif', 'tiff']);
const DATA_URL = /^data:image\/[\w.+-]+;base64,/;
/** Where a PNG's header tells its colour type, and the bit in it that stands for an alpha channel. */
const PNG_COLOUR_TYPE = 25;
const PNG_ALPHA_BIT = 4;
const SHOWN_CHARACTERS = 80;

/**
 * Decodes a picture; of an animation the first frame.
 *
 * @param source a path, a `data:image/…;base64,` URL, or the bytes of a file
 * @param where the file and row that ask for the picture
 * @throws DataError naming `where` and the path if the picture is missing, damaged, of an unknown format or too large
 */
export async function decodeImage(source: string | Uint8Array, where: string): Promise<RgbImage> {
  const place = typeof source === 'string' ? `${where}: ${shorten(source)}` : where;
  const bytes = typeof source === 'string' ? await readSource(source, place) : source;
  try {
    // Severe damage and truncated files fail; a mere warning of the decoder does not, as in Pillow.
    const input = sharp(bytes, { failOn: 'error', ignoreIcc: true, limitInputPixels: MAX_IMAGE_PIXELS });
    const metadata = await input.metadata();
    if (!FORMATS.has(metadata.format)) throw new Error(`a picture of format ${metadata.format}`);
    const pixels = await toRgb(input.autoOrient(), metadata, hasTransparentColour(bytes, metadata));
    return { ...pixels, where: place };
  } catch (error) {
    throw new DataError(
      {
        where: place,
        expected: `an intact ${[...FORMATS].join(', ')} picture of at most ${MAX_IMAGE_PIXELS} pixels`,
        found: error instanceof Error ? firstLine(error.message) : 'an error',
        fix: 'replace or convert the picture, or leave the row out',
      },
      { cause: error },
    );
  }
}

async function readSource(source: string, place: string): Promise<Uint8Array> {
  const prefix = DATA_URL.exec(source)?.[0];
  if (prefix !== undefined) return Buffer.from(source.slice(prefix.length), 'base64');
  if (/^(https?|data):/.test(source)) {
    throw new DataError({
      where: place,
      expected: 'a path or a data:image/...;base64 URL',
      found: 'another kind of URL',
      fix: 'download the picture first',
    });
  }
  try {
    return await readFile(source);
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new DataError(
      {
        where: place,
        expected: 'a readable picture file',
        found: missing ? 'no such file' : messageOf(error),
        fix: 'check the path in the row and data.image_dir',
      },
      { cause: error },
    );
  }
}

/** Whether transparency comes from a marked colour (all GIFs, PNGs without an alpha channel). */
function hasTransparentColour(bytes: Uint8Array, { format, hasAlpha }: Metadata): boolean {
  if (!hasAlpha) return false;
  return format === 'gif' || (format === 'png' && (bytes[PNG_COLOUR_TYPE]! & PNG_ALPHA_BIT) === 0);
}

function toRgb(image: Sharp, { space, hasAlpha }: Metadata, transparentColour: boolean): Promise<Pixels> {
  if (transparentColour) return transparentColourToRgb(image);
  if (space === 'cmyk') return cmykToRgb(image);
  if (space === 'grey16' && !hasAlpha) return grey16ToRgb(image);
  return readRgb(image);
}

async function readRgb(image: Sharp): Promise<Pixels> {
  const { data, info } = await image
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`a picture that decodes to ${info.channels} channels`);
  return { data, width: info.width, height: info.height };
}

/**
 * White where a pixel is transparent. A palette with shades of transparency counts as an alpha channel, which
 * is dropped: Pillow's `convert('RGB')` keeps only a single transparent colour for the processor to fill.
 */
async function transparentColourToRgb(image: Sharp): Promise<Pixels> {
  const { data: rgba, info } = await image
    .ensureAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 4) throw new Error(`a picture that decodes to ${info.channels} channels`);
  const pixels = info.width * info.height;
  const data = new Uint8Array(pixels * 3);
  let shades = false;
  for (let pixel = 0; pixel < pixels && !shades; pixel++) {
    shades = rgba[pixel * 4 + 3] !== 0 && rgba[pixel * 4 + 3] !== 255;
  }
  for (let pixel = 0; pixel < pixels; pixel++) {
    const white = !shades && rgba[pixel * 4 + 3] === 0;
    for (let channel = 0; channel < 3; channel++) {
      data[pixel * 3 + channel] = white ? 255 : rgba[pixel * 4 + channel]!;
    }
  }
  return { data, width: info.width, height: info.height };
}

/** Pillow's conversion without a profile: each ink darkens what black leaves, with 8-bit rounding. */
async function cmykToRgb(image: Sharp): Promise<Pixels> {
  const { data: inks, info } = await image
    .pipelineColourspace('cmyk')
    .toColourspace('cmyk')
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 4) throw new Error(`a CMYK picture with ${info.channels} channels`);
  const data = new Uint8Array(info.width * info.height * 3);
  for (let pixel = 0; pixel < info.width * info.height; pixel++) {
    const white = 255 - inks[pixel * 4 + 3]!;
    for (let channel = 0; channel < 3; channel++) {
      const product = inks[pixel * 4 + channel]! * white + 128;
      data[pixel * 3 + channel] = white - (((product >> 8) + product) >> 8);
    }
  }
  return { data, width: info.width, height: info.height };
}

/** Pillow clips 16-bit grey at 255 (mode I;16) instead of scaling it, and models were trained on that. */
async function grey16ToRgb(image: Sharp): Promise<Pixels> {
  const { data: bytes, info } = await image
    .toColourspace('grey16')
    .raw({ depth: 'ushort' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 1) throw new Error(`a grey picture with ${info.channels} channels`);
  const data = new Uint8Array(info.width * info.height * 3);
  for (let pixel = 0; pixel < info.width * info.height; pixel++) {
    data.fill(Math.min(255, bytes.readUInt16LE(pixel * 2)), pixel * 3, pixel * 3 + 3);
  }
  return { data, width: info.width, height: info.height };
}

/** Decoders report one problem several times, a line each. */
function firstLine(message: string): string {
  return message.trim().split('\n')[0]!;
}

function shorten(text: string): string {
  return DATA_URL.test(text) && text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
