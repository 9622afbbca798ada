/**
 * Owns tinc 1.0 as a peer, in its switch mode: layer 2. Runs on the main thread of the bench.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { runSync } from '../../test/lab/command.ts';
import { PEER_INTERFACE, type Peer, type PeerSite } from './peer.ts';

const KEY_BITS = 2048;
/** What still fits into one datagram with tinc's header, padding and digest. */
const MTU_BYTES = 1400;

export const tinc: Peer = {
  name: 'tinc',
  layer: 2,
  cipher: 'AES-256-CBC, HMAC-SHA-256',
  programs: ['tincd'],
  start,
};

async function start(site: PeerSite): Promise<void> {
  for (const [near, far] of site.ends) {
    mkdirSync(join(near.folder, 'hosts'));
    const config = [
      `Name = ${near.name}`,
      `ConnectTo = ${far.name}`,
      'Mode = switch',
      'DeviceType = tap',
      `Interface = ${PEER_INTERFACE}`,
      'AddressFamily = ipv4',
    ];
    writeFileSync(join(near.folder, 'tinc.conf'), `${config.join('\n')}\n`);
    writeFileSync(join(near.folder, 'hosts', near.name), `Address = ${near.machine.address}\n`);
    runSync('tincd', ['--config', near.folder, `--generate-keys=${KEY_BITS}`]);
  }
  for (const [near, far] of site.ends) {
    writeFileSync(
      join(near.folder, 'hosts', far.name),
      readFileSync(join(far.folder, 'hosts', far.name), 'utf8'),
    );
    const files = ['--config', near.folder, `--pidfile=${join(near.folder, 'pid')}`];
    site.spawn(near, 'tincd', [...files, '--no-detach']);
  }
  for (const [near] of site.ends)
    await site.configureInterface(near, { name: PEER_INTERFACE, mtuBytes: MTU_BYTES });
}
