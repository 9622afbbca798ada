/** Commits that a member or newcomer could make by other software, and that ts-mls lets through or leaves to us. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import {
  type CiphersuiteImpl,
  type ClientState,
  createCommit,
  emptyPskIndex,
  joinGroupExternal,
  type Proposal,
} from 'ts-mls';
import type { ClientConfig } from 'ts-mls/clientConfig.js';
import { generateKeyPackageWithKey } from 'ts-mls/keyPackage.js';
import { toLeafIndex } from 'ts-mls/treemath.js';
import { createUpdatePath } from 'ts-mls/updatePath.js';
import { peerIdBytes } from '../../../identity/peer-id.ts';
import type { GroupState } from '../group-port.ts';
import { nodeSuite } from './crypto/node-suite.ts';
import { requireState } from './files/state-files.ts';
import { freshSigner, groupOf, TestNode, temporaryFolder } from './group.fixture.ts';
import { freshKeyPackage } from './group-context.ts';
import { makeCommit } from './make-commit.ts';
import { readMessage, writeMessage } from './messages.ts';
import { CLIENT_CONFIG, capabilitiesOf, contextExtensions, lifetimeFrom } from './profile.ts';
import { sealCommit } from './seal-commit.ts';

const folder = temporaryFolder();
after(() => folder.remove());

const suite: CiphersuiteImpl = nodeSuite('x25519');
/** Of a member that checks nothing. */
const CARELESS: ClientConfig = {
  ...CLIENT_CONFIG,
  authService: { validateCredential: () => Promise.resolve(true) },
  keyPackageEqualityConfig: { compareKeyPackages: () => false, compareKeyPackageToLeafNode: () => false },
};

interface Scene {
  readonly ann: TestNode;
  readonly bob: TestNode;
  readonly state: GroupState;
  /** Ann's state, with no checks. */
  readonly careless: ClientState;
}

async function scene(): Promise<Scene> {
  const [ann, bob] = [new TestNode(folder.path), new TestNode(folder.path)];
  const state = await groupOf([ann, bob]);
  const careless = { ...requireState(ann.context, state.id), clientConfig: CARELESS };
  return { ann, bob, state, careless };
}

function refuses({ bob, state }: Scene, commit: Uint8Array, reason: RegExp): Promise<void> {
  return bob.fails({ op: 'process', base: state.id, commit }, 'invalid', reason);
}

async function proposing(careless: ClientState, ...proposals: Proposal[]): Promise<Uint8Array> {
  return (await makeCommit(careless, proposals, suite)).commit;
}

