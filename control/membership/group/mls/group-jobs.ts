/**
 * Carries out the jobs of the group port: from a state on disk to one on disk.
 *
 *   job ─▶ base state (memory or disk) ─▶ ts-mls ─▶ new state written ─▶ result
 *
 * The pool's threads. What others sent is judged, never thrown at; whatever goes wrong becomes a result.
 */
import { type CiphersuiteImpl, type ClientState, createGroup, mlsExporter, type Proposal } from 'ts-mls';
import { createGroupInfoWithExternalPubAndRatchetTree } from 'ts-mls/createCommit.js';
import { verifyKeyPackage } from 'ts-mls/keyPackage.js';
import { verifyLeafNodeSignatureKeyPackage } from 'ts-mls/leafNode.js';
import { epochTag } from '../../../vlan/epoch-keys.ts';
import type {
  CommitFacts,
  CommitJob,
  ExternalCommitJob,
  GroupInfoJob,
  GroupJob,
  GroupResult,
  GroupResults,
  GroupState,
  JoinJob,
  ProcessJob,
  StateId,
} from '../group-port.ts';
import { concat } from './crypto/labels.ts';
import { nodeSuite } from './crypto/node-suite.ts';
import { makeExternalCommit } from './external-commit.ts';
import {
  destroyKeyPackages,
  findKeyPackage,
  markUsed,
  statesOfUsed,
  storeKeyPackage,
} from './files/key-package-files.ts';
import {
  destroyOtherStates,
  destroyState,
  loadState,
  requireState,
  storeState,
} from './files/state-files.ts';
import { freshKeyPackage, type JobContext, ownPeer } from './group-context.ts';
import { GroupFailure, judging, requireValid, shortReasonOf } from './group-failure.ts';
import { joinByWelcome } from './join-group.ts';
import { leafOfPeer, peerOfLeaf, rosterOf } from './leaf-identity.ts';
import { makeCommit } from './make-commit.ts';
import { readMessage, requireSuite, stateIdOf, writeMessage } from './messages.ts';
import { withCheckedKeys } from './own-keys.ts';
import { followCommit } from './process-commit.ts';
import {
  CLIENT_CONFIG,
  contextExtensions,
  isCurrent,
  KEY_PACKAGE_BYTES_MAX,
  leanState,
  MEMBERS_MAX,
  policyIn,
} from './profile.ts';

const EXPORTER_LABEL = 'peertap epoch';
const SECRET_BYTES = 32;
/** Makes each group of a VLAN another one, so that one which is built anew shares no name with the lost one. */
const GROUP_NONCE_BYTES = 16;

/** Does a job. @returns its end; never throws */
export async function doJob(context: JobContext, job: GroupJob): Promise<GroupResult> {
  try {
    return await carryOut(context, job);
  } catch (error) {
    const code = error instanceof GroupFailure ? error.code : 'failed';
    return { ok: false, op: job.op, code, reason: shortReasonOf(error) };
  }
}

/**
 * The states that are on disk of those that are asked for. What else lies there is destroyed, but for the state of a
 * join that nobody has noted down yet.
 *
 * @throws the system's error
 */
export async function restoreStates(
  context: JobContext,
  ids: readonly StateId[],
): Promise<readonly GroupState[]> {
  destroyOtherStates(context, new Set([...ids, ...statesOfUsed(context)]));
  const found: GroupState[] = [];
  for (const id of ids) {
    const state = loadState(context, id);
    if (state !== undefined) found.push(await describe(context, id, state));
  }
  return found;
}

async function carryOut(context: JobContext, job: GroupJob): Promise<GroupResult> {
  switch (job.op) {
    case 'create':
      return done('create', await create(context, job.policy));
    case 'key-package':
      return done('key-package', await keyPackage(context));
    case 'commit':
      return done('commit', await commit(context, job));
    case 'process':
      return done('process', await process(context, job));
    case 'join':
      return done('join', await join(context, job));
    case 'group-info':
      return done('group-info', await groupInfo(context, job));
    case 'external-commit':
      return done('external-commit', await externalCommit(context, job));
    case 'drop':
      for (const id of job.states) destroyState(context, id);
      destroyKeyPackages(context, new Set(job.states));
      return done('drop', {});
  }
}

