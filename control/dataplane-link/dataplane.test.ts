/**
 * Behaviour of the whole data plane without interfaces: two of them in this process, with real workers and
 * sockets on loopback; this test plays the trunk machine.
 *
 *   plane 0 ── workers 0, 1 ══ udp lanes over 127.0.0.1, or stream datagrams by hand ══ workers 0, 1 ── plane 1
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { parseConfig } from '../config/config.ts';
import { formatPeerId } from '../identity/peer-id.ts';
import type { GroupState } from '../membership/group/group-port.ts';
import { monotonicMs } from '../monotonic-clock.ts';
import { broadcastToken } from '../token/token.ts';
import { livePeriods } from '../token/token-period.ts';
import type { Carrier, DataplaneInput, LinkKeys } from '../trunk/trunk-port.ts';
import { epochTag } from '../vlan/epoch-keys.ts';
import { deriveOpenEpoch, utcDay } from '../vlan/open-epoch.ts';
import { privateKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import { formatVlanId } from '../vlan/vlan-id.ts';
import { Dataplane } from './dataplane.ts';
import type { DataplaneIdentity, VlanRequest } from './dataplane-options.ts';

const WORKERS = 2;
const DEADLINE_MS = 20_000;
const LOOK_MS = 20;
/** What a config without `relay` has. */
const NO_RELAY = parseConfig({}).relay;
const VLAN_ID = new Uint8Array(randomBytes(16));
const VLAN = formatVlanId(VLAN_ID);

class Plane {
  readonly dataplane: Dataplane;
  readonly peer: string;
  readonly inputs: DataplaneInput[] = [];
  readonly logged: string[] = [];
  readonly #waiting: { holds: () => boolean; done: () => void }[] = [];
  other: Plane | undefined;

  constructor() {
    const identity = createIdentity();
    this.peer = formatPeerId(identity.publicKey);
    this.dataplane = Dataplane.open({
      engine: 'typescript',
      relay: NO_RELAY,
      workerCount: WORKERS,
      listen: { address: '127.0.0.1', port: 0 },
      offloads: { tapTso: true, tapUso: true, udpGso: true, udpGro: true },
      spinLimitUs: 0,
      tokenPeriodSeconds: 3_600,
      tokenCapacity: 1_024,
      identity,
      debug: true,
      debugEffect: () => undefined,
      log: ({ message }) => {
        this.logged.push(message);
        this.check();
      },
    });
    this.dataplane.trunkDataplane.attach({
      input: (input) => {
        this.inputs.push(input);
        this.check();
      },
      sendStream: (trunk, bytes, offset, length) => {
        const copy = bytes.slice(offset, offset + length);
        this.other?.dataplane.trunkDataplane.deliverStream(trunk, copy, 0, copy.length);
        return true;
      },
      sendBody: (_, channel, body) => {
        setImmediate(() => {
          this.other?.dataplane.trunkNotice({ kind: 'body', channel, trunk: 1, peer: this.peer, body });
          this.other?.check();
        });
      },
    });
  }

  /** Waits until something holds; looked at whenever the plane says something. */
  async until(holds: () => boolean, what: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const deadline = setTimeout(() => {
      reject(new Error(`never: ${what}`));
    }, DEADLINE_MS);
    this.#waiting.push({
      holds,
      done: () => {
        resolve(undefined);
      },
    });
    this.check();
    // Not everything that a plane does is said to anybody.
    const looking = setInterval(() => {
      this.check();
    }, LOOK_MS);
    await promise;
    clearInterval(looking);
    clearTimeout(deadline);
  }

  check(): void {
    for (const waiting of this.#waiting) {
      if (waiting.holds()) waiting.done();
    }
  }

  members(): readonly string[] {
    return this.dataplane.vlans.find(VLAN)?.members.map((member) => member.peer) ?? [];
  }
}

function createIdentity(): DataplaneIdentity {
  const seed = new Uint8Array(randomBytes(32));
  const publicKey = rawPublicKey(privateKeyFromRaw('ed25519', seed));
  const privateKey = new Uint8Array(64);
  privateKey.set(seed);
  privateKey.set(publicKey, 32);
  const peerId = formatPeerId(publicKey);
  return { peerId, publicKey, privateKey, nodeSecret: new Uint8Array(randomBytes(32)) };
}

function randomKeys(): LinkKeys {
  const key = (): Uint8Array => new Uint8Array(randomBytes(32));
  return { k1: key(), k2: key(), k3: key(), k4: key(), linkToken: new Uint8Array(randomBytes(16)) };
}

