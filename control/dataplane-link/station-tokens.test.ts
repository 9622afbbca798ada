/** Behaviour of token batches: the addon and TypeScript agree, and either is enough. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deriveTokensNatively, nativeAvailability } from '../../dataplane/native/load.ts';
import { stationRoute, stationToken } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { type RoutedToken, stationTokens } from './station-tokens.ts';

const availability = nativeAvailability();
const skip = availability.ok ? false : availability.reason;
const macs = fc.array(fc.uint8Array({ minLength: 6, maxLength: 6 }), { maxLength: 64 });
const period = fc.nat({ max: 0xffff_ffff });
const epoch = deriveOpenEpoch(new Uint8Array(16).fill(3), 20_778);

function expectedOf(at: number, mac: Uint8Array): RoutedToken {
  return { route: stationRoute(epoch.tokenKey, at, mac), token: stationToken(epoch, at, mac) };
}

function plain({ route, token }: RoutedToken): string {
  return `${Buffer.from(route).toString('hex')} ${Buffer.from(token).toString('hex')}`;
}

test('the addon derives the tokens that TypeScript derives', { skip }, () => {
  fc.assert(
    fc.property(macs, period, (addresses, at) => {
      assert.deepEqual(
        stationTokens(epoch, at, addresses, deriveTokensNatively).map(plain),
        addresses.map((mac) => plain(expectedOf(at, mac))),
      );
    }),
    { numRuns: 50 },
  );
});

test('an addon that cannot, and none at all, leave it to TypeScript', () => {
  const addresses = Array.from({ length: 20 }, (_, index) => Uint8Array.of(2, 0, 0, 0, 0, index));
  const expected = addresses.map((mac) => expectedOf(5, mac));

  assert.deepEqual(
    stationTokens(epoch, 5, addresses, () => undefined),
    expected,
  );
  assert.deepEqual(stationTokens(epoch, 5, addresses, undefined), expected);
});

test('a single station does not cross over to the addon', () => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const never = (): undefined => assert.fail('asked for one token');

  assert.equal(stationTokens(epoch, 5, [mac], never).length, 1);
});