function done<Op extends GroupJob['op']>(op: Op, value: GroupResults[Op]): GroupResult<Op> {
  return { ok: true, op, value };
}

async function create(context: JobContext, policy: Uint8Array): Promise<GroupResults['create']> {
  const suite = nodeSuite(context.suite);
  const { publicPackage, privatePackage } = await freshKeyPackage(context, context.suite);
  const groupId = concat(context.vlanId, suite.rng.randomBytes(GROUP_NONCE_BYTES));
  const extensions = contextExtensions(policy);
  const state = leanState(
    await createGroup(groupId, publicPackage, privatePackage, extensions, suite, CLIENT_CONFIG),
  );
  const id = stateIdOf(groupId);
  storeState(context, id, state);
  return { state: await describe(context, id, state) };
}

async function keyPackage(context: JobContext): Promise<GroupResults['key-package']> {
  const keys = await freshKeyPackage(context, context.suite);
  const bytes = writeMessage({ wireformat: 'mls_key_package', keyPackage: keys.publicPackage });
  storeKeyPackage(context, stateIdOf(bytes), keys);
  return { keyPackage: bytes };
}

async function commit(context: JobContext, job: CommitJob): Promise<GroupResults['commit']> {
  const base = requireState(context, job.base);
  const suite = suiteOf(base);
  const proposals = await proposalsOf(context, base, job);
  const made = await judging('the commit', () => makeCommit(base, proposals, suite));
  const state = withCheckedKeys(made.state);
  requireValid(
    rosterOf(state.ratchetTree) !== undefined,
    'the commit adds a leaf that does not match its PeerId',
  );
  storeState(context, made.id, state);
  const facts: CommitFacts = {
    committer: ownPeer(context),
    added: job.add.map(({ peer }) => peer),
    removed: job.remove,
    isExternal: false,
  };
  return {
    commit: made.commit,
    state: await describe(context, made.id, state),
    facts,
    welcome: made.welcome,
    welcomeDigest: made.welcome === undefined ? undefined : stateIdOf(made.welcome),
  };
}

async function proposalsOf(
  context: JobContext,
  base: ClientState,
  job: CommitJob,
): Promise<readonly Proposal[]> {
  const removals = job.remove.map((peer): Proposal => {
    const removed = leafOfPeer(base, peer);
    requireValid(removed !== undefined, `${peer} is not in the group`);
    return { proposalType: 'remove', remove: { removed } };
  });
  const present = (rosterOf(base.ratchetTree)?.length ?? 0) - removals.length + job.add.length;
  if (present > MEMBERS_MAX) throw new GroupFailure('limit', `a group has at most ${MEMBERS_MAX} members`);
  const additions: Proposal[] = [];
  for (const { peer, keyPackage } of job.add) {
    additions.push(
      await judging(`the key package for ${peer}`, () =>
        additionOf(context, base, { peer, bytes: keyPackage }),
      ),
    );
  }
  const policies: readonly Proposal[] =
    job.policy === undefined
      ? []
      : [
          {
            proposalType: 'group_context_extensions',
            groupContextExtensions: { extensions: contextExtensions(job.policy) },
          },
        ];
  return [...removals, ...additions, ...policies];
}

