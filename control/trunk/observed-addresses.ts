/**
 * Where this node's datagram sockets are seen: what peers say of the address that our probes came from.
 *
 * Main thread, pure. Behind a NAT that is the mapped address, which other peers may use as well when the mapping does
 * not depend on them. It is a peer's word and nobody else's: it is told to others as one candidate among a few, those
 * that most peers agree on first, and nothing but probes goes there before it has answered.
 */
import { isUnicastIp } from './ip-text.ts';
import type { DatagramAddress, PeerIdText } from './trunk-port.ts';

/** Words that count; the oldest leave. Enough that a few peers cannot outvote the others. */
const WORDS_MAX = 64;
/** Each trunk's lanes are asked at least this often, with some to spare. */
const FRESH_MS = 180_000;
/** Told of one socket: a mapping or two of each family. */
const TOLD_MAX = 3;

interface Word {
  readonly address: DatagramAddress;
  readonly atMs: number;
}

/** See the file's head. */
export class ObservedAddresses {
  /** By worker and peer; the latest last. */
  readonly #words = new Map<string, Word & { readonly worker: number }>();

  /** A peer has seen a worker's socket at this address. */
  note(worker: number, peer: PeerIdText, address: DatagramAddress, nowMs: number): void {
    if (!isUnicastIp(address.ip)) {
      return;
    }
    const family = address.ip.includes(':') ? 6 : 4;
    const key = `${worker}/${family}/${peer}`;
    this.#words.delete(key);
    this.#words.set(key, { worker, address, atMs: nowMs });
    if (this.#words.size > WORDS_MAX) {
      this.#words.delete(this.#words.keys().next().value ?? '');
    }
  }

  /** Our own addresses are others: what was seen of the old ones means nothing. */
  clear(): void {
    this.#words.clear();
  }

  /** @returns where a worker's socket is seen, what most peers say first */
  of(worker: number, nowMs: number): DatagramAddress[] {
    const votes = new Map<string, { readonly address: DatagramAddress; count: number }>();
    for (const { worker: of, address, atMs } of this.#words.values()) {
      if (of === worker && nowMs - atMs < FRESH_MS) {
        const key = `${address.ip} ${address.port}`;
        const vote = votes.get(key) ?? { address, count: 0 };
        vote.count += 1;
        votes.set(key, vote);
      }
    }
    const sorted = [...votes.values()].sort((left, right) => right.count - left.count);
    return sorted.slice(0, TOLD_MAX).map(({ address }) => address);
  }
}
