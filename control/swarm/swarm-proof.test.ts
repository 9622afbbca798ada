import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SwarmKey, swarmKeyOf } from './swarm-key.ts';
import { PROOF_RANDOM_BYTES, type ProofStep, SwarmProof } from './swarm-proof.ts';

const [ALICE, BOB, MALLORY] = ['12D3KooWAlice', '12D3KooWBob', '12D3KooWMallory'];
const [OLD, NEW, OTHER] = [1, 2, 3].map((byte) => swarmKeyOf(new Uint8Array(32).fill(byte)));

function end(
  isOpener: boolean,
  keys: readonly (SwarmKey | undefined)[],
  opener = ALICE,
  acceptor = BOB,
): SwarmProof {
  const random = randomBytes(PROOF_RANDOM_BYTES);
  return new SwarmProof({
    opener: opener,
    acceptor: acceptor,
    isOpener,
    keys: keys.map((key) => key!),
    random,
  });
}

function messageOf(step: ProofStep): Uint8Array {
  assert.ok(step.kind !== 'refused' && step.message !== undefined);
  return step.message;
}

/** Runs both ends against each other. @returns the last step of each */
function run(opener: SwarmProof, acceptor: SwarmProof): readonly [ProofStep, ProofStep] {
  const answer = acceptor.receive(opener.start()!);
  const opened = opener.receive(messageOf(answer));
  if (opened.kind === 'refused') return [opened, answer];
  return [opened, acceptor.receive(messageOf(opened))];
}

const proven = (step: ProofStep): readonly string[] => (step.kind === 'proven' ? step.fingerprints : []);

test('both ends learn which keys they share, whatever stands where in a rotation', () => {
  const cases = [
    [[NEW], [NEW], [NEW]],
    [[NEW, OLD], [OLD], [OLD]],
    [[OLD], [NEW, OLD], [OLD]],
    [[NEW, OLD], [NEW], [NEW]],
    [
      [NEW, OLD],
      [NEW, OLD],
      [NEW, OLD],
    ],
    [[NEW, OLD], [OLD, OTHER], [OLD]],
  ];
  for (const [openers, acceptors, shared] of cases) {
    const steps = run(end(true, openers!), end(false, acceptors!));
    for (const step of steps) {
      assert.deepEqual([...proven(step)].sort(), shared!.map((key) => key!.fingerprint).sort());
    }
  }
});

test('without a key in common both refuse, and the opener has sent no proof', () => {
  const [opened, accepted] = run(end(true, [NEW]), end(false, [OTHER]));
  assert.equal(opened.kind, 'refused');
  assert.equal(accepted.kind, 'send');
  const acceptor = end(false, [OTHER]);
  acceptor.receive(end(true, [NEW]).start()!);
  assert.equal(acceptor.receive(new Uint8Array(64)).kind, 'refused');
});

test('an end without any key proves nothing and takes nothing, the same end on the other side either', () => {
  assert.equal(run(end(true, []), end(false, []))[0].kind, 'refused');
  assert.equal(run(end(true, []), end(false, [NEW]))[0].kind, 'refused');
  assert.equal(run(end(true, [NEW]), end(false, []))[0].kind, 'refused');
});

test('proofs sent back, played again or passed on are refused', () => {
  // Reflection: what the acceptor has proven is sent back to it.
  const acceptor = end(false, [NEW]);
  const answer = messageOf(acceptor.receive(end(true, [NEW]).start()!));
  assert.equal(acceptor.receive(answer.subarray(32)).kind, 'refused');

  // Replay: an opener's first and last message, recorded, to another acceptor of the same name.
  const opener = end(true, [NEW]);
  const nonce = opener.start()!;
  const last = messageOf(opener.receive(messageOf(end(false, [NEW]).receive(nonce))));
  const again = end(false, [NEW]);
  again.receive(nonce);
  assert.equal(again.receive(last).kind, 'refused');

  // Relay: Mallory, dialled by Alice, dials Bob and passes everything on. Both know who is at the other end.
  const alice = end(true, [NEW], ALICE, MALLORY);
  const bob = end(false, [NEW], MALLORY, BOB);
  assert.equal(alice.receive(messageOf(bob.receive(alice.start()!))).kind, 'refused');
});

test('no bit of a message can be changed', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 }), fc.nat({ max: 767 }), (place, bit) => {
      const [opener, acceptor] = [end(true, [NEW, OLD]), end(false, [NEW])];
      const flip = (message: Uint8Array, at: number): Uint8Array => {
        if (at !== place) return message;
        const changed = Uint8Array.from(message);
        const index = (bit >> 3) % changed.length;
        changed[index] = changed[index]! ^ (1 << (bit & 7));
        return changed;
      };
      const answer = acceptor.receive(flip(opener.start()!, 0));
      if (answer.kind === 'refused') return;
      const opened = opener.receive(flip(messageOf(answer), 1));
      if (opened.kind === 'refused') return;
      const accepted = acceptor.receive(flip(messageOf(opened), 2));
      // What stands for the key that one end lacks may change; then what both have is proven all the same.
      for (const step of [opened, accepted]) {
        if (step.kind === 'proven') assert.deepEqual(step.fingerprints, [NEW!.fingerprint]);
      }
    }),
  );
});

test('bytes of any kind are refused, and nothing is taken after the end', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.uint8Array({ maxLength: 120 }), (isOpener, bytes) => {
      const party = end(isOpener, [NEW]);
      party.start();
      const isNonce = !isOpener && bytes.length === 33 && bytes[0] === 1;
      assert.equal(party.receive(bytes).kind, isNonce ? 'send' : 'refused');
      assert.equal(party.receive(bytes).kind, 'refused');
    }),
  );
});
