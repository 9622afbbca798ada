/**
 * Owns what of MLS a group uses: extension types, capabilities, limits, and the configuration that ts-mls takes.
 *
 * A GroupContext holds one extension, the policy; a GroupInfo of a Welcome names the state that it leads to. Constants
 * and pure functions, any thread.
 *
 * @see RFC 9420 §17.3 (extension types; 0xF000 and up are private)
 */
import type { Capabilities, ClientState } from 'ts-mls';
import type { ClientConfig } from 'ts-mls/clientConfig.js';
import type { Extension } from 'ts-mls/extension.js';
import type { Lifetime } from 'ts-mls/lifetime.js';
import { VLAN_ID_BYTES } from '../../../vlan/vlan-id.ts';
import { GroupFailure, requireValid } from './group-failure.ts';
import { LEAF_AUTHENTICATION } from './leaf-identity.ts';
import { type GroupSuite, MLS_SUITES } from './suites.ts';

/** GroupContext: the VLAN's policy, opaque here. */
const POLICY_EXTENSION = 0xf7a0;
/** GroupInfo in a Welcome: 16 bytes, the StateId; whoever comes in by it has not seen the commit. */
const STATE_ID_EXTENSION = 0xf7a1;

/** Bounds what one message makes a worker hold. A commit at 1,000 members with X-Wing has 1.3 MB. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Bounds a key package: X-Wing's has 3 kB. */
export const KEY_PACKAGE_BYTES_MAX = 64 * 1024;
/** Bounds the trees: a commit's cost grows with them. */
export const MEMBERS_MAX = 1_000;
/** A full tree that holds them: 1,024 leaves. */
export const TREE_NODES_MAX = 2_047;
/** Bounds what each epoch carries along: admins, tombstones, limits. */
export const POLICY_BYTES_MAX = 64 * 1024;

const STATE_ID_BYTES = 16;
const DAY_SECONDS = 86_400;
/** A clock may be a day behind; an approval by hand may take weeks. */
const LIFETIME_DAYS = { before: 1, after: 28 } as const;

/** ts-mls's configuration; nothing of earlier epochs is kept, since no message is sent under them. */
export const CLIENT_CONFIG: ClientConfig = {
  keyRetentionConfig: { retainKeysForGenerations: 0, retainKeysForEpochs: 1, maximumForwardRatchetSteps: 0 },
  lifetimeConfig: {
    maximumTotalLifetime: BigInt((LIFETIME_DAYS.before + LIFETIME_DAYS.after) * DAY_SECONDS),
    validateLifetimeOnReceive: false,
  },
  keyPackageEqualityConfig: {
    compareKeyPackages: (left, right) =>
      Buffer.compare(left.leafNode.signaturePublicKey, right.leafNode.signaturePublicKey) === 0,
    compareKeyPackageToLeafNode: (keyPackage, leaf) =>
      Buffer.compare(keyPackage.leafNode.signaturePublicKey, leaf.signaturePublicKey) === 0,
  },
  paddingConfig: { kind: 'padUntilLength', padUntilLength: 0 },
  authService: LEAF_AUTHENTICATION,
};

/** What each leaf says it can do. */
export function capabilitiesOf(suite: GroupSuite): Capabilities {
  return {
    versions: ['mls10'],
    ciphersuites: [MLS_SUITES[suite]],
    extensions: [POLICY_EXTENSION, STATE_ID_EXTENSION],
    proposals: [],
    credentials: ['basic'],
  };
}

/** From when to when a key package may be used. */
export function lifetimeFrom(nowMs: number): Lifetime {
  const nowSeconds = Math.floor(nowMs / 1_000);
  return {
    notBefore: BigInt(Math.max(0, nowSeconds - LIFETIME_DAYS.before * DAY_SECONDS)),
    notAfter: BigInt(nowSeconds + LIFETIME_DAYS.after * DAY_SECONDS),
  };
}

/** Whether a key package may be used now. */
export function isCurrent({ notBefore, notAfter }: Lifetime, nowMs: number): boolean {
  const nowSeconds = BigInt(Math.floor(nowMs / 1_000));
  return notBefore <= nowSeconds && nowSeconds <= notAfter;
}

/** The extensions of a GroupContext with this policy. @throws GroupFailure `limit` */
export function contextExtensions(policy: Uint8Array): Extension[] {
  if (policy.length > POLICY_BYTES_MAX) {
    throw new GroupFailure(
      'limit',
      `a policy has at most ${POLICY_BYTES_MAX} bytes, this one ${policy.length}`,
    );
  }
  return [{ extensionType: POLICY_EXTENSION, extensionData: policy }];
}

/** The policy in a GroupContext's extensions. @throws GroupFailure `invalid` when there is anything else */
export function policyIn(extensions: readonly Extension[]): Uint8Array {
  const [policy, ...others] = extensions;
  requireValid(
    policy?.extensionType === POLICY_EXTENSION && others.length === 0,
    'the GroupContext holds other extensions than the policy',
  );
  requireValid(policy.extensionData.length <= POLICY_BYTES_MAX, 'the policy is too long');
  return policy.extensionData;
}

/** A state's name, for the GroupInfo of a Welcome. @param id - 32 hex digits */
export function stateIdExtension(id: string): Extension {
  return { extensionType: STATE_ID_EXTENSION, extensionData: new Uint8Array(Buffer.from(id, 'hex')) };
}

/** The state's name in a Welcome's GroupInfo. @throws GroupFailure `invalid` */
export function stateIdIn(extensions: readonly Extension[]): string {
  const found = extensions.filter(({ extensionType }) => extensionType === STATE_ID_EXTENSION);
  const data = found[0]?.extensionData;
  requireValid(
    found.length === 1 && data?.length === STATE_ID_BYTES,
    'the Welcome does not say which state it leads to',
  );
  return Buffer.from(data).toString('hex');
}

/** Demands that a group is one of this VLAN. @throws GroupFailure `invalid` */
export function requireOwnGroup(groupId: Uint8Array, vlanId: Uint8Array): void {
  requireValid(
    Buffer.compare(groupId.subarray(0, VLAN_ID_BYTES), vlanId) === 0,
    "the group is another VLAN's",
  );
}

/** The state of one who has just come in. */
export function enteredState(
  parts: Pick<
    ClientState,
    'groupContext' | 'ratchetTree' | 'privatePath' | 'signaturePrivateKey' | 'confirmationTag' | 'keySchedule'
  >,
): ClientState {
  return {
    ...parts,
    secretTree: [],
    historicalReceiverData: new Map(),
    unappliedProposals: {},
    groupActiveState: { kind: 'active' },
    clientConfig: CLIENT_CONFIG,
  };
}

/** A state without what is only for application messages, which no group here sends. */
export function leanState(state: ClientState): ClientState {
  return { ...state, secretTree: [], historicalReceiverData: new Map(), unappliedProposals: {} };
}
