/**
 * Probe program: a node of discovery and libp2p alone, without trunks, that looks for members of a VLAN on its LAN.
 *
 *   node lan-peer.ts '{"vlan":"0011…","port":7946}'
 *
 * Writes the line `ready`, a line for each code that goes to its log, and, once it wants trunks with somebody, one line
 * of JSON: its own PeerId, whom it wants and at which addresses, by which sources it knows them. Goes on answering others
 * until its process is ended. Runs in a namespace of the lab.
 */

import { generateKeyPairSync } from 'node:crypto';
import * as v from 'valibot';
import { DiscoveryDriver } from '../../../control/discovery/discovery-driver.ts';
import { presenceKeyOf } from '../../../control/discovery/presence.ts';
import { DhtServices } from '../../../control/network/dht-services.ts';
import { startNetwork } from '../../../control/network/libp2p-network.ts';
import { localAddresses } from '../../../control/network/local-addresses.ts';

const ADDRESSES_MS = 250;
const request = v.object({ vlan: v.string(), port: v.number() });

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
const [seed, publicKey] = [jwk.d ?? '', jwk.x ?? ''].map((part) => Buffer.from(part, 'base64url'));
const services = new DhtServices({ dht: false, mdns: true });
const network = await startNetwork({
  privateKey: Buffer.concat([seed ?? Buffer.alloc(0), publicKey ?? Buffer.alloc(0)]),
  listen: [`/ip4/0.0.0.0/tcp/${wanted.port}`],
  services: services.factories,
});
let isTold = false;
const driver = new DiscoveryDriver(
  {
    self: network.peerId,
    seed: new Uint8Array(seed ?? []),
    network: services,
    streams: network.streams,
    setPeers: (peers) => {
      if (isTold || peers.length === 0) return;
      isTold = true;
      // The rows are there when the machine has ended its turn.
      setImmediate(() => {
        const sources = driver.status().map((row) => row.sources);
        process.stdout.write(`${JSON.stringify({ self: network.peerId, peers, sources })}\n`);
      });
    },
    say: () => undefined,
    log: (_level, code) => process.stdout.write(`${code}\n`),
  },
  { dht: false },
);
await driver.start();
process.stdout.write('ready\n');
const id = Buffer.from(wanted.vlan, 'hex');
driver.setVlans([{ id, presenceKeys: [presenceKeyOf(id)], members: undefined, segments: [] }]);

let told = '';
function tellAddresses(): void {
  const { listen } = localAddresses({
    datagram: { address: '0.0.0.0', port: 0 },
    listen: network.listenAddresses(),
    ownInterfaces: new Set(),
  });
  if (listen.join() === told) return;
  told = listen.join();
  driver.setAddresses(listen, new Set());
}
tellAddresses();
setInterval(tellAddresses, ADDRESSES_MS);
