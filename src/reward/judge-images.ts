/** Images as chat endpoints take them: data URLs of JPEG, PNG, WebP or GIF, of bounded size. */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';

const SENT_AS_THEY_ARE = new Set(['jpeg', 'png', 'webp', 'gif']);
/** Longest side in pixels; hosted models scale down to less. */
const MAX_SIDE = 2048;
const DATA_URL = /^data:image\/[\w.+-]{1,40};base64,/;
/** Encoded images to keep: the responses of a group ask for the same ones one after the other. */
const KEPT_IMAGES = 32;

/** Encodes images, each one once while its responses are judged. */
export class JudgeImages {
  readonly #urls = new Map<string, Promise<string>>();

  /**
   * @param source a path or a base64 data URL.
   * @throws an Error of the file system or of the decoder for an image that cannot be read.
   */
  async dataUrl(source: string): Promise<string> {
    const url = this.#urls.get(source) ?? encode(source);
    // The last one used comes last.
    this.#urls.delete(source);
    this.#urls.set(source, url);
    const [oldest] = this.#urls.keys();
    if (this.#urls.size > KEPT_IMAGES && oldest !== undefined) this.#urls.delete(oldest);
    return url;
  }
}

async function encode(source: string): Promise<string> {
  const prefix = DATA_URL.exec(source)?.[0];
  const bytes =
    prefix === undefined ? await readFile(source) : Buffer.from(source.slice(prefix.length), 'base64');
  const image = sharp(bytes, { failOn: 'error' });
  const { format, width, height, orientation = 1 } = await image.metadata();
  const sendable = SENT_AS_THEY_ARE.has(format);
  if (sendable && orientation === 1 && Math.max(width, height) <= MAX_SIDE) return toDataUrl(format, bytes);
  const fitted = image
    .autoOrient()
    .resize({ width: MAX_SIDE, height: MAX_SIDE, fit: 'inside', withoutEnlargement: true });
  const { data, info } = await (sendable ? fitted : fitted.png()).toBuffer({ resolveWithObject: true });
  return toDataUrl(info.format, data);
}

function toDataUrl(format: string, bytes: Buffer): string {
  return `data:image/${format};base64,${bytes.toString('base64')}`;
}
