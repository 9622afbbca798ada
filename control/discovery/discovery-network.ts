/**
 * The types between discovery's driver and control/network: the DHT and the LAN, without a libp2p type.
 *
 * Main thread; types only.
 */
import type { FoundPeer } from './discovery-port.ts';

/** Called with peers as they are found. */
export type OnFound = (peers: readonly FoundPeer[]) => void;

/** Implemented by control/network. None of its promises is ever rejected: what fails, finds or stores nothing. */
export interface DiscoveryNetwork {
  /** The addresses that others are told from now on, without their `/p2p/` end. */
  setAnnounced(addresses: readonly string[]): void;
  /**
   * Looks who meets at a point.
   *
   * @param digest - 32 bytes, SHA-256
   * @returns how many nodes of the DHT answered
   */
  findProviders(digest: Uint8Array, onFound: OnFound): Promise<number>;
  /** Says that this node is at a point. @returns how many nodes of the DHT took the record */
  provide(digest: Uint8Array): Promise<number>;
  /** Says it no more; records that others hold run out. */
  unprovide(digest: Uint8Array): Promise<void>;
  /** Answers others on the LAN, and tells what they say; `onNoRoute`: that no question can leave the machine. */
  startLan(onFound: OnFound, onNoRoute: () => void): Promise<void>;
  stopLan(): Promise<void>;
  /** Asks the LAN once. */
  askLan(): Promise<void>;
}
