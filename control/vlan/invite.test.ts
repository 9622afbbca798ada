/** Behaviour of invites: they survive mails and QR codes, and say of themselves what is wrong with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatInvite,
  INVITE_LIMIT,
  INVITE_PREFIX,
  type Invite,
  looksLikeInvite,
  parseInvite,
} from './invite.ts';
import { NOW_MS, nodeOf, seedOf } from './record.fixture.ts';
import { formatVlanId } from './vlan-id.ts';
import { vlanKeysFromSeed } from './vlan-keys.ts';

const keys = vlanKeysFromSeed(seedOf(1));
const INVITE: Invite = {
  kind: 'private',
  publicKey: keys.publicKey,
  name: 'office',
  secret: new Uint8Array(16).fill(9),
  expiresAtSeconds: NOW_MS / 1_000 + 60,
  admins: [
    { peer: nodeOf(1).id, addresses: ['/ip4/192.0.2.7/tcp/7946', '/ip6/2001:db8::7/udp/7946/quic-v1'] },
  ],
};
const TEXT = formatInvite(INVITE);

function faultOf(text: string, unixMs?: number): string {
  const parsed = parseInvite(text, unixMs);
  return parsed.ok ? assert.fail('it was accepted') : parsed.fault;
}

const admin = fc.record(
  {
    peer: fc.integer({ min: 1, max: 50 }).map((value) => nodeOf(value).id),
    addresses: fc.array(fc.stringMatching(/^\/[!-~]{1,60}$/), { maxLength: 4 }),
  },
  { noNullPrototype: true },
);
const someInvite = fc
  .record({
    kind: fc.constantFrom('open' as const, 'private' as const),
    publicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    name: fc.stringMatching(/^[a-z ü漢]{1,16}$/),
    secret: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 })),
    expiresAtSeconds: fc.option(fc.integer({ min: 0, max: 4_000_000_000 })),
    admins: fc.array(admin, { maxLength: 6 }),
  })
  .map(
    ({ secret, expiresAtSeconds, ...others }): Invite => ({
      ...others,
      ...(secret === null ? {} : { secret }),
      ...(expiresAtSeconds === null ? {} : { expiresAtSeconds }),
    }),
  );

test('an invite comes back as it was written', () => {
  fc.assert(
    fc.property(someInvite, (invite) => {
      const text = formatInvite(invite);
      assert.match(text, /^peertap1[a-z2-7]+$/);
      const parsed = parseInvite(text);
      assert.ok(parsed.ok);
      const { id, idBytes, ...rest } = parsed.invite;
      assert.deepEqual(rest, invite);
      assert.equal(id, formatVlanId(idBytes));
    }),
  );
});

test('the VLAN’s id is that of the key in it', () => {
  const parsed = parseInvite(TEXT);
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.invite.idBytes, keys.id);
});

test('line breaks, blanks and capitals do no harm', () => {
  const wrapped = `  ${TEXT.toUpperCase().replace(/(.{60})/g, '$1\r\n ')}\n`;

  assert.deepEqual(parseInvite(wrapped), parseInvite(TEXT));
  assert.equal(looksLikeInvite(wrapped), true);
  assert.equal(looksLikeInvite('a'.repeat(26)), false);
});

test('an invite that was cut anywhere is told so, with both lengths', () => {
  for (let length = INVITE_PREFIX.length + 1; length < TEXT.length; length++) {
    assert.equal(faultOf(TEXT.slice(0, length)), 'cut', `${length}`);
  }
  const parsed = parseInvite(TEXT.slice(0, 50));
  assert.match(parsed.ok ? '' : parsed.reason, new RegExp(`50 of ${TEXT.length} characters`));
  assert.equal(faultOf(`${TEXT}a`), 'too-long');
});

test('any single mistyped character is noticed', () => {
  for (let index = INVITE_PREFIX.length; index < TEXT.length; index++) {
    const other = TEXT[index] === 'q' ? 'r' : 'q';
    const fault = faultOf(TEXT.slice(0, index) + other + TEXT.slice(index + 1));
    // In the length itself it shows as another length.
    const allowed = index < INVITE_PREFIX.length + 4 ? ['mistyped', 'cut', 'too-long'] : ['mistyped'];
    assert.ok(allowed.includes(fault), `${index}: ${fault}`);
  }
  const parsed = parseInvite(`${TEXT.slice(0, 40)}1${TEXT.slice(41)}`);
  assert.match(parsed.ok ? '' : parsed.reason, /character 41 of the invite, '1'/);
});

test('invites of other kinds are told apart from mistyped ones', () => {
  assert.equal(faultOf('hello'), 'not-an-invite');
  assert.equal(faultOf(''), 'not-an-invite');
  assert.equal(faultOf(formatVlanId(keys.id)), 'not-an-invite');
  assert.equal(faultOf(`peertap2${TEXT.slice(8)}`), 'newer-version');
});

test('an invite expires at its second', () => {
  assert.equal(parseInvite(TEXT, NOW_MS + 59_999).ok, true);
  assert.equal(faultOf(TEXT, NOW_MS + 60_000), 'expired');
  assert.equal(parseInvite(TEXT).ok, true);
});

test('no text throws', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 300 }),
      fc.string({ unit: fc.constantFrom('a', 'b', 'z', '2', '7') }),
      (any, tail) => {
        assert.equal(parseInvite(any).ok, false);
        assert.equal(parseInvite(INVITE_PREFIX + tail).ok, false);
      },
    ),
  );
});

test('an invite stays something that can be copied: admins and addresses beyond the limits are left out', () => {
  const addresses = Array.from({ length: 20 }, (_, index) => `/dns/${'x'.repeat(70)}.example/tcp/${index}`);
  const admins = Array.from({ length: 32 }, (_, index) => ({
    peer: nodeOf(index + 1).id,
    addresses: ['/' + 'y'.repeat(200), ...addresses],
  }));

  const parsed = parseInvite(formatInvite({ ...INVITE, admins }));

  assert.ok(TEXT.length < 350, `${TEXT.length}`);
  assert.ok(parsed.ok);
  assert.equal(parsed.invite.admins.length, INVITE_LIMIT.admins);
  assert.deepEqual(parsed.invite.admins[0]?.addresses, addresses.slice(0, INVITE_LIMIT.addresses));
});
