/**
 * The private keys that a member holds of its way to the root: just those of nodes in use, and each the half of the
 * public key that everybody sees.
 *
 * ts-mls keeps keys of nodes that have been blanked since, and takes a path's public keys as they come: a committer
 * could give some members a key that others cannot use. The pool's threads.
 *
 * @see RFC 9420 §7.5 (public keys must agree with the path secrets), §9.2 (deletion)
 */
import type { ClientState } from 'ts-mls';
import { publicHalf } from './crypto/node-suite.ts';
import { requireValid } from './group-failure.ts';
import { requireSuite } from './messages.ts';

/**
 * Leaves out the private keys of blank nodes, and checks the others.
 *
 * @throws GroupFailure `invalid` when a key is not that of its node
 */
export function withCheckedKeys(state: ClientState): ClientState {
  const suite = requireSuite(state.groupContext.cipherSuite);
  const privateKeys: Record<number, Uint8Array> = {};
  for (const [index, raw] of Object.entries(state.privatePath.privateKeys)) {
    const node = state.ratchetTree[Number(index)];
    if (node === undefined) continue;
    const { hpkePublicKey } = node.nodeType === 'leaf' ? node.leaf : node.parent;
    const isOwn = Buffer.compare(publicHalf(suite, raw), hpkePublicKey) === 0;
    requireValid(isOwn, 'a path secret that does not lead to the public key beside it');
    privateKeys[Number(index)] = raw;
  }
  return { ...state, privatePath: { ...state.privatePath, privateKeys } };
}
