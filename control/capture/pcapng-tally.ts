/**
 * Counts the frames of a pcapng file as it passes by in pieces, and reads from its end what was dropped.
 *
 * Runs in the `peertap` command. It knows the blocks that pcapng.ts writes, and steps over all others.
 */

const ENHANCED_PACKET = 6;
const INTERFACE_STATISTICS = 5;
const ISB_IFDROP = 5;
const HEAD_BYTES = 8;
/** Statistics are some tens of bytes. */
const MAX_KEPT_BYTES = 4_096;

/** See the file's head. */
export class PcapngTally {
  frames = 0;
  /** undefined: the file is not at its end. */
  dropped: number | undefined;
  /** Of the block in hand: its head, and its body while it is one of statistics. */
  #kept = new Uint8Array(0);
  /** Bytes to step over. */
  #skip = 0;

  /** Takes the next piece. */
  add(piece: Uint8Array): void {
    let at = 0;
    while (at < piece.length) {
      const skipped = Math.min(this.#skip, piece.length - at);
      this.#skip -= skipped;
      at += skipped;
      if (at < piece.length) at += this.#keep(piece.subarray(at));
    }
  }

  /** @returns bytes taken */
  #keep(piece: Uint8Array): number {
    const wanted = this.#wantedBytes() - this.#kept.length;
    const taken = piece.subarray(0, wanted);
    const kept = new Uint8Array(this.#kept.length + taken.length);
    kept.set(this.#kept);
    kept.set(taken, this.#kept.length);
    this.#kept = kept;
    if (kept.length === this.#wantedBytes()) this.#complete();
    return taken.length;
  }

  /** A head, or all of a block of statistics. */
  #wantedBytes(): number {
    if (this.#kept.length < HEAD_BYTES) return HEAD_BYTES;
    const { type, length } = this.#head();
    return type === INTERFACE_STATISTICS && length <= MAX_KEPT_BYTES
      ? Math.max(HEAD_BYTES, length)
      : HEAD_BYTES;
  }

  #complete(): void {
    const { type, length } = this.#head();
    if (type === ENHANCED_PACKET) this.frames++;
    if (type === INTERFACE_STATISTICS && this.#kept.length > HEAD_BYTES) this.#readStatistics();
    this.#skip = Math.max(0, length - this.#kept.length);
    this.#kept = new Uint8Array(0);
  }

  #head(): { readonly type: number; readonly length: number } {
    const view = new DataView(this.#kept.buffer);
    return { type: view.getUint32(0, true), length: view.getUint32(4, true) };
  }

  #readStatistics(): void {
    const view = new DataView(this.#kept.buffer);
    const end = this.#kept.length - 4;
    this.dropped = 0;
    for (let at = HEAD_BYTES + 12; at + 4 <= end; ) {
      const code = view.getUint16(at, true);
      const length = view.getUint16(at + 2, true);
      if (code === ISB_IFDROP && length === 8 && at + 12 <= end) {
        this.dropped = view.getUint32(at + 4, true) + view.getUint32(at + 8, true) * 2 ** 32;
      }
      if (code === 0) return;
      at += 4 + ((length + 3) & ~3);
    }
  }
}
