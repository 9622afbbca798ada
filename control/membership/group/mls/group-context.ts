/**
 * Owns what every job of a VLAN's group is done with: whose node, which VLAN, where its files lie. Types, and what
 * follows from them; the pool's threads.
 */
import type { KeyPackage } from 'ts-mls';
import { generateKeyPackageWithKey } from 'ts-mls';
import type { PrivateKeyPackage } from 'ts-mls/keyPackage.js';
import { formatPeerId, peerIdBytes } from '../../../identity/peer-id.ts';
import { nodeSuite } from './crypto/node-suite.ts';
import { capabilitiesOf, lifetimeFrom } from './profile.ts';
import type { GroupSuite } from './suites.ts';

/** This node as a member: leaves are signed by its key. */
export interface NodeSigner {
  /** Raw Ed25519 public key. */
  readonly publicKey: Uint8Array;
  /** Ed25519 seed, 32 bytes. Secret. */
  readonly seed: Uint8Array;
}

/** The group of one VLAN, on this node. */
export interface VlanGroup {
  readonly vlanId: Uint8Array;
  /** Where states and key packages lie; this group's alone. */
  readonly directory: string;
  /** Of a new group and of key packages; everything else says its own. */
  readonly suite: GroupSuite;
}

/** What a job is done with. */
export interface JobContext extends VlanGroup {
  readonly signer: NodeSigner;
  /** Wall clock, for lifetimes. */
  readonly nowMs: number;
}

/** This node's PeerId, text form. */
export function ownPeer({ signer }: JobContext): string {
  return formatPeerId(signer.publicKey);
}

/** Makes a key package of this node, with its private keys. */
export async function freshKeyPackage(
  { signer, nowMs }: JobContext,
  suite: GroupSuite,
): Promise<{ readonly publicPackage: KeyPackage; readonly privatePackage: PrivateKeyPackage }> {
  return generateKeyPackageWithKey(
    { credentialType: 'basic', identity: peerIdBytes(signer.publicKey) },
    capabilitiesOf(suite),
    lifetimeFrom(nowMs),
    [],
    { signKey: signer.seed, publicKey: signer.publicKey },
    nodeSuite(suite),
  );
}
