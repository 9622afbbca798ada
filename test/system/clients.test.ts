/**
 * Programs that know nothing of PeerTap, over a VLAN whose members only reach each other by a relay.
 *
 *   a (clients) ──ptap0 10.7.0.1 ┈┈(daemon ═══ relay b ═══ daemon)┈┈ 10.7.0.3 ptap0── c (dnsmasq, avahi-daemon, sshd, socat)
 *
 * A test is skipped where one of its programs is missing. PEERTAP_LONG=1 copies 1 GiB by rsync instead of 64 MiB.
 */

import assert from 'node:assert/strict';
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';

import { AVAHI_TOOLS, browseServices, publishService } from '../lab/avahi.ts';
import { collect, missingTools } from '../lab/command.ts';
import type { LabDaemon } from '../lab/daemon.ts';
import { waitFor } from '../lab/deadline.ts';
import { askDhcp, DHCP_TOOLS, serveDhcp } from '../lab/dhcp.ts';
import { FABRIC_TAP, FabricNet, relayedLine } from '../lab/fabric-net.ts';
import { SSH_TOOLS, SshServer } from '../lab/ssh.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 60_000 };
const MEBIBYTE = 2 ** 20;
const COPIED_MEBIBYTES = process.env['PEERTAP_LONG'] === '1' ? 1024 : 64;
const COPY_TIMEOUT_MS = COPIED_MEBIBYTES * 200 + 20_000;
const GROUP = '239.77.77.77';
const GROUP_PORT = '5310';
const HEARD_TIMEOUT_MS = 10_000;

describeOnce('over a relay', (engine) => {
  let net: FabricNet;

  before(async () => {
    net = new FabricNet(relayedLine({ engine, workers: 1 }));
    await net.start();
    await net.waitForPing(0, 2);
  }, BOUND);

  after(async () => {
    await net.remove();
  });

  it('dhclient gets a lease from dnsmasq', boundedAnd(DHCP_TOOLS), async () => {
    const stop = await serveDhcp(net.node(2), FABRIC_TAP);
    assert.match(await askDhcp(net.node(0), FABRIC_TAP), /^10\.7\.0\.1(0\d|10)$/);
    stop();
  });

  it('avahi-browse finds a service by mDNS', boundedAnd(AVAHI_TOOLS), async () => {
    const service = { name: 'lab-printer', type: '_peertap-lab._tcp', port: 4711 };
    const stop = publishService(sideOf(net.node(2), 'lab-c'), service);
    const found = await browseServices(sideOf(net.node(0), 'lab-a'), service.type);
    stop();
    const line = `=;${FABRIC_TAP};IPv4;lab-printer;_peertap-lab._tcp;local;lab-c.local;10.7.0.3;4711;`;
    assert.ok(found.includes(line), `${found}\n${net.node(0).logTail()}`);
  });

  it('socat hears a multicast group', boundedAnd(['socat']), async () => {
    const [from, to] = [net.node(0).machine.namespace, net.node(2).machine.namespace];
    const hearing = to.start('socat', [
      '-u',
      `UDP4-RECV:${GROUP_PORT},ip-add-membership=${GROUP}:${FABRIC_TAP}`,
      'STDOUT',
    ]);
    const heard = collect(hearing, 'stdout');
    const group = `UDP4-DATAGRAM:${GROUP}:${GROUP_PORT},ip-multicast-if=${net.addressOf(net.node(0))}`;
    const say = async () => {
      await from.run('socat', ['-u', 'EXEC:echo to the group', group]);
      return heard().includes('to the group');
    };
    await waitFor('the group to be heard', say, {
      timeoutMs: HEARD_TIMEOUT_MS,
      explain: () => net.explain(net.nodes),
    });
    hearing.kill('SIGKILL');
  });

  it(`ssh logs in, and rsync copies ${COPIED_MEBIBYTES} MiB whole`, copyOptions(), async (context) => {
    const [from, to] = [net.node(0), net.node(2)];
    const server = await SshServer.start(to.machine.namespace, net.addressOf(to), folderOf(to, 'ssh'));
    try {
      const connection = await server.run(from.machine.namespace, 'echo $SSH_CONNECTION');
      assert.match(connection, /^10\.7\.0\.1 \d+ 10\.7\.0\.3 22$/);
      const [source, target] = [join(from.directory, 'sent'), join(to.directory, 'received')];
      writeNoise(source);
      const startMs = performance.now();
      await server.copy(from.machine.namespace, source, target, COPY_TIMEOUT_MS);
      const seconds = (performance.now() - startMs) / 1000;
      context.diagnostic(`${(COPIED_MEBIBYTES / seconds).toFixed(0)} MiB/s`);
      assert.equal(await sha256Of(target), await sha256Of(source));
    } finally {
      server.stop();
    }
  });
});

function boundedAnd(tools: readonly string[]) {
  const missing = missingTools(tools).join(' ');
  return { ...BOUND, skip: missing === '' ? false : missing };
}

function copyOptions() {
  return { ...boundedAnd(SSH_TOOLS), timeout: COPY_TIMEOUT_MS + BOUND.timeout };
}

function sideOf(node: LabDaemon, hostName: string) {
  const namespace = node.machine.namespace;
  return { namespace, interfaceName: FABRIC_TAP, directory: folderOf(node, 'mdns'), hostName };
}

function folderOf(node: LabDaemon, name: string): string {
  const directory = join(node.directory, name);
  mkdirSync(directory);
  return directory;
}

function writeNoise(file: string): void {
  const descriptor = openSync(file, 'w');
  const block = Buffer.alloc(MEBIBYTE);
  for (let count = 0; count < COPIED_MEBIBYTES; count++) writeSync(descriptor, randomFillSync(block));
  closeSync(descriptor);
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
