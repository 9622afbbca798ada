/**
 * Owns fastd as a peer, in its mode `tap`: layer 2. Runs on the main thread of the bench.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { runSync } from '../../test/lab/command.ts';
import { PEER_INTERFACE, type Peer, type PeerSite } from './peer.ts';

const PORT = 10_000;
/** What fastd's documentation advises for an underlay of 1,500 bytes. */
const MTU_BYTES = 1406;

interface KeyPair {
  readonly secret: string;
  readonly public: string;
}

export const fastd: Peer = {
  name: 'fastd',
  layer: 2,
  cipher: 'Salsa20/12, UMAC',
  programs: ['fastd'],
  start,
};

/** One end asks, the other waits for it: a question that comes too early is asked again only after 20 s. */
async function start(site: PeerSite): Promise<void> {
  const keys = { a: makeKeys(), b: makeKeys() };
  for (const [near, far] of [site.ends[1], site.ends[0]]) {
    const remote = near === site.a ? ` remote ${far.machine.address}:${PORT};` : '';
    const config = [
      'mode tap;',
      `interface "${PEER_INTERFACE}";`,
      `mtu ${MTU_BYTES};`,
      'method "salsa2012+umac";',
      'log level warn;',
      `bind ${near.machine.address}:${PORT};`,
      `secret "${keys[near.name].secret}";`,
      `peer "${far.name}" { key "${keys[far.name].public}";${remote} }`,
    ];
    const configFile = join(near.folder, 'fastd.conf');
    writeFileSync(configFile, `${config.join('\n')}\n`);
    site.spawn(near, 'fastd', ['--config', configFile]);
    await site.configureInterface(near, { name: PEER_INTERFACE, mtuBytes: MTU_BYTES });
  }
}

function makeKeys(): KeyPair {
  const { stdout } = runSync('fastd', ['--generate-key']);
  const find = (name: string): string => new RegExp(`${name}: ([0-9a-f]{64})`, 'i').exec(stdout)?.[1] ?? '';
  return { secret: find('secret'), public: find('public') };
}
