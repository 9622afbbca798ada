/**
 * Owns the comparison: a newcomer comes in by ts-mls's own joinGroup with its own cryptography, whose check of parent
 * hashes takes time by the square of the group (docs/adr/0012). Main thread of the bench; it is busy meanwhile.
 */
import { emptyPskIndex, getCiphersuiteFromName, getCiphersuiteImpl, joinGroup } from 'ts-mls';
import { formatPeerId } from '../../control/identity/peer-id.ts';
import { freshKeyPackage } from '../../control/membership/group/mls/group-context.ts';
import { readMessage, writeMessage } from '../../control/membership/group/mls/messages.ts';
import { type GroupSuite, MLS_SUITES } from '../../control/membership/group/mls/suites.ts';
import { freshSigner } from './filler.ts';
import { done, type GroupStage } from './group-stage.ts';

/** Has a newcomer added to a group, and in by ts-mls alone. @returns milliseconds of its join */
export async function libraryJoinMs(stage: GroupStage, suite: GroupSuite): Promise<number> {
  const signer = freshSigner();
  const context = { signer, vlanId: new Uint8Array(16), directory: '', suite, nowMs: Date.now() };
  const { publicPackage, privatePackage } = await freshKeyPackage(context, suite);
  const keyPackage = writeMessage({ wireformat: 'mls_key_package', keyPackage: publicPackage });
  const add = [{ peer: formatPeerId(signer.publicKey), keyPackage }];
  const made = await done(stage.admin, { op: 'commit', base: stage.base, add, remove: [] });
  const implementation = await getCiphersuiteImpl(getCiphersuiteFromName(MLS_SUITES[suite]));
  const { welcome } = readMessage(made.welcome ?? new Uint8Array(0), 'mls_welcome');
  const keys = { ...privatePackage, signaturePrivateKey: signer.seed };
  const startedMs = performance.now();
  await joinGroup(welcome, publicPackage, keys, emptyPskIndex, implementation);
  return performance.now() - startedMs;
}
