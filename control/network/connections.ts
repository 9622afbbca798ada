/**
 * What can be asked of one libp2p connection: whether it lives, whose address it shows, why it failed.
 *
 * Main thread. Only this folder knows libp2p.
 */
import type { Connection } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { canonicalIp } from '../trunk/ip-text.ts';
import type { Transport } from '../trunk/network-port.ts';
import { NetworkError } from './network-error.ts';

/** What a connection is asked after a change of address, and how long it may take: a slow path's round trips. */
const CHECK_PROTOCOL = '/peertap/alive/1.0.0';
const CHECK_TIMEOUT_MS = 1_500;
/** A connection that no trunk needs is closed when it has carried no stream for this long. */
const IDLE_MS = 10_000;
/** How long a closing connection may take to send what is queued. */
const CLOSE_TIMEOUT_MS = 2_000;

/**
 * Cuts a connection that gives no sign of life: TCP itself would wait for minutes. A peer answers a protocol that it
 * does not speak with a refusal, which is life enough.
 */
export async function checkConnection(connection: Connection): Promise<void> {
  try {
    const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    const stream = await connection.newStream(CHECK_PROTOCOL, { signal, negotiateFully: true });
    await stream.close({ signal });
  } catch (cause) {
    if (!isUnsupported(cause)) {
      connection.abort(new Error('no sign of life after a change of address', { cause }));
    }
  }
}

/** @returns what an address is reached by */
export function transportOf(address: Multiaddr): Transport {
  const names = new Set(address.getComponents().map(({ name }) => name));
  if (names.has('p2p-circuit')) return 'circuit';
  if (names.has('quic-v1') || names.has('quic')) return 'quic';
  return names.has('ws') || names.has('wss') ? 'websocket' : 'tcp';
}

/** @returns the peer's IP as the connection shows it; a circuit shows its relay's alone */
export function remoteIp(connection: Connection): string | undefined {
  if (transportOf(connection.remoteAddr) === 'circuit') {
    return undefined;
  }
  const component = connection.remoteAddr
    .getComponents()
    .find(({ name }) => name === 'ip4' || name === 'ip6');
  return component?.value === undefined ? undefined : canonicalIp(component.value);
}

/** The peer answered that it does not speak the protocol. */
export function isUnsupported(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'UnsupportedProtocolError';
}

/** The innermost message: libp2p wraps what the socket said in several layers. */
export function rootMessage(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) {
    return rootMessage(cause.errors[0]);
  }
  if (cause instanceof Error) {
    return cause.cause instanceof Error ? rootMessage(cause.cause) : cause.message;
  }
  return String(cause);
}

/** Closes a connection in order, and cuts it when that takes too long. */
export function closeConnection(connection: Connection): void {
  connection.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch((cause: unknown) => {
    connection.abort(cause instanceof Error ? cause : new Error('close failed'));
  });
}

/** Looks after a while whether anybody needs a connection, and closes it if not. */
export function closeWhenIdle(connection: Connection, isNeeded: () => boolean): void {
  const timer = setTimeout(() => {
    if (connection.status !== 'open' || isNeeded()) {
      return;
    }
    if (connection.streams.length > 0) {
      closeWhenIdle(connection, isNeeded);
    } else {
      closeConnection(connection);
    }
  }, IDLE_MS);
  timer.unref();
}

/** What a start that failed comes to, for the person who starts the daemon. */
export function startError(addresses: readonly string[], cause: unknown): NetworkError {
  const reason = rootMessage(cause);
  const listen = addresses.join(', ');
  const refusal = /listen E[A-Z]+: [^\n]*/.exec(reason)?.[0];
  if (refusal !== undefined) {
    const message = `cannot listen on ${listen} (${refusal}). Choose another address in listen.libp2p, or stop what uses this one.`;
    return new NetworkError('listen-failed', message, { address: listen, cause });
  }
  return new NetworkError('start-failed', `the libp2p node did not start: ${reason}`, { cause });
}
