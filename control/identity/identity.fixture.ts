/** A node's key for tests that need no state directory. */
import { generateKeyPairSync } from 'node:crypto';
import type { NodeIdentity } from './node-identity.ts';
import { formatPeerId } from './peer-id.ts';

/** A new identity each time, without a node secret. */
export function createIdentity(): Omit<NodeIdentity, 'nodeSecret'> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const { d, x } = privateKey.export({ format: 'jwk' });
  const publicKey = new Uint8Array(Buffer.from(x ?? '', 'base64url'));
  const seed = Buffer.from(d ?? '', 'base64url');
  return {
    peerId: formatPeerId(publicKey),
    publicKey,
    privateKey: Uint8Array.from([...seed, ...publicKey]),
  };
}
