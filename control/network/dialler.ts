/**
 * Dials a peer at all its addresses, one after the other but without waiting for each to fail; the first that answers
 * is taken.
 *
 *   QUIC, TCP, WebSocket      400 ms later each, or at once when the one before has failed
 *   circuits through relays   after those have had 600 ms
 *
 * libp2p's own dial queue tries addresses one at a time, seconds each, and joins two dials to one peer: an address that
 * swallows everything, as most do behind a NAT, would keep the others waiting. Main thread.
 */
import type { Connection, Libp2p } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import { transportOf } from './connections.ts';
import { DIAL_TIMEOUT_MS } from './libp2p-node.ts';
import { namedAddress, parseAddress } from './multiaddrs.ts';
import { NetworkError } from './network-error.ts';
import { CLOSED_UNSAID, type Refusals } from './refusals.ts';

/** For one address: some round trips of a bad path, and a proof of the swarm. */
const ADDRESS_TIMEOUT_MS = 4_000;
const NEXT_MS = 400;
const CIRCUITS_AFTER_MS = 600;
/** Attempts at one peer. */
const ADDRESSES_MAX = 16;
const ORDER = ['quic', 'tcp', 'websocket', 'circuit'] as const;

/** What dials one address: libp2p's transport manager. */
export type DialAddress = (address: Multiaddr, options: { signal: AbortSignal }) => Promise<Connection>;

/** See the file's head. */
export class Dialler {
  readonly #node: Libp2p;
  readonly #refusals: Refusals;
  readonly #dialAddress: DialAddress;

  constructor(node: Libp2p, refusals: Refusals, dialAddress: DialAddress) {
    this.#node = node;
    this.#refusals = refusals;
    this.#dialAddress = dialAddress;
  }

  /**
   * @param isFresh - a connection beside those that are there; else one of those does
   * @throws what the last attempt said
   */
  async dialPeer(peer: PeerIdText, addresses: readonly string[], isFresh: boolean): Promise<Connection> {
    const targets = addresses
      .map((address) => namedAddress(address, peer))
      .filter((address) => address !== undefined);
    if (targets.length === 0) {
      throw new NetworkError('bad-address', 'none of the peer’s addresses can be dialled');
    }
    if (this.#refusals.has(peer)) {
      throw new NetworkError('refused', CLOSED_UNSAID);
    }
    const standing = isFresh ? undefined : this.#standing(peer);
    const connection = standing ?? (await this.#dial(targets));
    // Noise has authenticated the remote key, and libp2p compares it with the /p2p/ part; this is the last word.
    if (connection.remotePeer.toString() !== peer) {
      connection.abort(new Error('another peer answered'));
      throw new NetworkError('bad-address', `another peer answered: ${connection.remotePeer.toString()}`);
    }
    return connection;
  }

  /** Dials an address whose peer is not known. */
  dialUnnamed(address: string): Promise<Connection> {
    return this.#node.dial(parseAddress(address), { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
  }

  #dial(targets: readonly Multiaddr[]): Promise<Connection> {
    const sorted = targets
      .map((address) => ({ address, rank: ORDER.indexOf(transportOf(address)) }))
      .sort((left, right) => left.rank - right.rank)
      .slice(0, ADDRESSES_MAX);
    return this.#race(sorted, AbortSignal.timeout(DIAL_TIMEOUT_MS));
  }

  #standing(peer: PeerIdText): Connection | undefined {
    const open = this.#node
      .getConnections()
      .filter(({ remotePeer, status }) => status === 'open' && remotePeer.toString() === peer);
    return open.sort((left, right) => rankOf(left) - rankOf(right))[0];
  }

  async #race(
    sorted: readonly { readonly address: Multiaddr; readonly rank: number }[],
    signal: AbortSignal,
  ): Promise<Connection> {
    const startMs = performance.now();
    const race: Race = { attempts: [], ends: [], winner: undefined, failure: undefined };
    for (const { address, rank } of sorted) {
      if (rank === ORDER.indexOf('circuit') && race.ends.length > 0) {
        const leftMs = CIRCUITS_AFTER_MS - (performance.now() - startMs);
        await Promise.race([Promise.all(race.ends), pause(leftMs, signal), anyWinner(race)]);
      }
      if (race.winner !== undefined || signal.aborted) {
        break;
      }
      const end = this.#attempt(race, address, signal);
      race.ends.push(end);
      await Promise.race([end, pause(NEXT_MS, signal), anyWinner(race)]);
    }
    await Promise.race([Promise.all(race.ends), anyWinner(race)]);
    if (race.winner === undefined) {
      throw race.failure instanceof Error ? race.failure : new Error('no address answers');
    }
    return race.winner;
  }

  /** Never rejects. What arrives second is closed as any connection that nobody uses. */
  async #attempt(race: Race, address: Multiaddr, signal: AbortSignal): Promise<void> {
    const attempt = new AbortController();
    race.attempts.push(attempt);
    const stop = (): void => attempt.abort(new Error('no answer in time'));
    const timer = setTimeout(stop, ADDRESS_TIMEOUT_MS);
    signal.addEventListener('abort', stop);
    try {
      // What stands for other addresses is looked up by libp2p.
      const isName = address.getComponents().some(({ name }) => name === 'dnsaddr');
      const options = { signal: attempt.signal };
      const connection = await (isName
        ? this.#node.dial(address, options)
        : this.#dialAddress(address, options));
      race.winner ??= connection;
      // The winner's own signal is left alone: a connection ends with it.
      for (const other of race.attempts) {
        if (other !== attempt) other.abort(new Error('another address was faster'));
      }
    } catch (cause) {
      race.failure ??= cause;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }
}

/** Attempts at one peer's addresses. */
interface Race {
  readonly attempts: AbortController[];
  readonly ends: Promise<void>[];
  winner: Connection | undefined;
  failure: unknown;
}

/** Resolves with the first attempt that has won; never when none has. */
async function anyWinner(race: Race): Promise<void> {
  const ends = race.ends.map(async (end) => {
    await end;
    if (race.winner === undefined) {
      await new Promise<never>(() => undefined);
    }
  });
  await Promise.race(ends);
}

/** @returns the place of a connection in the order of worth, lower is better */
function rankOf(connection: Connection): number {
  return ORDER.indexOf(transportOf(connection.remoteAddr));
}

function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, durationMs));
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
