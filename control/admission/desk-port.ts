/**
 * How the admission desk of one VLAN meets the world: inputs, effects, and what it needs. Types only.
 *
 *   exchange ──message──▶ ┌──────┐ ──send──▶ exchange
 *   order    ──welcome──▶ │ desk │ ──admit─▶ order machine (`propose-add`)
 *   node     ─situation─▶ └──────┘ ──save──▶ disk
 */
import type { SignedRecord } from '../vlan/vlan-record.ts';

/** What a desk is made for. */
export interface DeskOptions {
  /** PeerId of this node. */
  readonly self: string;
  /** 16 bytes. */
  readonly vlanId: Uint8Array;
  /** Ed25519 by the node key. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** Multiaddrs at which a peer was last reached; own ones for this node. */
  readonly addressesOf: (peer: string) => readonly string[];
}

/** What holds in the VLAN now. */
export interface DeskSituation {
  readonly record: SignedRecord;
  /** PeerIds in the settled group. */
  readonly members: ReadonlySet<string>;
  /** Sequence of the latest removal of each peer that was put out. */
  readonly tombstones: ReadonlyMap<string, number>;
}

export type DeskInput =
  | { readonly kind: 'situation'; readonly situation: DeskSituation }
  | { readonly kind: 'message'; readonly peer: string; readonly bytes: Uint8Array }
  /** The Welcome of a peer that was handed over is offered under this digest of 16 bytes. */
  | { readonly kind: 'welcome'; readonly peer: string; readonly digest: Uint8Array }
  /** The group does not take a peer that was handed over. */
  | { readonly kind: 'add-failed'; readonly peer: string; readonly refusal: 'full' | 'bad-key-package' }
  /** Time has passed; once a minute is often enough. */
  | { readonly kind: 'tick' };

export type DeskEffect =
  /** Write durably in place of the last one. If that fails, the effects after it in the same list must not be done. */
  | { readonly kind: 'save'; readonly bytes: Uint8Array }
  /** To a peer with an exchange stream; it may be lost. */
  | { readonly kind: 'send'; readonly peer: string; readonly bytes: Uint8Array }
  /** Have the group take the peer; ends in `welcome` or `add-failed`, and may come again for the same peer. */
  | {
      readonly kind: 'admit';
      readonly peer: string;
      readonly keyPackage: Uint8Array;
      /** Signed; see credentials.ts. */
      readonly admission: Uint8Array;
    }
  /** For the log. */
  | { readonly kind: 'notice'; readonly message: string; readonly peer?: string };

/** A peer that waits for approval. */
export interface AdmissionRequest {
  readonly peer: string;
  readonly askedAtMs: number;
  readonly invited: boolean;
  /** A stranger's words, without control characters. */
  readonly note: string;
}

export type DeskCounter =
  | 'malformed'
  | 'over-budget'
  | 'requests'
  | 'referrals'
  | 'turned-away'
  | 'refused-invites'
  | 'admitted'
  | 'welcome-unclaimed';
