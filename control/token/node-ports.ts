/**
 * What token announcements need of node:crypto: Ed25519. Main thread only.
 */
import { sign } from 'node:crypto';
import { verifySignature } from '../membership/node-ports.ts';
import { privateKeyFromRaw } from '../vlan/raw-keys.ts';
import type { RoutePorts } from './route-port.ts';

/** The ports over node:crypto. */
export function createRoutePorts(): RoutePorts {
  return {
    sign: (seed, bytes) => sign(null, bytes, privateKeyFromRaw('ed25519', seed)),
    verify: verifySignature,
  };
}
