/**
 * One Ethernet segment: whatever a host sends into a TAP comes out of the other as it was.
 *
 *   a ──ptap0 10.7.0.1 fd07::1 ┈┈(daemon ─ eth0 10.99.0.1 ══════ 10.99.0.2 eth0 ─ daemon)┈┈ 10.7.0.2 fd07::2 ptap0── b
 *
 * For the carrier `stream` the firewalls of both machines drop all UDP.
 */

import assert from 'node:assert/strict';
import { after, before, it, type TestContext } from 'node:test';

import { waitFor } from '../lab/deadline.ts';
import { ping } from '../lab/ping.ts';
import { gatherFrames, runProbe, sendFrames, startProbe } from '../lab/probes.ts';
import { Segment, TAP } from '../lab/segment.ts';
import { ethernetFrame, QINQ_TAG, VLAN_TAG } from './frame-samples.ts';
import { describeMatrix } from './matrix.ts';

const MARKER = 'c0ffee5ec7';
const PORT = 5302;

describeMatrix('a segment', (engine, carrier) => {
  let segment: Segment;

  before(async () => {
    segment = new Segment({ engine, carrier });
    await segment.start();
    await segment.waitForCarrier();
  });

  after(async () => {
    await segment.remove();
  });

  it('carries ping without loss', async () => {
    const { receivedCount, duplicateCount, output } = await ping(a(), segment.addressOfB, {
      count: 50,
      intervalSeconds: 0.01,
    });
    assert.equal(receivedCount, 50, output);
    assert.equal(duplicateCount, 0, output);
  });

  it('carries packets of the full 1,500 bytes that must not be fragmented', async () => {
    const options = { count: 5, intervalSeconds: 0.05, payloadBytes: 1472, dontFragment: true };
    const { receivedCount, output } = await ping(a(), segment.addressOfB, options);
    assert.equal(receivedCount, 5, output);
  });

  it('carries packets that the kernel cut into IP fragments', async () => {
    const { receivedCount, output } = await ping(b(), segment.addressOfA, {
      count: 5,
      intervalSeconds: 0.05,
      payloadBytes: 8000,
    });
    assert.equal(receivedCount, 5, output);
  });

  it('resolves addresses by ARP', async () => {
    for (const namespace of [a(), b()]) namespace.ip('neigh', 'flush', 'dev', TAP);
    await ping(a(), segment.addressOfB, { count: 1 });
    const entry = a().ip('neigh', 'show', segment.addressOfB, 'dev', TAP);
    assert.ok(entry.includes(b().macOf(TAP)), entry);
  });

  it('carries IPv6 between link-local addresses, found by neighbour discovery', async () => {
    const address = await waitFor('a link-local address', () => b().linkLocalOf(TAP), { timeoutMs: 10_000 });
    await waitFor('a link-local address', () => a().linkLocalOf(TAP), { timeoutMs: 10_000 });
    const { receivedCount, output } = await ping(a(), `${address}%${TAP}`, {
      count: 3,
      intervalSeconds: 0.05,
    });
    assert.equal(receivedCount, 3, output);
    const entry = a().ip('-6', 'neigh', 'show', address, 'dev', TAP);
    assert.ok(entry.includes(b().macOf(TAP)), entry);
  });

  it('carries IPv6 between configured addresses, 1,500 bytes included', async () => {
    const options = { count: 3, intervalSeconds: 0.05, payloadBytes: 1452, dontFragment: true };
    const { receivedCount, output } = await ping(a(), segment.address6OfB, options);
    assert.equal(receivedCount, 3, output);
  });

  it('carries broadcast', async () => {
    const receiver = await startProbe(b(), 'datagrams', { mode: 'receive', port: PORT, timeoutMs: 5000 });
    await runProbe(
      a(),
      'datagrams',
      { mode: 'send', port: PORT, address: '10.7.0.255', text: 'to all' },
      5000,
    );
    assert.equal(await receiver.result(8000), 'to all');
  });

  it('carries multicast of IPv4', async () => {
    const group = '239.7.7.7';
    const receiver = await startProbe(a(), 'datagrams', {
      mode: 'receive',
      port: PORT,
      group,
      interfaceAddress: segment.addressOfA,
      timeoutMs: 5000,
    });
    await runProbe(
      b(),
      'datagrams',
      { mode: 'send', port: PORT, address: group, interfaceAddress: segment.addressOfB, text: 'to a group' },
      5000,
    );
    assert.equal(await receiver.result(8000), 'to a group');
  });

  it('carries multicast of IPv6', async () => {
    const common = { port: PORT, family: 'udp6', interfaceAddress: `::%${TAP}` };
    const receiver = await startProbe(b(), 'datagrams', {
      mode: 'receive',
      ...common,
      group: 'ff15::7',
      timeoutMs: 5000,
    });
    await runProbe(
      a(),
      'datagrams',
      { mode: 'send', ...common, address: 'ff15::7', text: 'to a group' },
      5000,
    );
    assert.equal(await receiver.result(8000), 'to a group');
  });

  it('carries an EtherType of our own, at every size a frame may have', async () => {
    const sizes = [15, 60, 64, 65, 1000, 1400, 1498, 1513, 1514];
    await assertCarried(sizes.map((size) => ethernetFrame(addresses(), ['88b5'], size)));
  });

  it('carries 802.1Q-tagged frames, full-sized ones with the tag on top', async () => {
    await assertCarried([64, 1000, 1518].map((size) => ethernetFrame(addresses(), [VLAN_TAG, '88b5'], size)));
  });

  it('carries 802.1ad frames, full-sized ones with both tags on top', async () => {
    // A packet socket sends no longer frame than the interface's MTU and a header, but for one 802.1Q tag.
    a().ip('link', 'set', TAP, 'mtu', '1508');
    await assertCarried(
      [64, 1000, 1522].map((size) => ethernetFrame(addresses(), [QINQ_TAG, VLAN_TAG, '88b5'], size)),
    );
    a().ip('link', 'set', TAP, 'mtu', '1500');
  });

  it('carries frames to every station and to a group alike', async () => {
    const everyone = { destination: 'ffffffffffff', source: macHex(a().macOf(TAP)) };
    const group = { destination: '01005e070707', source: macHex(a().macOf(TAP)) };
    await assertCarried([everyone, group].map((to) => ethernetFrame(to, ['88b5'], 300)));
  });

  it('carries a VLAN device on top of the TAP', async (context) => {
    if (!addVlanDevices(context)) return;
    const { receivedCount, output } = await ping(a(), '10.8.0.2', {
      count: 5,
      intervalSeconds: 0.05,
      payloadBytes: 1472,
      dontFragment: true,
    });
    assert.equal(receivedCount, 5, output);
  });

  function a() {
    return segment.a.machine.namespace;
  }

  function b() {
    return segment.b.machine.namespace;
  }

  function addresses() {
    return { destination: macHex(b().macOf(TAP)), source: macHex(a().macOf(TAP)) };
  }

  /** Sends frames from a and expects the same bytes in the same order at b. */
  async function assertCarried(samples: readonly ((marker: string) => Buffer)[]): Promise<void> {
    const frames = samples.map((sample) => sample(MARKER));
    const gathered = await gatherFrames(b(), {
      interfaceName: TAP,
      marker: MARKER,
      count: frames.length,
      timeoutMs: 5000,
    });
    await sendFrames(a(), TAP, frames);
    assert.deepEqual(
      await gathered(),
      frames.map((frame) => frame.toString('hex')),
    );
  }

  /** @returns false when the kernel has no VLAN devices, after it marked the test as skipped */
  function addVlanDevices(context: TestContext): boolean {
    for (const [namespace, address] of [
      [a(), '10.8.0.1/24'],
      [b(), '10.8.0.2/24'],
    ] as const) {
      try {
        namespace.ip('link', 'add', 'link', TAP, 'name', 'tagged', 'type', 'vlan', 'id', '5');
      } catch (error) {
        if (!String(error).includes('Unknown device type')) throw error;
        context.skip('this kernel has no 802.1Q devices; raw tagged frames are tested above');
        return false;
      }
      namespace.ip('addr', 'add', address, 'dev', 'tagged');
      namespace.ip('link', 'set', 'tagged', 'up');
    }
    return true;
  }
});

function macHex(mac: string): string {
  return mac.replaceAll(':', '');
}
