/**
 * What IGMP and MLD say, in one shape for both: the two protocols differ in little but the size of an address.
 *
 * Types only.
 */

/** 4: IGMP, 6: MLD. */
export type Family = 4 | 6;

/** What a record says of a group's sources (RFC 3376 section 4.2.12, RFC 3810 section 5.2.12). */
export type RecordMode = 'is-in' | 'is-ex' | 'to-in' | 'to-ex' | 'allow' | 'block';

/** One group in a report. */
export interface GroupRecord {
  readonly mode: RecordMode;
  /** 4 or 16 bytes. */
  readonly group: Uint8Array;
  /** 4 or 16 bytes each. */
  readonly sources: readonly Uint8Array[];
}

/** A querier asks. */
export interface Query {
  readonly kind: 'query';
  /** Undefined: it asks for all groups. */
  readonly group: Uint8Array | undefined;
  /** Empty: it asks for the group whatever the source. */
  readonly sources: readonly Uint8Array[];
  readonly maxResponseMs: number;
  /** It asks, but nobody shall be given up for it (RFC 3376 section 4.1.5). */
  readonly isSuppressed: boolean;
  /** Its interval between general queries and its robustness; undefined where its version does not say. */
  readonly timing: { readonly intervalMs: number; readonly robustness: number } | undefined;
}

/** A host says what it listens to. */
export interface Report {
  readonly kind: 'report';
  /** An IGMPv1 host, which never says that it leaves. */
  readonly isSilentLeaver: boolean;
  readonly records: readonly GroupRecord[];
}

/** A host of IGMPv2 or MLDv1 listens no more. */
export interface Leave {
  readonly kind: 'leave';
  readonly group: Uint8Array;
}

/** A multicast router says that it is there. */
export interface RouterHello {
  readonly kind: 'router';
}

export type MulticastMessage = Query | Report | Leave | RouterHello;

/** Why a frame was not taken. */
export type Refusal =
  /** Neither IGMP, nor MLD, nor PIM. */
  | 'other'
  /** Its lengths contradict each other, or a field holds what it must not. */
  | 'malformed'
  | 'checksum'
  /** It has come through a router, which none of these may. */
  | 'hop-limit'
  /** MLD from an address that is not of the link. */
  | 'source'
  /** MLD without the option that makes routers look at it. */
  | 'router-alert';
