/** Trunk and message streams over each transport on loopback, and a machine on which QUIC does not load. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkInput } from '../trunk/network-port.ts';
import { network } from './libp2p-fixture.ts';
import { loadTransports } from './transports.ts';

const TIMEOUT = { timeout: 20_000 };

for (const listen of [
  '/ip4/127.0.0.1/tcp/0',
  '/ip4/127.0.0.1/tcp/0/ws',
  '/ip4/127.0.0.1/udp/0/quic-v1',
  '/ip6/::1/udp/0/quic-v1',
]) {
  test(
    `${listen}: the address is told, the peer's IP is seen, a megabyte of datagrams passes`,
    TIMEOUT,
    async (t) => {
      const [a, b] = [await network(t, { listen: [] }), await network(t, { listen: [listen] })];
      const opened = Promise.withResolvers<number>();
      const ips: (string | undefined)[] = [];
      let received = 0;
      let wake = (): void => undefined;
      const take = (input: NetworkInput, openStream: boolean): void => {
        if (input.kind === 'connected') {
          ips.push(input.remoteIp);
          if (openStream)
            a.perform({ kind: 'open-stream', connection: input.connection, protocol: 'carrier' });
        }
        if (input.kind === 'stream-opened' && openStream) opened.resolve(input.stream);
      };
      a.attach({ input: (input) => take(input, true), carrierDatagram: () => undefined });
      b.attach({
        input: (input) => take(input, false),
        carrierDatagram: () => {
          received += 1;
          wake();
        },
      });
      const [address = ''] = b.listenAddresses();
      assert.equal(address.replace(/(tcp|udp)\/[1-9]\d*/, '$1/0'), listen);
      a.perform({ kind: 'dial', peer: b.peerId, addresses: [address] });
      const stream = await opened.promise;
      const datagram = new Uint8Array(1_400);
      const count = 700;
      for (let sent = 0; sent < count; sent++) assert.ok(a.sendCarrier(stream, datagram, 0, datagram.length));
      while (received < count) await new Promise<void>((resolve) => (wake = resolve));
      const ip = listen.split('/')[2];
      assert.deepEqual(ips, [ip, ip]);
    },
  );
}

test('QUIC is dialled by name', TIMEOUT, async (t) => {
  const [a, b] = [
    await network(t, { listen: [] }),
    await network(t, { listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] }),
  ];
  const named = new Promise<string>((resolve) => {
    a.attach({
      input: (input) => {
        if (input.kind === 'peer-named') resolve(input.peer);
        if (input.kind === 'dial-failed') resolve(input.reason);
      },
      carrierDatagram: () => undefined,
    });
  });
  const port = b.listenAddresses()[0]?.split('/')[4] ?? '';
  a.perform({ kind: 'dial-unnamed', address: `/dns4/localhost/udp/${port}/quic-v1` });
  assert.equal(await named, b.peerId);
});

test('without the addon of QUIC the others work, and the reason is told', async () => {
  const loaded = await loadTransports(() => Promise.reject(new Error('no binary for this machine')));
  assert.equal(loaded.transports.length, 2);
  assert.match(loaded.missing.join(), /QUIC cannot be used here.*no binary for this machine/);
  assert.deepEqual(
    ['/ip4/0.0.0.0/tcp/1', '/ip4/0.0.0.0/tcp/1/ws', '/ip4/0.0.0.0/udp/1/quic-v1'].map(loaded.canListen),
    [true, true, false],
  );
});
