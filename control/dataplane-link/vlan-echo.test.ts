/** Behaviour of echoes on their way out: sealed so that the station's holder opens them, and sent as its frames are. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { INITIAL_HOPS, NONE } from '../../dataplane/shm/layout.ts';
import { controlClass, controlFlags, controlHops, controlKind } from '../../dataplane/wire/link-datagram.ts';
import { openEcho } from '../echo/echo-outlet.ts';
import { stationToken } from '../token/token.ts';
import { deriveOpenEpoch } from '../vlan/open-epoch.ts';
import { openTapCapture } from './tap-capture.ts';
import { VlanEcho, type VlanEchoParts } from './vlan-echo.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const keys = deriveOpenEpoch(new Uint8Array(16), 1);
const epoch = { ...keys, id: 1, number: 1, day: 1, ownLeaf: 77, roster: undefined };
const token = stationToken(keys, 24, MAC);

interface Sent {
  readonly worker: number;
  readonly destination: unknown;
  readonly control: number;
  readonly payload: Uint8Array;
}

function world(
  trunk: number | undefined,
  isFull = false,
): { readonly echo: VlanEcho; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const parts: VlanEchoParts = {
    injector: {
      sealed: (worker, destination, control, payload) => {
        sent.push({ worker, destination, control, payload });
        return !isFull;
      },
    },
    anyWorker: () => 1,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    wayTo: () => (trunk === undefined ? undefined : { epoch, token, trunk }),
  };
  return { echo: new VlanEcho(parts), sent };
}

test('an echo goes out by the trunk of its station, and opens there', () => {
  const { echo, sent } = world(3);
  const body = Uint8Array.of(1, 2, 3);
  assert.equal(echo.send(MAC, body), true);
  const [one] = sent;
  assert.deepEqual([one?.worker, one?.destination], [1, { trunk: 3 }]);
  assert.deepEqual([controlKind(one!.control), controlFlags(one!.control)], [4, 0]);
  assert.equal(controlHops(one!.control), INITIAL_HOPS);
  const header = { kind: 4, flags: 0, class: controlClass(one!.control) };
  assert.deepEqual(openEcho(keys, one!.payload, header), { leaf: 77, body });
  assert.deepEqual(one!.payload.subarray(0, 16), token);
});

test('without a way, or with a full ring, it says so', () => {
  assert.equal(world(undefined).echo.send(MAC, new Uint8Array(1)), false);
  assert.equal(world(NONE).echo.send(MAC, new Uint8Array(1)), false);
  assert.equal(world(NONE).sent.length, 0);
  assert.equal(world(3, true).echo.send(MAC, new Uint8Array(1)), false);
});

test('an interface that is not there cannot be captured', () => {
  assert.throws(() => openTapCapture('pt-none', 100), {
    code: process.getuid?.() === 0 ? 'no-such-interface' : 'no-permission',
  });
});