/** What the trunk machines of both ends would do for one lane. */
function connectLane(
  planes: readonly [Plane, Plane],
  lane: number,
  carrier: Carrier,
  generation: number,
): void {
  const keys = [randomKeys(), randomKeys()] as const;
  const allocations = planes.map((plane) => plane.dataplane.trunkDataplane.allocateLane(lane % WORKERS));
  for (const [index, plane] of planes.entries()) {
    const [mine, theirs] = [allocations[index], allocations[1 - index]];
    const [rx, tx] = index === 0 ? keys : [keys[1], keys[0]];
    const other = planes[1 - index];
    assert.ok(mine && theirs && other);
    const address = carrier === 'udp' ? other.dataplane.sockets[lane % WORKERS]?.address : undefined;
    const link = plane.dataplane.trunkDataplane;
    const indexes = { localIndex: mine.receiverIndex, peerIndex: theirs.receiverIndex };
    const life = { generation, worker: lane % WORKERS, notAfterMs: monotonicMs() + 180_000 };
    link.perform({
      kind: 'install-lane',
      trunk: 1,
      handle: mine.handle,
      carrier,
      lane,
      ...life,
      ...indexes,
      rx,
      tx,
      address,
    });
    link.perform({ kind: 'use-lane', handle: mine.handle });
  }
}

async function openPlanes(
  carrier: Carrier,
  request: Omit<VlanRequest, 'idBytes'> = {},
): Promise<readonly [Plane, Plane]> {
  const planes = [new Plane(), new Plane()] as const;
  after(async () => {
    await Promise.all(planes.map((plane) => plane.dataplane.stop()));
  });
  [planes[0].other, planes[1].other] = [planes[1], planes[0]];
  await Promise.all(planes.map((plane) => plane.dataplane.start()));
  for (const [index, plane] of planes.entries()) {
    const peer = planes[1 - index]?.peer ?? '';
    plane.dataplane.trunkDataplane.perform({ kind: 'add-trunk', trunk: 1, peer });
    await plane.dataplane.vlans.join({ idBytes: VLAN_ID, ...request });
  }
  for (let lane = 0; lane < WORKERS; lane++) connectLane(planes, lane, carrier, 1);
  for (const [index, plane] of planes.entries()) {
    const peer = planes[1 - index]?.peer ?? '';
    plane.dataplane.trunkDataplane.perform({ kind: 'set-trunk', trunk: 1, carrier, datagramMtuBytes: 1_400 });
    plane.dataplane.trunkNotice({ kind: 'trunk-up', trunk: 1, peer, roles: [] });
    const cost = { trunk: 1, peer, cost: 3, carrier, isRelayed: false };
    plane.dataplane.trunkNotice({ kind: 'trunk-cost', ...cost });
    plane.dataplane.trunkNotice({ kind: 'vlans-shared', trunk: 1, peer, vlans: [VLAN_ID] });
  }
  return planes;
}

async function untilTheyMeet([a, b]: readonly [Plane, Plane]): Promise<void> {
  await a.until(() => a.members().includes(b.peer), 'a knows b');
  await b.until(() => b.members().includes(a.peer), 'b knows a');
}

test('members find each other through workers and sockets', async () => {
  const planes = await openPlanes('udp');
  await untilTheyMeet(planes);

  assert.deepEqual(planes[0].dataplane.vlans.sharedWith(planes[1].peer), [VLAN]);
  const { counters, drops } = planes[0].dataplane.totals();
  assert.ok((counters['datagramsSent'] ?? 0) > 0 && (counters['punts'] ?? 0) > 0);
  assert.equal(drops['token-unknown'], 0);

  const host = planes[0].dataplane.vlans.find(VLAN);
  const control = { kind: 3, flags: 0, class: 7 };
  host?.input({ kind: 'control', epoch: 0, control, payload: new Uint8Array(100) });
  assert.equal(planes[0].dataplane.totals().drops['control-invalid'], 1);
  for (const line of planes[0].logged)
    assert.ok(!line.includes(VLAN), `the id, which admits, is logged: ${line}`);
  assert.ok(planes[0].logged.some((line) => line.includes(`${VLAN.slice(0, 4)}…`)));
});

