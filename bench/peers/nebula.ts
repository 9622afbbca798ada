/**
 * Owns nebula as a peer: an overlay with certificates, layer 3. Runs on the main thread of the bench.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { runSync } from '../../test/lab/command.ts';
import { cidrOf, PEER_INTERFACE, type Peer, type PeerSite, type SiteEnd } from './peer.ts';

const PORT = 4242;

export const nebula: Peer = {
  name: 'nebula',
  layer: 3,
  cipher: 'AES-256-GCM',
  programs: ['nebula', 'nebula-cert'],
  start,
};

function start(site: PeerSite): void {
  const authority = ['-out-crt', join(site.a.folder, 'ca.crt'), '-out-key', join(site.a.folder, 'ca.key')];
  runSync('nebula-cert', ['ca', '-name', 'bench', ...authority]);
  for (const [near, far] of site.ends) {
    runSync('nebula-cert', [
      'sign',
      ...['-ca-crt', join(site.a.folder, 'ca.crt'), '-ca-key', join(site.a.folder, 'ca.key')],
      ...['-name', near.name, '-ip', cidrOf(near)],
      ...['-out-crt', join(near.folder, 'host.crt'), '-out-key', join(near.folder, 'host.key')],
    ]);
    const configFile = join(near.folder, 'config.json');
    writeFileSync(configFile, JSON.stringify(makeConfig(site, near, far), undefined, 2));
    site.spawn(near, 'nebula', ['-config', configFile]);
  }
}

/** Nebula reads YAML, of which JSON is a part. */
function makeConfig(site: PeerSite, near: SiteEnd, far: SiteEnd): object {
  const anything = [{ port: 'any', proto: 'any', host: 'any' }];
  return {
    pki: {
      ca: join(site.a.folder, 'ca.crt'),
      cert: join(near.folder, 'host.crt'),
      key: join(near.folder, 'host.key'),
    },
    static_host_map: { [far.innerAddress]: [`${far.machine.address}:${PORT}`] },
    lighthouse: { am_lighthouse: false, hosts: [] },
    listen: { host: near.machine.address, port: PORT },
    tun: { dev: PEER_INTERFACE },
    firewall: { outbound: anything, inbound: anything },
    logging: { level: 'warning' },
  };
}
