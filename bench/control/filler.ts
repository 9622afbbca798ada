/** Owns those who only fill a group's tree: a key package of a node that never runs. Main thread of the bench. */
import { randomBytes } from 'node:crypto';
import { formatPeerId } from '../../control/identity/peer-id.ts';
import { freshKeyPackage, type NodeSigner } from '../../control/membership/group/mls/group-context.ts';
import { writeMessage } from '../../control/membership/group/mls/messages.ts';
import type { GroupSuite } from '../../control/membership/group/mls/suites.ts';
import { privateKeyFromRaw, rawPublicKey } from '../../control/vlan/raw-keys.ts';

/** One who is in the group and is never heard. */
export interface Filler {
  readonly peer: string;
  readonly keyPackage: Uint8Array;
}

/** Makes one; its private keys are forgotten. */
export async function makeFiller(suite: GroupSuite): Promise<Filler> {
  const signer = freshSigner();
  const context = { signer, vlanId: new Uint8Array(16), directory: '', suite, nowMs: Date.now() };
  const { publicPackage } = await freshKeyPackage(context, suite);
  const keyPackage = writeMessage({ wireformat: 'mls_key_package', keyPackage: publicPackage });
  return { peer: formatPeerId(signer.publicKey), keyPackage };
}

/** A new node key. */
export function freshSigner(): NodeSigner {
  const seed = new Uint8Array(randomBytes(32));
  return { seed, publicKey: rawPublicKey(privateKeyFromRaw('ed25519', seed)) };
}