describe('a commit is refused', () => {
  it('when it adds a leaf whose key is not that of its PeerId', async () => {
    const made = await scene();
    const thief = freshSigner();
    const { publicPackage } = await generateKeyPackageWithKey(
      { credentialType: 'basic', identity: peerIdBytes(freshSigner().publicKey) },
      capabilitiesOf('x25519'),
      lifetimeFrom(Date.now()),
      [],
      { signKey: thief.seed, publicKey: thief.publicKey },
      suite,
    );
    const add: Proposal = { proposalType: 'add', add: { keyPackage: publicPackage } };
    await refuses(made, await proposing(made.careless, add), /not that of its PeerId/);
  });

  it('when it brings a peer in that is in already', async () => {
    const made = await scene();
    const { publicPackage } = await freshKeyPackage(made.bob.context, 'x25519');
    const add: Proposal = { proposalType: 'add', add: { keyPackage: publicPackage } };
    await refuses(made, await proposing(made.careless, add), /is in already/);
  });

  it('when it holds a proposal of a kind that no group here has', async () => {
    const made = await scene();
    const pskNonce = new Uint8Array(32);
    const preSharedKeyId = { psktype: 'external' as const, pskId: Uint8Array.of(1), pskNonce };
    const psk: Proposal = { proposalType: 'psk', psk: { preSharedKeyId } };
    const pskIndex = { findPsk: () => new Uint8Array(32) };
    const options = { wireAsPublicMessage: true, extraProposals: [psk] };
    const { commit } = await createCommit({ state: made.careless, pskIndex, cipherSuite: suite }, options);
    assert.ok(commit.wireformat === 'mls_public_message');
    await refuses(made, writeMessage(commit), /kind psk/);
  });

  it('when it replaces the policy by something else, or without fresh keys', async () => {
    const made = await scene();
    const other = [{ extensionType: 0xf000, extensionData: new Uint8Array(4) }];
    const change: Proposal = {
      proposalType: 'group_context_extensions',
      groupContextExtensions: { extensions: other },
    };
    await refuses(made, await proposing(made.careless, change), /other extensions/);
    const policy: Proposal = {
      proposalType: 'group_context_extensions',
      groupContextExtensions: { extensions: contextExtensions(Uint8Array.of(8)) },
    };
    // What ts-mls makes of it by itself has no path (RFC 9420 §12.4 demands one).
    const options = { wireAsPublicMessage: true, extraProposals: [policy] };
    const context = { state: made.careless, pskIndex: emptyPskIndex, cipherSuite: suite };
    const { commit } = await createCommit(context, options);
    assert.ok(commit.wireformat === 'mls_public_message');
    await refuses(made, writeMessage(commit), /without fresh keys/);
  });

  it('when the committer takes another PeerId by it', async () => {
    const made = await scene();
    const other = freshSigner();
    const own = made.careless.ratchetTree[0];
    assert.ok(own?.nodeType === 'leaf');
    const credential = { credentialType: 'basic' as const, identity: peerIdBytes(other.publicKey) };
    const leaf = { ...own.leaf, credential, signaturePublicKey: other.publicKey };
    const masked = made.careless.ratchetTree.with(0, { nodeType: 'leaf', leaf });
    const { groupContext } = made.careless;
    const [tree, path, pathSecrets] = await createUpdatePath(
      masked,
      toLeafIndex(0),
      groupContext,
      other.seed,
      suite,
    );
    const sealed = await sealCommit(
      {
        from: { ...made.careless, ...made.careless.keySchedule },
        provisional: groupContext,
        tree,
        pathSecrets,
        content: { proposals: [], path },
        sender: { senderType: 'member', leafIndex: 0 },
        signKey: made.careless.signaturePrivateKey,
      },
      suite,
    );
    await refuses(made, sealed.commit, /another PeerId/);
  });
});

describe('an external commit is refused', () => {
  async function external(
    made: Scene,
    resync: boolean,
    config: ClientConfig,
    node: TestNode,
  ): Promise<Uint8Array> {
    const { groupInfo } = await made.ann.ok({ op: 'group-info', base: made.state.id });
    const info = readMessage(groupInfo, 'mls_group_info').groupInfo;
    const { publicPackage, privatePackage } = await freshKeyPackage(node.context, 'x25519');
    const { publicMessage } = await joinGroupExternal(
      info,
      publicPackage,
      privatePackage,
      resync,
      suite,
      undefined,
      config,
    );
    return writeMessage({ wireformat: 'mls_public_message', publicMessage });
  }

  it('when it removes somebody else', async () => {
    const made = await scene();
    const removesFirst: ClientConfig = {
      ...CARELESS,
      keyPackageEqualityConfig: { compareKeyPackages: () => false, compareKeyPackageToLeafNode: () => true },
    };
    const commit = await external(made, true, removesFirst, new TestNode(folder.path));
    await refuses(made, commit, /removes somebody else/);
  });

  it('when its maker would be in twice', async () => {
    const made = await scene();
    await refuses(made, await external(made, false, CARELESS, made.ann), /is in already/);
  });

  it('when its key is not that of its PeerId', async () => {
    const made = await scene();
    const thief = new TestNode(folder.path, {
      signer: { seed: freshSigner().seed, publicKey: freshSigner().publicKey },
    });
    const commit = await external(made, false, CARELESS, thief);
    await refuses(made, commit, /signature|Signature/);
  });

  it('but made by ts-mls as it should be, it is taken', async () => {
    const made = await scene();
    const newcomer = new TestNode(folder.path);
    const commit = await external(made, false, CLIENT_CONFIG, newcomer);
    const seen = await made.bob.process(made.state.id, commit);
    assert.deepEqual(seen.members.at(-1)?.peer, newcomer.peer);
  });
});
