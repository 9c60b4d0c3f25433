/** How far a download is, on standard error: a line that changes in a terminal, lines now and then elsewhere. */
import { formatDuration } from '../../util/duration.ts';
import { formatLine, log } from '../../util/log.ts';

const TERMINAL_PERIOD_MS = 250;
const PLAIN_PERIOD_MS = 5000;
/** Where a terminal does not tell its width. */
const NARROW_COLUMNS = 80;
/** Back to the start of the line, and away with what it holds. */
const CLEAR_LINE = '\r\u001B[2K';

export interface DownloadState {
  files: number;
  filesDone: number;
  bytes: number;
  bytesDone: number;
  /** Of `bytesDone`, what has come since `seconds` ago. */
  bytesCome: number;
  seconds: number;
}

export class DownloadProgress {
  readonly #name: string;
  readonly #state: DownloadState;
  readonly #start = performance.now();
  readonly #inTerminal = process.stderr.isTTY;
  readonly #timer: NodeJS.Timeout;

  /** @param bytesDone what an earlier download has left */
  constructor(name: string, files: number, bytes: number, bytesDone: number) {
    this.#name = name;
    this.#state = { files, filesDone: 0, bytes, bytesDone, bytesCome: 0, seconds: 0 };
    const period = this.#inTerminal ? TERMINAL_PERIOD_MS : PLAIN_PERIOD_MS;
    this.#timer = setInterval(() => this.#show(), period).unref();
    this.#show();
  }

  /** @param count negative for bytes that have to come once more */
  addBytes(count: number): void {
    this.#state.bytesDone += count;
    this.#state.bytesCome += count;
  }

  addFile(): void {
    this.#state.filesDone++;
  }

  /** Shows where it ended. */
  stop(): void {
    clearInterval(this.#timer);
    this.#show();
    if (this.#inTerminal && formatLine('info', '') !== undefined) process.stderr.write('\n');
  }

  #show(): void {
    this.#state.seconds = (performance.now() - this.#start) / 1000;
    const text = `${this.#name}: ${describeProgress(this.#state)}`;
    if (!this.#inTerminal) log.info(text);
    else if (formatLine('info', text) !== undefined) {
      // A line that the terminal breaks could not be cleared.
      process.stderr.write(CLEAR_LINE + text.slice(0, (process.stderr.columns || NARROW_COLUMNS) - 1));
    }
  }
}

/** `3/12 files  2.10/7.51 GB  84.2 MB/s  1 min 4 s left`; below 1 GB in MB */
export function describeProgress(state: DownloadState): string {
  const { files, filesDone, bytes, bytesDone, bytesCome, seconds } = state;
  const perSecond = bytesCome > 0 && seconds > 0 ? bytesCome / seconds : 0;
  const parts = [
    `${filesDone}/${files} files`,
    bytes < 1e9
      ? `${(bytesDone / 1e6).toFixed(1)}/${(bytes / 1e6).toFixed(1)} MB`
      : `${(bytesDone / 1e9).toFixed(2)}/${(bytes / 1e9).toFixed(2)} GB`,
    perSecond > 0 ? `${(perSecond / 1e6).toFixed(1)} MB/s` : '',
    perSecond > 0 && bytesDone < bytes ? `${formatDuration((bytes - bytesDone) / perSecond)} left` : '',
  ];
  return parts.filter((part) => part !== '').join('  ');
}
