/**
 * Through which relays this node can be reached, and reaches others: peers that say in their Hello that they relay, and
 * to which it has a trunk on a connection of its own.
 *
 * Main thread, pure.
 */

import { isCircuitAddress } from './own-addresses.ts';
import type { Peer } from './peer.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { PeerIdText } from './trunk-port.ts';

/** Each keeps a place for us; one that fails leaves two. */
const RELAYS_MAX = 3;
/** Of a relay's own addresses as many are told with it. */
const ADDRESSES_MAX = 2;
export const RELAY_ROLE = 'relay';

/** See the file's head. */
export class RelayChoice {
  /** Those that would do, the first come first. */
  readonly #fit = new Map<PeerIdText, readonly string[]>();
  #told = '';

  /** Looks at a peer that has changed. */
  note(peer: Peer): void {
    const { trunk, stream } = peer;
    const transport = stream === undefined ? undefined : peer.connections.get(stream.connection)?.transport;
    const isDirect = transport !== undefined && transport !== 'circuit';
    if (trunk?.isUp !== true || !trunk.party.roles.includes(RELAY_ROLE)) {
      this.#fit.delete(peer.id);
    } else if (isDirect || this.#fit.has(peer.id)) {
      // Its stream may be gone for a moment: what it gave us stays until the trunk ends.
      const own = trunk.party.listenAddresses.filter((address) => !isCircuitAddress(address));
      this.#fit.set(peer.id, own.slice(0, ADDRESSES_MAX));
    }
  }

  /** @returns the addresses by which a peer may be reached through our relays */
  circuitsTo(peer: PeerIdText): string[] {
    return this.#chosen().flatMap(([relay]) => (relay === peer ? [] : `/p2p/${relay}/p2p-circuit`));
  }

  /** Tells the network which relays to be reachable at, when they are others. */
  tell(context: TrunkContext): void {
    const relays = this.#chosen().map(([peer, addresses]) => ({ peer, addresses }));
    const text = JSON.stringify(relays);
    if (text !== this.#told && (relays.length > 0 || this.#told !== '')) {
      this.#told = text;
      context.emit({ kind: 'want-relays', relays });
    }
  }

  #chosen(): [PeerIdText, readonly string[]][] {
    return [...this.#fit].slice(0, RELAYS_MAX);
  }
}
