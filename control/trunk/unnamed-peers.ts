/**
 * Addresses to dial whose PeerId nobody has told us: whoever answers there is a configured peer from then on.
 *
 * Main thread, pure. When the peer that answered cannot be reached there any more and has no trunk, the name is
 * forgotten: another node may have the address now.
 */
import { Backoff } from './backoff.ts';
import type { PeerTable } from './peer.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { PeerIdText } from './trunk-port.ts';

interface UnnamedPeer {
  peer: PeerIdText | undefined;
  dialling: boolean;
  retryAtMs: number;
  readonly backoff: Backoff;
}

export class UnnamedPeers {
  readonly #entries = new Map<string, UnnamedPeer>();

  set(context: TrunkContext, addresses: readonly string[]): void {
    for (const address of this.#entries.keys()) {
      if (!addresses.includes(address)) {
        this.#entries.delete(address);
      }
    }
    for (const address of addresses) {
      if (!this.#entries.has(address)) {
        this.#entries.set(address, {
          peer: undefined,
          dialling: false,
          retryAtMs: context.nowMs,
          backoff: new Backoff(),
        });
      }
    }
  }

  /** @returns the addresses by the peer that answered there */
  named(): Map<PeerIdText, string[]> {
    const named = new Map<PeerIdText, string[]>();
    for (const [address, { peer }] of this.#entries) {
      if (peer !== undefined) {
        named.set(peer, [...(named.get(peer) ?? []), address]);
      }
    }
    return named;
  }

  nameKnown(address: string, peer: PeerIdText): void {
    const entry = this.#entries.get(address);
    if (entry !== undefined) {
      entry.peer = peer;
      entry.dialling = false;
      entry.backoff.reset();
    }
  }

  dialFailed(context: TrunkContext, address: string, reason: string): void {
    const entry = this.#entries.get(address);
    if (entry === undefined) {
      return;
    }
    const { backoffMinMs, backoffMaxMs } = context.config;
    entry.dialling = false;
    entry.retryAtMs =
      context.nowMs + entry.backoff.next({ minMs: backoffMinMs, maxMs: backoffMaxMs }, context.random());
    context.log('info', 'trunk-unreachable', `cannot reach ${address}: ${reason}`);
  }

  /** The named peer could not be dialled. @returns whether a name was forgotten */
  forgetName(context: TrunkContext, table: PeerTable, peer: PeerIdText): boolean {
    const known = table.peers.get(peer);
    if (known?.trunk !== undefined || known?.stream !== undefined) {
      return false;
    }
    let hasForgotten = false;
    for (const entry of this.#entries.values()) {
      if (entry.peer === peer) {
        entry.peer = undefined;
        entry.retryAtMs = context.nowMs;
        hasForgotten = true;
      }
    }
    return hasForgotten;
  }

  /** Dials what is due. */
  reachOut(context: TrunkContext): void {
    for (const [address, entry] of this.#entries) {
      if (entry.peer === undefined && !entry.dialling && entry.retryAtMs <= context.nowMs) {
        entry.dialling = true;
        context.emit({ kind: 'dial-unnamed', address });
      }
    }
  }

  nextAtMs(): number {
    let atMs = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) {
      if (entry.peer === undefined && !entry.dialling) {
        atMs = Math.min(atMs, entry.retryAtMs);
      }
    }
    return atMs;
  }
}
