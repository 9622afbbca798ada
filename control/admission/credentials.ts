/**
 * What an admin signs about a peer: an admission ("this peer may be in") and a tombstone ("this peer is out").
 *
 *    0  type        u8   1 admission, 2 tombstone
 *    1  peer        32   node key of whom it is about, hence its PeerId
 *   33  sequence    u64  below 2^53; the later of two about one peer holds
 *   41  admin       32   node key of the signer
 *   73  role        u8   admission only: 0 member, 1 admin
 *  end  signature   64   Ed25519 by the admin over the type's domain ‖ VLAN id ‖ all bytes before it
 *
 * The VLAN id is signed but not in the bytes: it never crosses a trunk, and whoever checks knows it.
 *
 * Main thread only; pure functions. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Membership"
 */
import { formatPeerId, publicKeyOfPeerId } from '../identity/peer-id.ts';
import { ByteReader, ByteWriter } from '../membership/byte-codec.ts';
import { verifySignature } from '../membership/node-ports.ts';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const BODY_BYTES = 1 + KEY_BYTES + 8 + KEY_BYTES;

/** Sizes, signature included. */
export const ADMISSION_BYTES = BODY_BYTES + 1 + SIGNATURE_BYTES;
export const TOMBSTONE_BYTES = BODY_BYTES + SIGNATURE_BYTES;

const TYPE = { admission: 1, tombstone: 2 } as const;
const ROLES = ['member', 'admin'] as const;

const encoder = new TextEncoder();
const DOMAIN = {
  admission: encoder.encode('peertap admission v1'),
  tombstone: encoder.encode('peertap tombstone v1'),
} as const;

/** What a member may do; an admin admits and removes, and stands in the VLAN's record as well. */
export type MemberRole = (typeof ROLES)[number];

interface CredentialFacts {
  /** PeerId of whom it is about. */
  readonly peer: string;
  /** max(highest known about the peer + 1, unix ms); below 2^53. */
  readonly sequence: number;
  /** PeerId of the signer. */
  readonly admin: string;
}

/** "This peer may be in the VLAN." */
export interface Admission extends CredentialFacts {
  readonly kind: 'admission';
  readonly role: MemberRole;
}

/** "This peer is out, and whatever admitted it before holds no more." */
export interface Tombstone extends CredentialFacts {
  readonly kind: 'tombstone';
}

export type Credential = Admission | Tombstone;

/** Against what a credential is checked. */
export interface CredentialContext {
  /** 16 bytes. */
  readonly vlanId: Uint8Array;
  /** PeerIds of the VLAN's admins, by its record. */
  readonly admins: ReadonlySet<string>;
}

/** `malformed`: not such a credential; `not-an-admin`: the signer is none; `forged`: the signature does not hold. */
export type CredentialFault = 'malformed' | 'not-an-admin' | 'forged';

/** What `verifyCredential` returns. */
export type VerifiedCredential<Kind extends Credential['kind'] = Credential['kind']> =
  | { readonly ok: true; readonly credential: Extract<Credential, { kind: Kind }> }
  | { readonly ok: false; readonly fault: CredentialFault };

/**
 * Writes and signs a credential.
 *
 * @param vlanId - 16 bytes
 * @param sign - Ed25519 by the node key of `credential.admin`
 * @returns {@link ADMISSION_BYTES} or {@link TOMBSTONE_BYTES} bytes
 * @throws RangeError when a PeerId is none (a bug of the caller)
 */
export function encodeCredential(
  credential: Credential,
  vlanId: Uint8Array,
  sign: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  const writer = new ByteWriter(ADMISSION_BYTES);
  writer.u8(TYPE[credential.kind]);
  writer.bytes(requiredKey(credential.peer), KEY_BYTES);
  writer.u64(credential.sequence);
  writer.bytes(requiredKey(credential.admin), KEY_BYTES);
  if (credential.kind === 'admission') writer.u8(ROLES.indexOf(credential.role));
  writer.bytes(sign(signedBytes(credential.kind, vlanId, writer.done())), SIGNATURE_BYTES);
  return writer.done();
}

/**
 * Reads a credential; its signature is not looked at.
 *
 * @param bytes - any bytes
 */
export function decodeCredential(bytes: Uint8Array): Credential | undefined {
  const reader = new ByteReader(bytes);
  const type = reader.u8();
  const peer = formatPeerId(reader.bytes(KEY_BYTES));
  const sequence = reader.u64();
  const admin = formatPeerId(reader.bytes(KEY_BYTES));
  const role = type === TYPE.admission ? ROLES[reader.u8()] : undefined;
  reader.bytes(SIGNATURE_BYTES);
  if (!reader.finished()) return undefined;
  if (type === TYPE.tombstone) return { kind: 'tombstone', peer, sequence, admin };
  return type === TYPE.admission && role !== undefined
    ? { kind: 'admission', peer, sequence, admin, role }
    : undefined;
}

/**
 * Reads a credential and checks it: its form, then that its signer is an admin, then the signature.
 *
 * @param kind - what is expected
 * @param bytes - any bytes
 */
export function verifyCredential<Kind extends Credential['kind']>(
  kind: Kind,
  bytes: Uint8Array,
  context: CredentialContext,
): VerifiedCredential<Kind> {
  const credential = decodeCredential(bytes);
  if (!isOfKind(credential, kind)) return { ok: false, fault: 'malformed' };
  if (!context.admins.has(credential.admin)) return { ok: false, fault: 'not-an-admin' };
  const body = bytes.subarray(0, bytes.length - SIGNATURE_BYTES);
  const signature = bytes.subarray(bytes.length - SIGNATURE_BYTES);
  const signed = signedBytes(kind, context.vlanId, body);
  return verifySignature(requiredKey(credential.admin), signed, signature)
    ? { ok: true, credential }
    : { ok: false, fault: 'forged' };
}

/**
 * Whether an admission holds against what is known of the peer's removal: it does when it is later.
 *
 * @param tombstone - the latest one of the same peer
 */
export function isInForce(
  admission: Pick<Admission, 'sequence'>,
  tombstone: Pick<Tombstone, 'sequence'> | undefined,
): boolean {
  return tombstone === undefined || admission.sequence > tombstone.sequence;
}

/** The sequence of the next credential about a peer: later than any known, and the time of the day where it can be. */
export function nextSequence(highestKnown: number | undefined, unixMs: number): number {
  return Math.max((highestKnown ?? -1) + 1, Math.floor(unixMs));
}

function isOfKind<Kind extends Credential['kind']>(
  credential: Credential | undefined,
  kind: Kind,
): credential is Extract<Credential, { kind: Kind }> {
  return credential?.kind === kind;
}

function requiredKey(peer: string): Uint8Array {
  const key = publicKeyOfPeerId(peer);
  if (key === undefined) throw new RangeError(`not an Ed25519 PeerId: ${peer}`);
  return key;
}

function signedBytes(kind: Credential['kind'], vlanId: Uint8Array, body: Uint8Array): Uint8Array {
  return Uint8Array.from(Buffer.concat([DOMAIN[kind], vlanId, body]));
}
