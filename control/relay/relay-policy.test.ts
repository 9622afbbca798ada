/** For whom a relay carries what, by its rules. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatPeerId } from '../identity/peer-id.ts';
import { RelayPolicy, type RelayRules } from './relay-policy.ts';
import { parseRelayRule, relayRuleProblem } from './relay-rule.ts';

const [ANN, BOB] = [1, 2].map((seed) => formatPeerId(new Uint8Array(32).fill(seed))) as [string, string];
const [RED, BLUE] = ['a1', '0f'].map((digits) => digits.repeat(16)) as [string, string];

function policyOf(rules: Partial<RelayRules>): RelayPolicy {
  return new RelayPolicy({ enabled: true, allow: [], deny: [], ...rules });
}

test('nothing is carried unless relaying is on and a rule allows it', () => {
  assert.equal(policyOf({ enabled: false, allow: ['*'] }).decide(ANN, RED), 'disabled');
  assert.equal(policyOf({}).decide(ANN, RED), 'no-rule');
  assert.equal(policyOf({ allow: ['*'] }).decide(ANN, RED), 'allow');
});

test('a rule is for a neighbour, for a segment, or for both', () => {
  const answers = (allow: string): readonly boolean[] => {
    const policy = policyOf({ allow: [allow] });
    return [ANN, BOB].flatMap((peer) =>
      [RED, BLUE].map((segment) => policy.decide(peer, segment) === 'allow'),
    );
  };

  assert.deepEqual(answers(ANN), [true, true, false, false]);
  assert.deepEqual(answers(`segment:${RED}`), [true, false, true, false]);
  assert.deepEqual(answers(`${BOB}/segment:${BLUE}`), [false, false, false, true]);
});

test('deny beats allow, whatever is said more exactly', () => {
  const rules = ['*', ANN, `segment:${RED}`, `${ANN}/segment:${RED}`];
  for (const allow of rules) {
    for (const deny of rules) {
      assert.equal(policyOf({ allow: [allow], deny: [deny] }).decide(ANN, RED), 'denied');
    }
  }
  assert.equal(policyOf({ allow: ['*'], deny: [ANN] }).decide(BOB, RED), 'allow');
});

test('one more rule of deny never allows what was refused', () => {
  const rule = fc.constantFrom('*', ANN, BOB, `segment:${RED}`, `segment:${BLUE}`, `${ANN}/segment:${BLUE}`);
  const rules = fc.array(rule, { maxLength: 4 });
  fc.assert(
    fc.property(rules, rules, rule, (allow, deny, more) => {
      for (const peer of [ANN, BOB]) {
        for (const segment of [RED, BLUE]) {
          const before = policyOf({ allow, deny }).decide(peer, segment);
          const after = policyOf({ allow, deny: [...deny, more] }).decide(peer, segment);
          assert.ok(after === before || after === 'denied');
        }
      }
    }),
  );
});

test('a text that is no rule is answered with a sentence', () => {
  assert.deepEqual(parseRelayRule('*'), { peer: undefined, segment: undefined });
  assert.deepEqual(parseRelayRule(`${ANN}/segment:${RED}`), { peer: ANN, segment: RED });
  const cases: readonly [text: string, problem: RegExp][] = [
    ['', /^expected \*, a PeerId, segment:ID or PEERID\/segment:ID, got ''$/],
    ['**', /^expected \*, a PeerId/],
    [ANN.slice(1), /^expected \*, a PeerId/],
    [`segment:${RED.toUpperCase()}`, /^expected 32 digits of 0-9 and a-f after segment:, got 'segment:A1/],
    [`segment:${RED}0`, /^expected 32 digits/],
    [`bob/segment:${RED}`, /^expected nothing or PEERID\/ before segment:/],
    [`${ANN}segment:${RED}`, /^expected nothing or PEERID\/ before segment:/],
    [`/segment:${RED}`, /^expected nothing or PEERID\//],
  ];
  for (const [text, problem] of cases) {
    assert.equal(parseRelayRule(text), undefined, text);
    assert.match(relayRuleProblem(text) ?? '', problem);
  }
  assert.equal(relayRuleProblem(BOB), undefined);
});
