/** This node's identity as its VLANs use it: signatures by the node key, and randomness. Main thread. */
import { randomBytes, sign } from 'node:crypto';
import type { NodeIdentity } from '../identity/node-identity.ts';
import { verifySignature } from '../membership/node-ports.ts';
import { privateKeyFromRaw } from '../vlan/raw-keys.ts';
import type { NodeSelf } from './private-vlan.ts';

const SEED_BYTES = 32;

/** @param identity - its private key is seed ‖ public key */
export function createNodeSelf(identity: Pick<NodeIdentity, 'peerId' | 'privateKey'>): NodeSelf {
  const nodeKey = privateKeyFromRaw('ed25519', identity.privateKey.subarray(0, SEED_BYTES));
  return {
    peerId: identity.peerId,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    sign: (bytes) => new Uint8Array(sign(null, bytes, nodeKey)),
    verify: verifySignature,
  };
}
