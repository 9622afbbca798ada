/**
 * Whether open connections live: TCP itself would wait for minutes before it says that a peer is gone.
 *
 *   heard of the peer within the interval ──▶ nothing to do      silent ──▶ ping ──▶ silent still ──▶ cut
 *
 * One end's pings are heard at the other, so that an idle connection costs one ping a minute. What goes over it
 * tells when it must be looked at more closely: a trunk that depends on it (`watchClosely`), a message that should
 * be answered (`expect`). Under traffic there are no pings at all.
 *
 * Main thread. Connections that cannot be pinged are left alone: QUIC has timeouts of its own.
 */
import type { Connection } from '@libp2p/interface';

/** What the pulse needs to know of a connection. */
export interface Pulsed {
  /** Asks for a sign of life; the round trip is measured by it, too. */
  readonly ping: (signal: AbortSignal) => Promise<unknown>;
  /** CLOCK_MONOTONIC in ms: when anything came in last. */
  readonly heardAtMs: () => number;
}

/** While a trunk's datagrams pass by UDP, nothing depends on the connection but the next keys, in two minutes. */
const IDLE_MS = 60_000;
/** While everything depends on it. */
const CLOSE_MS = 10_000;
/** The end that was dialled waits a little longer, so that it hears the other's pings instead of its own answers. */
const LISTENER_FACTOR = 1.3;
/** A slow path's round trips behind a full queue; data that comes in meanwhile counts as an answer. */
const PING_TIMEOUT_MS = 5_000;
/** How soon a message should have brought anything back: members say something each 15 s. */
const EXPECTED_WITHIN_MS = 20_000;
const TICK_MS = 1_000;

interface Watched {
  readonly pulsed: Pulsed;
  isClose: boolean;
  expectedSinceMs: number | undefined;
  isPinging: boolean;
}

/** See the file's head. */
export class ConnectionPulse {
  readonly #watched = new Map<Connection, Watched>();
  readonly #nowMs: () => number;
  readonly #timer: NodeJS.Timeout;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#timer = setInterval(() => this.look(), TICK_MS);
    this.#timer.unref();
  }

  /** Watches a connection until it is forgotten; asks once at first, which tells the muxer its round trip. */
  add(connection: Connection, pulsed: Pulsed): void {
    const watched: Watched = { pulsed, isClose: false, expectedSinceMs: undefined, isPinging: false };
    this.#watched.set(connection, watched);
    void this.#ping(connection, watched);
  }

  forget(connection: Connection): void {
    this.#watched.delete(connection);
  }

  /** Whether more depends on the connection than usual. */
  watchClosely(connection: Connection, isClose: boolean): void {
    const watched = this.#watched.get(connection);
    if (watched !== undefined) watched.isClose = isClose;
  }

  /** Something was sent, after which anything at all should come back soon. */
  expect(connection: Connection): void {
    const watched = this.#watched.get(connection);
    if (watched !== undefined) watched.expectedSinceMs ??= this.#nowMs();
  }

  /** Pings at once. @returns false when the connection is none that can be */
  check(connection: Connection): boolean {
    const watched = this.#watched.get(connection);
    if (watched === undefined) {
      return false;
    }
    void this.#ping(connection, watched);
    return true;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#watched.clear();
  }

  /** Pings who is due. */
  look(): void {
    const nowMs = this.#nowMs();
    for (const [connection, watched] of this.#watched) {
      if (this.#isDue(connection, watched, nowMs)) void this.#ping(connection, watched);
    }
  }

  #isDue(connection: Connection, watched: Watched, nowMs: number): boolean {
    const heardAtMs = watched.pulsed.heardAtMs();
    const { expectedSinceMs } = watched;
    if (expectedSinceMs !== undefined && heardAtMs >= expectedSinceMs) {
      watched.expectedSinceMs = undefined;
    } else if (expectedSinceMs !== undefined && nowMs - expectedSinceMs >= EXPECTED_WITHIN_MS) {
      return true;
    }
    const factor = connection.direction === 'outbound' ? 1 : LISTENER_FACTOR;
    return nowMs - heardAtMs >= factor * (watched.isClose ? CLOSE_MS : IDLE_MS);
  }

  async #ping(connection: Connection, watched: Watched): Promise<void> {
    if (watched.isPinging) {
      return;
    }
    watched.isPinging = true;
    const sentAtMs = this.#nowMs();
    try {
      await watched.pulsed.ping(AbortSignal.timeout(PING_TIMEOUT_MS));
    } catch (cause) {
      if (watched.pulsed.heardAtMs() < sentAtMs && this.#watched.has(connection)) {
        connection.abort(new Error('the peer gives no sign of life', { cause }));
      }
    } finally {
      watched.isPinging = false;
      watched.expectedSinceMs = undefined;
    }
  }
}
