/**
 * What token announcements need of node:crypto: randomness and Ed25519. Main thread only.
 */
import { randomBytes, sign } from 'node:crypto';
import { verifySignature } from '../membership/node-ports.ts';
import { privateKeyFromRaw } from '../vlan/raw-keys.ts';
import type { RoutePorts } from './token-routes.ts';

/** The ports over node:crypto. */
export function createRoutePorts(): RoutePorts {
  return {
    randomBytes: (count) => randomBytes(count),
    sign: (seed, bytes) => sign(null, bytes, privateKeyFromRaw('ed25519', seed)),
    verify: verifySignature,
  };
}
