/** Behaviour of the tokens that a VLAN receives for multicast groups, seen by the look-up that workers do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createArena } from '../../dataplane/shm/arena.ts';
import { NONE, TOKEN_LOCAL, Token } from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { createTables, findToken } from '../../dataplane/shm/tables.ts';
import { keyOf } from '../token/route-message.ts';
import { forwardingToken, groupRoute, stationRoute } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { EpochTokens } from './epoch-tokens.ts';
import { Quiescence } from './quiescence.ts';
import { createTableWriters } from './table-writers.ts';

const PERIOD_SECONDS = 3_600;
const NOON_MS = Date.UTC(2026, 10, 21, 12);
const DAY = NOON_MS / 86_400_000 - 0.5;
const NOON_PERIOD = NOON_MS / 1_000 / PERIOD_SECONDS;
const GROUP = Uint8Array.of(1, 0, 0x5e, 1, 2, 3);
const OTHER = Uint8Array.of(0x33, 0x33, 0, 0, 0xab, 0xcd);
const STATION = Uint8Array.of(2, 0, 0, 0, 0, 1);
const EPOCH = deriveOpenEpoch(new Uint8Array(16).fill(3), DAY);
const LATER = deriveOpenEpoch(new Uint8Array(16).fill(3), DAY + 1);

function bench() {
  const tables = createTables({ workerCount: 1, tokenCapacity: 1_024, hashKey: { key0: 1, key1: 2 } });
  const writers = createTableWriters(tables, new Quiescence([createArena(0)], () => undefined), () => 1);
  const tokens = new EpochTokens(writers.tokens, PERIOD_SECONDS, undefined);
  const received = (group: Uint8Array, period: number, epoch = EPOCH): boolean => {
    const token = forwardingToken(epoch.segment.id, groupRoute(epoch.tokenKey, period, group));
    const view = new DataView(token.buffer, token.byteOffset);
    const words = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [number, number, number, number];
    const slot = findToken(tables, ...words);
    if (slot === NONE) return false;
    const at = TABLE.tokens + slot * Token.size + Token.at.flags;
    return ((tables.u32[at >> 2] ?? 0) & TOKEN_LOCAL) !== 0;
  };
  return { tokens, received };
}

test('a group is received in the previous, the present and the next period, until it is not wanted', () => {
  const { tokens, received } = bench();
  tokens.add(1, { slot: 0, secrets: EPOCH, day: DAY }, NOON_MS);
  const before = tokens.changes;
  tokens.setGroups([GROUP, OTHER]);

  assert.ok(tokens.changes > before, 'to be announced');
  for (const period of [-1, 0, 1]) {
    assert.ok(received(GROUP, NOON_PERIOD + period) && received(OTHER, NOON_PERIOD + period), `${period}`);
  }
  assert.ok(!received(GROUP, NOON_PERIOD + 2));

  tokens.setGroups([OTHER]);
  assert.ok(!received(GROUP, NOON_PERIOD) && received(OTHER, NOON_PERIOD));
});

test('the same groups change nothing', () => {
  const { tokens } = bench();
  tokens.add(1, { slot: 0, secrets: EPOCH, day: DAY }, NOON_MS);
  tokens.setGroups([GROUP, OTHER]);
  const before = tokens.changes;
  tokens.setGroups([OTHER.slice(), GROUP.slice()]);

  assert.equal(tokens.changes, before);
});

test('groups go over to new periods and new epochs', () => {
  const { tokens, received } = bench();
  tokens.add(1, { slot: 0, secrets: EPOCH, day: DAY }, NOON_MS);
  tokens.setGroups([GROUP]);
  tokens.roll(NOON_MS + 2 * PERIOD_SECONDS * 1_000);
  assert.ok(received(GROUP, NOON_PERIOD + 3) && !received(GROUP, NOON_PERIOD));

  const midnightMs = (DAY + 1) * 86_400_000;
  tokens.add(2, { slot: 1, secrets: LATER, day: DAY + 1 }, midnightMs);
  assert.ok(received(GROUP, midnightMs / 1_000 / PERIOD_SECONDS, LATER));
});

test('groups are announced before stations, since an announcement has an end', () => {
  const { tokens } = bench();
  tokens.add(1, { slot: 0, secrets: EPOCH, day: DAY }, NOON_MS);
  tokens.addStation(STATION);
  tokens.setGroups([GROUP]);
  const routes = tokens.received()[0]?.routes.map(keyOf) ?? [];
  const placesOf = (routeOf: typeof groupRoute, mac: Uint8Array): number[] =>
    [-1, 0, 1].map((period) => routes.indexOf(keyOf(routeOf(EPOCH.tokenKey, NOON_PERIOD + period, mac))));

  assert.deepEqual(placesOf(groupRoute, GROUP), [6, 7, 8]);
  assert.deepEqual(placesOf(stationRoute, STATION), [9, 10, 11]);
});
