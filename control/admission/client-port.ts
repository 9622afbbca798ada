/**
 * How the admission client of one VLAN meets the world: inputs, effects, what it needs, and its times.
 *
 *   exchange ──peer, message──▶ ┌────────┐ ──send, dial──▶ exchange
 *   group    ──key-package────▶ │ client │ ──make-key-package, welcome──▶ group
 *   node     ──tick───────────▶ └────────┘ ──membership──▶ registry
 */
import type { ReadInvite } from '../vlan/invite.ts';
import type { SignedRecord } from '../vlan/vlan-record.ts';

/** What a client is made for. */
export interface ClientOptions {
  /** PeerId of this node. */
  readonly self: string;
  /** 16 bytes. */
  readonly vlanId: Uint8Array;
  readonly invite: ReadInvite | undefined;
  /** The VLAN's record, when it is here already. */
  readonly record: SignedRecord | undefined;
  /** What an admin is shown, such as the host's name; at most 200 bytes. */
  readonly note: string;
  /** 0 to 1, for the pauses between attempts. */
  readonly random: () => number;
}

export type ClientInput =
  | { readonly kind: 'start' }
  /** What `make-key-package` asked for; the private keys are on disk. */
  | { readonly kind: 'key-package'; readonly keyPackage: Uint8Array }
  /** An exchange stream of this VLAN is there. */
  | { readonly kind: 'peer-up'; readonly peer: string }
  | { readonly kind: 'peer-down'; readonly peer: string }
  | { readonly kind: 'message'; readonly peer: string; readonly bytes: Uint8Array }
  /** A newer record came from elsewhere. */
  | { readonly kind: 'record'; readonly record: SignedRecord }
  /** The Welcome was pulled and processed: this node is in. */
  | { readonly kind: 'joined' }
  /** The Welcome could not be pulled or did not hold; it is asked for anew with a fresh key package. */
  | { readonly kind: 'join-failed'; readonly reason: string }
  /** The node wants no more. */
  | { readonly kind: 'stop' }
  /** Time has passed; due at `nextTimeoutMs()`. */
  | { readonly kind: 'tick' };

export type ClientEffect =
  /** Have the group make one (`key-package`). */
  | { readonly kind: 'make-key-package' }
  /** Open an exchange stream to this peer; ends in `peer-up`, or in nothing. */
  | { readonly kind: 'dial'; readonly peer: string; readonly addresses: readonly string[] }
  | { readonly kind: 'send'; readonly peer: string; readonly bytes: Uint8Array }
  /** Pull the Welcome, have the group join by it; ends in `joined` or `join-failed`. Once for each digest. */
  | {
      readonly kind: 'welcome';
      /** 16 bytes. */
      readonly digest: Uint8Array;
      readonly from: string;
      /** Signed; on disk by a `membership` effect before. */
      readonly admission: Uint8Array;
    }
  /** Note the standing in the registry, before what follows in the same list. */
  | {
      readonly kind: 'membership';
      readonly state: 'waiting' | 'refused' | 'member';
      /** Why it was refused, in words. */
      readonly reason: string | null;
      readonly admission: Uint8Array | null;
    }
  /** A record that a neighbour told of, checked: for the directory and the registry. */
  | { readonly kind: 'record'; readonly record: SignedRecord };

/** `looking` for an admin, `waiting` for approval, `admitted`, `refused`, `joined`, or `stopped`. */
export type ClientPhase = 'looking' | 'waiting' | 'admitted' | 'refused' | 'joined' | 'stopped';

export type ClientCounter = 'malformed' | 'forged' | 'unasked' | 'join-failed';

/** Times in milliseconds, each with its reason. */
export const CLIENT_TIMING = {
  /** An admin that says nothing for so long is asked again. */
  answerMs: 10_000,
  /** Pauses between attempts to reach an admin, and between unanswered questions. */
  retry: { minMs: 2_000, maxMs: 300_000 },
  /** Pauses when an admin has no room for the request. */
  later: { minMs: 30_000, maxMs: 600_000 },
  /** An approval is told at once; this is for one that got lost. */
  waitingPollMs: 60_000,
  admittedPollMs: 5_000,
  /** So long only the admin that issued the invite is asked. */
  issuerFirstMs: 30_000,
  /** Neighbours are asked who admits here at this pace. */
  whoMs: 60_000,
  /** The group that could not make a key package (a full disk, say) is asked again. */
  keyPackageMs: 60_000,
  /** An admin that admitted and then cannot be reached is waited for so long. */
  admittedMs: 60_000,
} as const;
