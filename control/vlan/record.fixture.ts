/** Records, keys and PeerIds for tests, from small numbers. */
import { sign } from 'node:crypto';
import { formatPeerId } from '../identity/peer-id.ts';
import { privateKeyFromRaw, rawPublicKey } from './raw-keys.ts';
import { firstRecord } from './record-change.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';
import { type SignedRecord, signRecord, type VlanRecord } from './vlan-record.ts';

/** When the tests' records are made. */
export const NOW_MS = 1_795_000_000_000;

/** A node that can sign. */
export interface TestNode {
  readonly id: string;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

export function nodeOf(value: number): TestNode {
  const seed = new Uint8Array(32);
  new DataView(seed.buffer).setUint32(0, value);
  const key = privateKeyFromRaw('ed25519', seed);
  return {
    id: formatPeerId(rawPublicKey(key)),
    sign: (bytes) => new Uint8Array(sign(null, bytes, key)),
  };
}

export function seedOf(value: number): Uint8Array {
  const seed = new Uint8Array(32).fill(0xa5);
  new DataView(seed.buffer).setUint32(0, value);
  return seed;
}

/** A record with the defaults, and what a test wants otherwise. */
export function recordOf(seed: Uint8Array, changes: Partial<VlanRecord> = {}): VlanRecord {
  const { publicKey } = vlanKeysFromSeed(seed);
  const facts = { name: 'office', kind: 'private', subnet: '10.7.0.0/24', owner: nodeOf(1).id } as const;
  return { ...firstRecord(facts, publicKey, NOW_MS), ...changes };
}

export function signedOf(value: number, changes: Partial<VlanRecord> = {}): SignedRecord {
  return signRecord(recordOf(seedOf(value), changes), seedOf(value));
}
