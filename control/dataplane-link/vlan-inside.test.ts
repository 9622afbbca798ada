/** Behaviour of a VLAN that is looked into: echoes go the way of frames and open at the other end, by whose leaf it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INITIAL_HOPS, NONE } from '../../dataplane/shm/layout.ts';
import { controlClass, controlFlags, controlHops, controlKind } from '../../dataplane/wire/link-datagram.ts';
import { formatPeerId } from '../identity/peer-id.ts';
import type { Epoch } from '../membership/epoch.ts';
import { keyText } from '../membership/roster.ts';
import { stationToken } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { openTapCapture } from './tap-capture.ts';
import { VlanInside, type VlanInsideParts } from './vlan-inside.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const OTHER_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
const KEY = new Uint8Array(32).fill(5);
const OPEN: Epoch = {
  ...deriveOpenEpoch(new Uint8Array(16), 1),
  id: 1,
  number: 20_000,
  day: 20_000,
  ownLeaf: 77,
  roster: undefined,
};

interface Sent {
  readonly worker: number;
  readonly destination: unknown;
  readonly control: number;
  readonly payload: Uint8Array;
}

function world(
  trunk: number,
  { epoch = OPEN, isFull = false }: { readonly epoch?: Epoch; readonly isFull?: boolean } = {},
): { readonly inside: VlanInside; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const parts: VlanInsideParts = {
    injector: {
      sealed: (worker, destination, control, payload) => {
        sent.push({ worker, destination, control, payload });
        return !isFull;
      },
    },
    stations: { holderOf: (mac) => (mac[5] === 1 ? 9 : undefined) },
    ways: {
      to: () => ({ trunk, pathMtuBytes: 1400 }),
      peerOf: () => 'b',
      announcers: () => new Map([['b', 'aa']]),
    },
    anyWorker: () => 1,
    epochs: () => [epoch],
    sendingTo: () => ({ secrets: epoch, period: 24 }),
  };
  return { inside: new VlanInside(parts), sent };
}

test('an echo goes out by the trunk of its station, and opens there', () => {
  const { inside, sent } = world(3);
  const body = Uint8Array.of(1, 2, 3);
  assert.equal(inside.sendEcho(MAC, body), true);
  const [one] = sent;
  assert.deepEqual([one?.worker, one?.destination], [1, { trunk: 3 }]);
  assert.deepEqual([controlKind(one!.control), controlFlags(one!.control)], [4, 0]);
  assert.equal(controlHops(one!.control), INITIAL_HOPS);
  assert.deepEqual(one!.payload.subarray(0, 16), stationToken(OPEN, 24, MAC));
  const header = { kind: 4, flags: 0, class: controlClass(one!.control) };
  assert.deepEqual(inside.openEcho(1, header, one!.payload), { leaf: 77, peer: undefined, body });
  assert.equal(inside.openEcho(2, header, one!.payload), undefined);
  assert.equal(inside.openEcho(1, { ...header, kind: 3 }, one!.payload), undefined);
});

test('in a group the epoch says whose leaf it is', () => {
  const roster = new Map([
    [keyText(new Uint8Array(32).fill(4)), 76],
    [keyText(KEY), 77],
  ]);
  const { inside, sent } = world(3, { epoch: { ...OPEN, day: undefined, roster } });
  inside.sendEcho(MAC, Uint8Array.of(1));
  const header = { kind: 4, flags: 0, class: 0 };
  assert.equal(inside.openEcho(1, header, sent[0]!.payload)?.peer, formatPeerId(KEY));
});

test('without a way, or with a full ring, it says so', () => {
  assert.equal(world(NONE).inside.sendEcho(MAC, new Uint8Array(1)), false);
  assert.equal(world(3, { isFull: true }).inside.sendEcho(MAC, new Uint8Array(1)), false);
  const { inside, sent } = world(3);
  assert.equal(inside.sendEcho(OTHER_MAC, new Uint8Array(1)), false);
  assert.deepEqual(
    [inside.wayTo(OTHER_MAC), inside.holderOf(OTHER_MAC), sent.length],
    [undefined, undefined, 0],
  );
  assert.equal(inside.holderOf(MAC), 'b');
});

test('its segments are told with who announces in them', () => {
  const segment = Buffer.from(OPEN.segment.id).toString('hex');
  assert.deepEqual(world(3).inside.segments(), [
    { segment, epoch: 20_000, announcers: new Map([['b', 'aa']]) },
  ]);
});

test('an interface that is not there cannot be captured', () => {
  assert.throws(() => openTapCapture('pt-none', 100), {
    code: process.getuid?.() === 0 ? 'no-such-interface' : 'no-permission',
  });
});
