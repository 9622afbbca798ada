/** Behaviour of token batches: the addon and TypeScript agree, and either is enough. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deriveTokensNatively, nativeAvailability } from '../../dataplane/native/load.ts';
import { forwardingToken, groupRoute, stationRoute } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { type AddressBatch, addressTokens, type RoutedToken } from './station-tokens.ts';

const availability = nativeAvailability();
const skip = availability.ok ? false : availability.reason;
const macs = fc.array(fc.uint8Array({ minLength: 6, maxLength: 6 }), { maxLength: 64 });
const batch: fc.Arbitrary<AddressBatch> = fc.record({
  period: fc.nat({ max: 0xffff_ffff }),
  kind: fc.constantFrom('station', 'group'),
});
const OF_STATIONS: AddressBatch = { period: 5, kind: 'station' };
const epoch = deriveOpenEpoch(new Uint8Array(16).fill(3), 20_778);

function expectedOf({ period: at, kind }: AddressBatch, mac: Uint8Array): RoutedToken {
  const route =
    kind === 'group' ? groupRoute(epoch.tokenKey, at, mac) : stationRoute(epoch.tokenKey, at, mac);
  return { route, token: forwardingToken(epoch.segment.id, route) };
}

function plain({ route, token }: RoutedToken): string {
  return `${Buffer.from(route).toString('hex')} ${Buffer.from(token).toString('hex')}`;
}

test('the addon derives the tokens that TypeScript derives', { skip }, () => {
  fc.assert(
    fc.property(macs, batch, (addresses, of) => {
      assert.deepEqual(
        addressTokens(epoch, of, addresses, deriveTokensNatively).map(plain),
        addresses.map((mac) => plain(expectedOf(of, mac))),
      );
    }),
    { numRuns: 50 },
  );
});

test('an addon that cannot, and none at all, leave it to TypeScript', () => {
  const addresses = Array.from({ length: 20 }, (_, index) => Uint8Array.of(2, 0, 0, 0, 0, index));
  const expected = addresses.map((mac) => expectedOf(OF_STATIONS, mac));

  assert.deepEqual(
    addressTokens(epoch, OF_STATIONS, addresses, () => undefined),
    expected,
  );
  assert.deepEqual(addressTokens(epoch, OF_STATIONS, addresses, undefined), expected);
});

test('a single station does not cross over to the addon', () => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const never = (): undefined => assert.fail('asked for one token');

  assert.equal(addressTokens(epoch, OF_STATIONS, [mac], never).length, 1);
});
