/**
 * How the directory meets the world: inputs, effects, and what it needs. Types only.
 *
 * `vlan` says which stream a message came by or goes by: the text form of a VLAN's id for its exchange stream, null for
 * the public protocol, {@link DIRECTORY_PROTOCOL}.
 */
import type { SignedRecord } from './vlan-record.ts';

/** libp2p protocol of the public listing; anybody may open it. */
export const DIRECTORY_PROTOCOL = '/peertap/directory/1.0.0';

/** What a directory is made for. */
export interface DirectoryOptions {
  /** 0 to 1, so that members do not ask the DHT at one instant. */
  readonly random: () => number;
}

export type DirectoryInput =
  /** A VLAN of this node: at the start, when it is joined, and whenever a newer record is on disk. */
  | {
      readonly kind: 'vlan';
      readonly id: string;
      readonly idBytes: Uint8Array;
      readonly record: SignedRecord | undefined;
    }
  | { readonly kind: 'drop-vlan'; readonly id: string }
  | { readonly kind: 'peer-up'; readonly peer: string; readonly vlan: string | null }
  | { readonly kind: 'peer-down'; readonly peer: string; readonly vlan: string | null }
  | {
      readonly kind: 'message';
      readonly peer: string;
      readonly vlan: string | null;
      readonly bytes: Uint8Array;
    }
  /** What the DHT has under a key, or that it has nothing. */
  | { readonly kind: 'found'; readonly key: Uint8Array; readonly envelope: Uint8Array | undefined }
  /** Asks public peers for their lists; what they answer is in `browse()` soon after. */
  | { readonly kind: 'browse' }
  /** Time has passed; due at `nextTimeoutMs()`. */
  | { readonly kind: 'tick' };

export type DirectoryEffect =
  | {
      readonly kind: 'send';
      readonly peer: string;
      readonly vlan: string | null;
      readonly bytes: Uint8Array;
    }
  /** A newer record of one of this node's VLANs, checked: store it, tell the group, and give it back by `vlan`. */
  | { readonly kind: 'record'; readonly record: SignedRecord }
  | { readonly kind: 'dht-put'; readonly key: Uint8Array; readonly envelope: Uint8Array }
  /** Ends in `found`. */
  | { readonly kind: 'dht-get'; readonly key: Uint8Array };

/** A public VLAN, for whoever browses. */
export interface BrowsableVlan {
  readonly signed: SignedRecord;
  /** This node is in it. */
  readonly isOwn: boolean;
}

export type DirectoryCounter =
  | 'malformed'
  | 'forged'
  | 'ahead-of-time'
  | 'misplaced'
  | 'unasked'
  | 'over-budget'
  | 'not-kept';
