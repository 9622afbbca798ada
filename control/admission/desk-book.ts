/**
 * What an admission desk keeps: the invites that it issued and the requests that it has open, and their form on disk.
 *
 *   { "version": 1,
 *     "invites":  [ { "hash" (hex), "uses", "usedBy": [peer], "issuedAt", "expiresAt" (Unix ms or null) } ],
 *     "requests": [ { "peer", "state", "note", "invited", "askedAt", "seenAt", "admission" (base64url or null) } ] }
 *
 * Secrets are never kept, only their hashes; key packages are not kept either: who asks sends them again.
 *
 * Main thread; pure. Must never throw for what it reads.
 */
import { deriveKey } from '../vlan/hash.ts';
import type { AnswerState } from './admission-message.ts';

/** Limits, each with its reason. */
export const DESK_LIMIT = {
  /** More than a person hands out and forgets. */
  invites: 256,
  /** So that the list of who used an invite stays short. */
  usesMax: 256,
  /** Strangers who know the id can ask; each costs a key package of memory. */
  requests: 256,
  requestLifeMs: 7 * 86_400_000,
  /** How long a refusal by hand holds against one who asks again. */
  refusalLifeMs: 86_400_000,
} as const;

/** An invite that can still be told apart from an unknown one. */
export interface IssuedInvite {
  /** Of its secret, hex. */
  readonly hash: string;
  readonly uses: number;
  /** PeerIds; a use counts once a peer. */
  readonly usedBy: readonly string[];
  readonly issuedAtMs: number;
  readonly expiresAtMs: number | null;
}

/** `waiting` for a word; `approved`, to be added as soon as a key package is here; `adding`; `welcomed`; `refused`. */
export type RequestState = 'waiting' | 'approved' | 'adding' | 'welcomed' | 'refused';

/** A peer that asked. */
export interface DeskRequest {
  readonly peer: string;
  readonly state: RequestState;
  readonly note: string;
  /** It showed an invite, if one that does not admit by itself. */
  readonly invited: boolean;
  readonly askedAtMs: number;
  readonly seenAtMs: number;
  /** As signed, once approved. */
  readonly admission: Uint8Array | undefined;
  /** In memory only. */
  readonly keyPackage: Uint8Array | undefined;
  /** 16 bytes: names the key package. In memory only. */
  readonly request: Uint8Array | undefined;
  /** Of the Welcome. In memory only. */
  readonly digest: Uint8Array | undefined;
  /** When it was last handed over to be added. In memory only. */
  readonly addedAtMs: number;
}

/** What a request's state is to the one who asked. */
export const ANSWER_OF: Readonly<Record<RequestState, AnswerState>> = {
  waiting: 'waiting',
  approved: 'admitted',
  adding: 'admitted',
  welcomed: 'welcomed',
  refused: 'refused',
};

/** Whether a request is the one of this name, hence of the same key package. */
export function isNamed({ request }: DeskRequest, name: Uint8Array | undefined): boolean {
  return request !== undefined && name !== undefined && Buffer.compare(request, name) === 0;
}

/** Everything that a desk keeps. */
export interface DeskBook {
  readonly invites: Map<string, IssuedInvite>;
  readonly requests: Map<string, DeskRequest>;
}

/** The name under which a desk knows an invite: it tells nothing of the secret. */
export function inviteHash(vlanId: Uint8Array, secret: Uint8Array): string {
  const hash = deriveKey('peertap invite v1', vlanId, secret).subarray(0, 16);
  return Buffer.from(hash).toString('hex');
}

/** Writes what has to outlive a start. */
export function encodeBook(book: DeskBook): Uint8Array {
  const requests = [...book.requests.values()].map((request) => ({
    peer: request.peer,
    state: request.state === 'waiting' || request.state === 'refused' ? request.state : 'approved',
    note: request.note,
    invited: request.invited,
    askedAt: request.askedAtMs,
    seenAt: request.seenAtMs,
    admission: request.admission === undefined ? null : Buffer.from(request.admission).toString('base64url'),
  }));
  const invites = [...book.invites.values()].map(({ issuedAtMs, expiresAtMs, ...invite }) => ({
    ...invite,
    issuedAt: issuedAtMs,
    expiresAt: expiresAtMs,
  }));
  return new TextEncoder().encode(`${JSON.stringify({ version: 1, invites, requests })}\n`);
}

/** Reads what `encodeBook` wrote. @returns undefined when it is something else */
export function decodeBook(bytes: Uint8Array): DeskBook | undefined {
  try {
    const document: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!isObject(document) || document['version'] !== 1) return undefined;
    const invites = asList(document['invites'], DESK_LIMIT.invites).map(readInvite);
    const requests = asList(document['requests'], DESK_LIMIT.requests).map(readRequest);
    return {
      invites: new Map(invites.map((invite) => [invite.hash, invite])),
      requests: new Map(requests.map((request) => [request.peer, request])),
    };
  } catch {
    return undefined;
  }
}

function readInvite(value: unknown): IssuedInvite {
  const invite = asObject(value);
  const expiresAt = invite['expiresAt'];
  return {
    hash: asText(invite['hash']),
    uses: asNumber(invite['uses']),
    usedBy: asList(invite['usedBy'], DESK_LIMIT.usesMax).map(asText),
    issuedAtMs: asNumber(invite['issuedAt']),
    expiresAtMs: expiresAt === null ? null : asNumber(expiresAt),
  };
}

function readRequest(value: unknown): DeskRequest {
  const request = asObject(value);
  const admission = request['admission'];
  const state = (['waiting', 'approved', 'refused'] as const).find((name) => name === request['state']);
  if (state === undefined || typeof request['invited'] !== 'boolean') throw new TypeError('not a request');
  return {
    ...EMPTY_REQUEST,
    peer: asText(request['peer']),
    state,
    note: asText(request['note']),
    invited: request['invited'],
    askedAtMs: asNumber(request['askedAt']),
    seenAtMs: asNumber(request['seenAt']),
    admission: admission === null ? undefined : new Uint8Array(Buffer.from(asText(admission), 'base64url')),
  };
}

/** What is in memory only. */
export const EMPTY_REQUEST = {
  admission: undefined,
  keyPackage: undefined,
  request: undefined,
  digest: undefined,
  addedAtMs: 0,
} as const;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw new TypeError('not an object');
  return value;
}

function asList(value: unknown, most: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > most) throw new TypeError('not a list of that length');
  return value;
}

function asText(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}

function asNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new TypeError('not an integer');
  return value;
}
