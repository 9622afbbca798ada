/**
 * Owns who a leaf is: a basic credential that holds a PeerId, and a signature key that must be the key in it.
 *
 * Pure functions, any thread. Bytes from a peer are judged, never thrown at.
 *
 * @see RFC 9420 §5.3 (credentials), §5.3.1 (what the application checks)
 */
import type { ClientState, Credential } from 'ts-mls';
import type { AuthenticationService } from 'ts-mls/authenticationService.js';
import type { RatchetTree } from 'ts-mls/ratchetTree.js';
import { formatPeerId, publicKeyOfPeerIdBytes } from '../../../identity/peer-id.ts';
import type { GroupMember } from '../group-port.ts';

/** What of a leaf or key package says who it is. */
interface LeafIdentity {
  readonly credential: Credential;
  readonly signaturePublicKey: Uint8Array;
}

/**
 * The PeerId that a leaf stands for.
 *
 * @returns its text form; undefined when the credential is none of ours or the signature key is not that of the PeerId
 */
export function peerOfLeaf({ credential, signaturePublicKey }: LeafIdentity): string | undefined {
  if (credential.credentialType !== 'basic' || !('identity' in credential)) return undefined;
  const key = publicKeyOfPeerIdBytes(credential.identity);
  if (key === undefined || Buffer.compare(key, signaturePublicKey) !== 0) return undefined;
  return peerText(key);
}

/** The text form takes some microseconds, and every job needs those of a whole group several times. */
function peerText(key: Uint8Array): string {
  const name = Buffer.from(key).toString('latin1');
  const known = texts.get(name);
  if (known !== undefined) return known;
  if (texts.size >= TEXTS_MAX) texts.clear();
  const text = formatPeerId(key);
  texts.set(name, text);
  return text;
}

/** A few of the largest groups; a few hundred kilobytes. */
const TEXTS_MAX = 4_096;
const texts = new Map<string, string>();

/** For ts-mls, which asks at each leaf that it checks. */
export const LEAF_AUTHENTICATION: AuthenticationService = {
  validateCredential: (credential, signaturePublicKey) =>
    Promise.resolve(peerOfLeaf({ credential, signaturePublicKey }) !== undefined),
};

/**
 * Who is in a tree, by ascending leaf.
 *
 * @returns undefined when a leaf is not what it says or two leaves are of one peer
 */
export function rosterOf(tree: RatchetTree): readonly GroupMember[] | undefined {
  const members: GroupMember[] = [];
  for (let index = 0; index < tree.length; index += 2) {
    const node = tree[index];
    if (node?.nodeType !== 'leaf') continue;
    const peer = peerOfLeaf(node.leaf);
    if (peer === undefined) return undefined;
    members.push({ leaf: index / 2, peer });
  }
  const isUnique = new Set(members.map(({ peer }) => peer)).size === members.length;
  return isUnique ? members : undefined;
}

/** The peer at a leaf; undefined where there is none. */
export function peerAtLeaf(tree: RatchetTree, leaf: number): string | undefined {
  const node = tree[leaf * 2];
  return node?.nodeType === 'leaf' ? peerOfLeaf(node.leaf) : undefined;
}

/** The leaf of a peer; undefined when it is not in. */
export function leafOfPeer(state: Pick<ClientState, 'ratchetTree'>, peer: string): number | undefined {
  const index = state.ratchetTree.findIndex(
    (node) => node?.nodeType === 'leaf' && peerOfLeaf(node.leaf) === peer,
  );
  return index < 0 ? undefined : index / 2;
}
