/** One write to the store at a time, while the next rows arrive. The next call throws the error of a failed write. */
export class OneWrite {
  #write: Promise<void> = Promise.resolve();

  /** Waits for the previous write, then starts `work` and returns without waiting for it. */
  async begin(work: () => Promise<void>): Promise<void> {
    await this.#write;
    this.#write = work();
    this.#write.catch(() => {}); // thrown by the next call
  }

  /** Waits until no write is running. */
  done(): Promise<void> {
    return this.#write;
  }
}
