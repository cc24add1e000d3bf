/** One write to the store at a time, while the next rows are on their way. A failure is thrown by the next call. */
export class OneWrite {
  #write: Promise<void> = Promise.resolve();

  /** Waits for the write before it, then begins `work` and returns while it goes on. */
  async begin(work: () => Promise<void>): Promise<void> {
    await this.#write;
    this.#write = work();
    this.#write.catch(() => {}); // thrown by the next call
  }

  /** Waits until nothing is being written. */
  done(): Promise<void> {
    return this.#write;
  }
}