/** ts-mls looks at most of this again when it applies the Add, but does not say whose key package it refuses. */
async function additionOf(
  { nowMs }: JobContext,
  base: ClientState,
  { peer, bytes }: { readonly peer: string; readonly bytes: Uint8Array },
): Promise<Proposal> {
  const { keyPackage } = readMessage(bytes, 'mls_key_package', KEY_PACKAGE_BYTES_MAX);
  const { leafNode, cipherSuite } = keyPackage;
  const named = peerOfLeaf(leafNode);
  requireValid(named !== undefined, 'its key is not that of the PeerId in it');
  requireValid(named === peer, `it is one of ${named}`);
  const wanted = base.groupContext.cipherSuite;
  requireValid(cipherSuite === wanted, `it is of the cipher suite ${cipherSuite}, the group of ${wanted}`);
  const { signature } = suiteOf(base);
  const isSigned =
    (await verifyKeyPackage(keyPackage, signature)) &&
    (await verifyLeafNodeSignatureKeyPackage(leafNode, signature));
  requireValid(isSigned, 'its signature does not hold');
  requireValid(isCurrent(leafNode.lifetime, nowMs), 'it is out of date, or a clock is wrong');
  return { proposalType: 'add', add: { keyPackage } };
}

async function process(context: JobContext, job: ProcessJob): Promise<GroupResults['process']> {
  const base = requireState(context, job.base);
  const { state, facts } = await judging('the commit', () => {
    const { publicMessage } = readMessage(job.commit, 'mls_public_message');
    return followCommit(base, publicMessage, suiteOf(base));
  });
  if (state === undefined) return { state: undefined, facts };
  const id = stateIdOf(job.commit);
  storeState(context, id, state);
  return { state: await describe(context, id, state), facts };
}

async function join(context: JobContext, job: JoinJob): Promise<GroupResults['join']> {
  const { welcome } = await judging('the Welcome', () => readMessage(job.welcome, 'mls_welcome'));
  const refs = welcome.secrets.map(({ newMember }) => newMember);
  const found = await findKeyPackage(context, refs);
  if (found === undefined) {
    throw new GroupFailure('not-for-us', 'the Welcome is for none of the key packages kept here');
  }
  if (found.kind === 'used') {
    return { state: await describe(context, found.state, requireState(context, found.state)) };
  }
  const { id, state } = await judging('the Welcome', () => {
    const suite = nodeSuite(requireSuite(welcome.cipherSuite));
    return joinByWelcome(welcome, found.keys, context.vlanId, suite);
  });
  storeState(context, id, state);
  await markUsed(context, found, id);
  return { state: await describe(context, id, state) };
}

async function groupInfo(context: JobContext, job: GroupInfoJob): Promise<GroupResults['group-info']> {
  const base = requireState(context, job.base);
  const info = await createGroupInfoWithExternalPubAndRatchetTree(base, [], suiteOf(base));
  return { groupInfo: writeMessage({ wireformat: 'mls_group_info', groupInfo: info }) };
}

async function externalCommit(
  context: JobContext,
  job: ExternalCommitJob,
): Promise<GroupResults['external-commit']> {
  const made = await judging('the GroupInfo', () => {
    const { groupInfo } = readMessage(job.groupInfo, 'mls_group_info');
    const suite = nodeSuite(requireSuite(groupInfo.groupContext.cipherSuite));
    return makeExternalCommit(groupInfo, context, suite);
  });
  const state = withCheckedKeys(made.state);
  storeState(context, made.id, state);
  return { commit: made.commit, state: await describe(context, made.id, state), facts: made.facts };
}

/** What a state says to those who are in it. */
async function describe(context: JobContext, id: StateId, state: ClientState): Promise<GroupState> {
  const { exporterSecret } = state.keySchedule;
  const secret = await mlsExporter(
    exporterSecret,
    EXPORTER_LABEL,
    context.vlanId,
    SECRET_BYTES,
    suiteOf(state),
  );
  const members = rosterOf(state.ratchetTree);
  if (members === undefined) throw new GroupFailure('failed', 'a kept state has a leaf that does not match');
  return {
    id,
    epoch: Number(state.groupContext.epoch),
    secret,
    tag: epochTag(secret),
    ownLeaf: state.privatePath.leafIndex,
    members,
    // A copy: a view would take the whole message along to the main thread.
    policy: policyIn(state.groupContext.extensions).slice(),
  };
}

function suiteOf({ groupContext }: ClientState): CiphersuiteImpl {
  return nodeSuite(requireSuite(groupContext.cipherSuite));
}
