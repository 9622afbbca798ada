/**
 * The membership machine's ports on a real node: node:crypto for keys and signatures.
 *
 * Main thread only. Holds the node key as a key object: raw keys are slow and leave copies.
 */
import { diffieHellman, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { privateKeyFromRaw, publicKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import type { KeyAgreement, MembershipPorts } from './membership-port.ts';

/** What only the shared tables know. */
export type TablePorts = Pick<MembershipPorts, 'saltCounter' | 'stationLastSeenMs'>;

/**
 * Makes the ports of one VLAN's machine.
 *
 * @param seed - 32 bytes: the seed of the node's Ed25519 key
 * @param tables - reads the shared tables
 */
export function createNodePorts(seed: Uint8Array, tables: TablePorts): MembershipPorts {
  const nodeKey = privateKeyFromRaw('ed25519', seed);
  return {
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    sign: (bytes) => new Uint8Array(sign(null, bytes, nodeKey)),
    verify: verifySignature,
    createAgreement: () => createKeyAgreement(),
    saltCounter: (salt) => tables.saltCounter(salt),
    stationLastSeenMs: (mac) => tables.stationLastSeenMs(mac),
  };
}

/** Whether an Ed25519 signature holds; false for a public key that is none. */
export function verifySignature(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, bytes, publicKeyFromRaw('ed25519', publicKey), signature);
  } catch {
    // OpenSSL says by an error that 32 bytes are no point of the curve.
    return false;
  }
}

/** A fresh X25519 key pair, or, for tests that must repeat, the one of a seed. */
export function createKeyAgreement(seed?: Uint8Array): KeyAgreement {
  const privateKey =
    seed === undefined ? generateKeyPairSync('x25519').privateKey : privateKeyFromRaw('x25519', seed);
  return {
    publicKey: rawPublicKey(privateKey),
    agree(theirs) {
      try {
        const publicKey = publicKeyFromRaw('x25519', theirs);
        const shared = new Uint8Array(diffieHellman({ privateKey, publicKey }));
        return shared.some((byte) => byte !== 0) ? shared : undefined;
      } catch {
        // OpenSSL refuses an all-zero result itself.
        return undefined;
      }
    },
  };
}
