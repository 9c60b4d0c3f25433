/** Ctrl-C: the first one ends the run after its step, with a checkpoint; a second one ends it at once. */
export class Interrupt {
  #requested = false;
  readonly #handler = (): void => {
    if (this.#requested) process.exit(130);
    this.#requested = true;
    process.stderr.write('\nStopping after this step; press Ctrl-C again to stop at once.\n');
  };

  constructor() {
    process.on('SIGINT', this.#handler);
  }

  get requested(): boolean {
    return this.#requested;
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#handler);
  }
}
