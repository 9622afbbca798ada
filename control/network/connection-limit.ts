/**
 * Who gets one of the node's libp2p connections when there are not enough for all.
 *
 *   wanted peer (configured, or found and wanted)   always; beyond the limit a stranger's connection ends for it
 *   stranger                                        what is left
 *   any peer                                        four connections at most: races of two, and what replaces them
 *
 * libp2p's own limit counts before it is known who comes, so that strangers could keep out those that cannot be
 * dialled. It is set higher than ours; what lies between is held by nobody for longer than a handshake.
 *
 * Main thread.
 */
import type { Connection } from '@libp2p/interface';

/** What libp2p may take beyond our limit: connections whose peer is not known yet. */
export const HANDSHAKE_RESERVE = 64;

const PER_PEER_MAX = 4;

/** See the file's head. */
export class ConnectionLimit {
  readonly #max: number;
  readonly #connections: () => readonly Connection[];
  #wanted: ReadonlySet<string> = new Set();

  /** @param connections - those that are open now */
  constructor(max: number, connections: () => readonly Connection[]) {
    this.#max = max;
    this.#connections = connections;
  }

  /** Names the peers that always find a place. */
  want(peers: readonly string[]): void {
    this.#wanted = new Set(peers);
  }

  /** Whether an inbound connection may open; a stranger's may have ended for it. */
  admit(peer: string): boolean {
    const open = this.#connections().filter(({ status }) => status === 'open');
    if (open.filter(({ remotePeer }) => remotePeer.toString() === peer).length >= PER_PEER_MAX) {
      return false;
    }
    if (open.length < this.#max) {
      return true;
    }
    const victim = this.#wanted.has(peer) ? this.#leastWorthy(open) : undefined;
    victim?.abort(new Error('the place is needed for another peer'));
    return victim !== undefined;
  }

  /** A stranger's: the one with the fewest streams, of these the youngest. */
  #leastWorthy(open: readonly Connection[]): Connection | undefined {
    const strangers = open.filter(({ remotePeer }) => !this.#wanted.has(remotePeer.toString()));
    return strangers.reduceRight<Connection | undefined>(
      (least, next) => (least === undefined || next.streams.length < least.streams.length ? next : least),
      undefined,
    );
  }
}