test('neighbours know which tokens the other receives, until one leaves the VLAN or the trunk goes', async () => {
  const planes = await openPlanes('udp');
  const [a, b] = planes;
  await untilTheyMeet(planes);
  const unixMs = Date.now();
  const epoch = deriveOpenEpoch(VLAN_ID, utcDay(unixMs));
  const token = broadcastToken(epoch, livePeriods(unixMs, 3_600).current.period);
  await a.until(() => a.dataplane.fabric.waysOf(token).length === 1, 'a knows what b wants');
  await b.until(() => b.dataplane.fabric.waysOf(token).length === 1, 'b knows what a wants');
  assert.equal(a.dataplane.totals().drops['announcement-invalid'], 0);
  a.dataplane.trunkNotice({
    kind: 'body',
    channel: 'routes',
    trunk: 1,
    peer: b.peer,
    body: new Uint8Array(200),
  });
  const refused = (): number | undefined => a.dataplane.totals().drops['announcement-invalid'];
  await a.until(() => refused() === 1, 'what is no announcement is counted');

  await b.dataplane.vlans.leave(VLAN);
  await a.until(() => a.dataplane.fabric.waysOf(token).length === 0, 'b wants it no more');
  b.dataplane.trunkNotice({ kind: 'trunk-down', trunk: 1, peer: a.peer, reason: 'dead' });
  assert.equal(b.dataplane.fabric.machine.routes.live, 0);
});

test('members find each other through a stream carrier', async () => {
  const planes = await openPlanes('stream');
  await untilTheyMeet(planes);

  assert.ok((planes[1].dataplane.totals().counters['carrierDatagramsReceived'] ?? 0) > 0);
});

test('a worker that dies runs again, and members stay; a member that leaves is gone at once', async () => {
  const planes = await openPlanes('udp');
  const [a, b] = planes;
  await untilTheyMeet(planes);
  const restarted = (): boolean =>
    a.inputs.some((input) => input.kind === 'worker-restarted' && input.worker === 0);
  assert.ok(a.dataplane.crashWorker(0));
  await a.until(restarted, 'the worker runs again');
  assert.equal(a.dataplane.totals().counters['workerRestarts'], 1);
  connectLane(planes, 0, 'udp', 2);
  assert.deepEqual(a.members(), [b.peer]);

  await a.dataplane.vlans.leave(VLAN);
  await b.until(() => b.members().length === 0, 'b heard the goodbye');
  assert.equal(a.dataplane.vlans.find(VLAN), undefined);
});

test('a VLAN that was left can be joined again at once', async () => {
  const planes = await openPlanes('udp');
  const [a, b] = planes;
  await untilTheyMeet(planes);
  const left = a.dataplane.vlans.leave(VLAN);
  await a.dataplane.vlans.join({ idBytes: VLAN_ID });
  await left;
  await untilTheyMeet([a, b]);

  assert.equal(a.dataplane.vlans.all().length, 1);
});

function groupState(planes: readonly [Plane, Plane], own: number, epoch: number): GroupState {
  const secret = new Uint8Array(32).fill(epoch);
  const members = planes.map(({ peer }, leaf) => ({ peer, leaf }));
  const tag = epochTag(secret);
  return { id: String(epoch), epoch, secret, tag, ownLeaf: own, members, policy: new Uint8Array(0) };
}

test('members of a private VLAN meet over real workers, and go over to the next epoch', async () => {
  const policy = {
    cipher: 'chacha20-poly1305',
    tokenPeriodSeconds: 600,
    movingHosts: 'allow',
    membersMax: 10,
  } as const;
  const planes = await openPlanes('udp', { kind: 'private', policy });
  const hosts = planes.map((plane) => plane.dataplane.vlans.find(VLAN));
  for (const plane of planes) assert.deepEqual(plane.members(), []);

  for (const epoch of [1, 2, 3]) {
    for (const [index, host] of hosts.entries()) {
      host?.setGroupEpoch(groupState(planes, index, epoch), false);
      assert.equal(host?.epoch, epoch);
    }
    for (const [index, plane] of planes.entries()) {
      await plane.until(
        () => hosts[index]?.members.some((member) => member.epoch === epoch) === true,
        `the other one is in epoch ${epoch}`,
      );
    }
  }

  for (const [index, plane] of planes.entries()) {
    assert.deepEqual(plane.members(), [planes[1 - index]?.peer]);
    assert.ok(!plane.logged.some((line) => line.includes('is gone')), 'it was there all the time');
    const { drops } = plane.dataplane.totals();
    assert.equal((drops['control-invalid'] ?? 0) + (drops['announcement-invalid'] ?? 0), 0);
  }
});
