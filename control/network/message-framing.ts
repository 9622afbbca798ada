/**
 * Length-prefixed messages on a byte stream: an unsigned varint, then that many bytes.
 *
 * Main thread, pure. A stream may cut messages anywhere. Nothing larger than the limit is ever held, whatever
 * the peer announces; an announced size above the limit, or a prefix that does not end, is an error at once.
 */

/** The prefix of the largest message of 64 KiB takes three bytes. */
const PREFIX_BYTES_MAX = 3;

/** @returns prefix and message in one buffer of its own */
export function frameMessage(message: Uint8Array): Uint8Array {
  const prefix: number[] = [];
  for (let rest = message.length; ; rest >>>= 7) {
    prefix.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) {
      break;
    }
  }
  const framed = new Uint8Array(prefix.length + message.length);
  framed.set(prefix);
  framed.set(message, prefix.length);
  return framed;
}

export class MessageReader {
  readonly #messageMaxBytes: number;
  #prefix: number[] = [];
  #message: Uint8Array | undefined;
  #filledBytes = 0;
  #hasFailed = false;

  constructor(messageMaxBytes: number) {
    this.#messageMaxBytes = messageMaxBytes;
  }

  /**
   * Takes the next bytes of the stream.
   *
   * @param deliver - called for each whole message, with a buffer of its own
   * @returns false when the stream breaks the framing; it must be closed, and nothing more is read
   */
  push(bytes: Uint8Array, deliver: (message: Uint8Array) => void): boolean {
    let at = 0;
    while (at < bytes.length && !this.#hasFailed) {
      if (this.#message === undefined) {
        this.#pushPrefix(bytes[at] ?? 0);
        at += 1;
      } else {
        const takenBytes = Math.min(bytes.length - at, this.#message.length - this.#filledBytes);
        this.#message.set(bytes.subarray(at, at + takenBytes), this.#filledBytes);
        this.#filledBytes += takenBytes;
        at += takenBytes;
      }
      if (this.#message !== undefined && this.#filledBytes === this.#message.length) {
        const message = this.#message;
        this.#message = undefined;
        this.#filledBytes = 0;
        deliver(message);
      }
    }
    return !this.#hasFailed;
  }

  #pushPrefix(byte: number): void {
    this.#prefix.push(byte);
    if (byte > 0x7f) {
      this.#hasFailed = this.#prefix.length >= PREFIX_BYTES_MAX;
      return;
    }
    const size = this.#prefix.reduceRight((value, part) => value * 128 + (part & 0x7f), 0);
    this.#prefix = [];
    if (size > this.#messageMaxBytes) {
      this.#hasFailed = true;
      return;
    }
    this.#message = new Uint8Array(size);
  }
}
