/**
 * The lab's own underlays, with plain traffic: a test through a NAT that is none, or over a cut that is none, proves nothing.
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Links, line, mesh, ring, star, withLinks } from '../lab/links.ts';
import { makeNats, type Nats } from '../lab/nats.ts';
import { ping } from '../lab/ping.ts';
import { runProbe, startProbe } from '../lab/probes.ts';
import { describeUnderlays } from './matrix.ts';

const SERVER_PORTS = [5401, 5402];
const OWN_PORT = 7947;
const PUNCH_MS = 5_000;

describeUnderlays('links', () => {
  it('have as many edges as their shape says', () => {
    assert.deepEqual(line(3), [
      [0, 1],
      [1, 2],
    ]);
    assert.deepEqual(
      [line(5), ring(5), star(5), mesh(5)].map((edges) => edges.length),
      [4, 5, 4, 10],
    );
  });

  it('let neighbours reach each other, and nobody else', async () => {
    await withLinks(new Links(3, line(3)), async (links) => {
      assert.equal(await reaches(links, 0, links.addressOf(1, 0)), true);
      assert.equal(await reaches(links, 1, links.addressOf(2, 1)), true);
      assert.equal(await reaches(links, 0, links.addressOf(2, 1)), false);
      assert.equal(await reaches(links, 0, links.addressOf(1, 2)), false);
    });
  });

  it('are cut in silence and restored, one by one', async () => {
    await withLinks(new Links(3, ring(3)), async (links) => {
      links.cut(0, 1);
      assert.equal(await reaches(links, 0, links.addressOf(1, 0)), false);
      assert.equal(await reaches(links, 1, links.addressOf(0, 1)), false);
      assert.equal(await reaches(links, 0, links.addressOf(2, 0)), true);
      assert.match(links.machine(0).namespace.ip('link', 'show', 'dev', links.interfaceTo(1)), /LOWER_UP/);
      const before = links.sentBytes(0, 1);
      links.restore(0, 1);
      assert.equal(await reaches(links, 0, links.addressOf(1, 0)), true);
      assert.ok(links.sentBytes(0, 1) > before);
    });
  });

  it('pass a machine of their own where they are disturbed, and nothing while its bridge is down', async () => {
    await withLinks(new Links(2, line(2), { disturbed: [0, 1] }), async (links) => {
      assert.ok(links.middle !== undefined);
      assert.equal(await reaches(links, 0, links.addressOf(1, 0)), false);
      const bridge = await startProbe(links.middle, 'bridge', { left: 'left', right: 'right' });
      assert.equal(await reaches(links, 0, links.addressOf(1, 0)), true);
      await bridge.stop();
    });
  });

  async function reaches(links: Links, from: number, to: string): Promise<boolean> {
    return (
      (await ping(links.machine(from).namespace, to, { count: 1, waitSeconds: 0.5 })).receivedCount === 1
    );
  }
});

describeUnderlays('two NATs', () => {
  it('map a port alike towards every destination', async () => {
    await withNats(async (nats) => {
      const server = await startProbe(nats.relay.namespace, 'mapping', {
        mode: 'serve',
        ports: SERVER_PORTS,
      });
      const servers = SERVER_PORTS.map((port) => ({ address: nats.relay.address, port }));
      for (const [home, nat] of [
        [nats.a, nats.natA],
        [nats.b, nats.natB],
      ] as const) {
        const answers = await runProbe(
          home.namespace,
          'mapping',
          { mode: 'ask', port: OWN_PORT, servers },
          8_000,
        );
        assert.deepEqual(answers, [`${nat.address}:${OWN_PORT}`, `${nat.address}:${OWN_PORT}`]);
      }
      await server.stop();
    });
  });

  it('are passed by two who send at once, and by nobody who was not asked', async () => {
    await withNats(async (nats) => {
      // A knock before the mapping exists must not take its port.
      await runProbe(nats.b.namespace, 'mapping', { mode: 'knock', to: punchedAddress(nats.natA) }, 8_000);
      const asked = (to: Nats['natA']) => ({ mode: 'punch', port: OWN_PORT, to: punchedAddress(to) });
      const alone = { ...asked(nats.natB), timeoutMs: 500 };
      assert.equal(await runProbe(nats.a.namespace, 'mapping', alone, 8_000), false);
      const [atA, atB] = await Promise.all([
        runProbe(nats.a.namespace, 'mapping', { ...asked(nats.natB), timeoutMs: PUNCH_MS }, 10_000),
        runProbe(nats.b.namespace, 'mapping', { ...asked(nats.natA), timeoutMs: PUNCH_MS }, 10_000),
      ]);
      assert.deepEqual([atA, atB], [true, true]);
    });
  });

  it('are parted and joined, while both reach the relay', async () => {
    await withNats(async (nats) => {
      nats.part();
      const asked = (to: Nats['natA']) => ({
        mode: 'punch',
        port: OWN_PORT,
        to: punchedAddress(to),
        timeoutMs: 1_000,
      });
      const both = () =>
        Promise.all([
          runProbe(nats.a.namespace, 'mapping', asked(nats.natB), 8_000),
          runProbe(nats.b.namespace, 'mapping', asked(nats.natA), 8_000),
        ]);
      assert.deepEqual(await both(), [false, false]);
      for (const { namespace } of [nats.a, nats.b]) {
        const { receivedCount } = await ping(namespace, nats.relay.address, { count: 1 });
        assert.equal(receivedCount, 1);
      }
      nats.join();
      assert.deepEqual(await both(), [true, true]);
    });
  });

  function punchedAddress({ address }: Nats['natA']) {
    return { address, port: OWN_PORT };
  }

  async function withNats(work: (nats: Nats) => Promise<void>): Promise<void> {
    const nats = makeNats();
    try {
      await work(nats);
    } finally {
      nats.remove();
    }
  }
});
