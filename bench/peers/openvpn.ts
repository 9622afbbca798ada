/**
 * Owns OpenVPN as a peer, with a TAP: layer 2, between two ends that know each other's certificate. Runs on the main
 * thread of the bench.
 */

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { runSync } from '../../test/lab/command.ts';
import { PEER_INTERFACE, type Peer, type PeerSite, type SiteEnd } from './peer.ts';

const PORT = 1194;
/** What still fits into one datagram with OpenVPN's header and tag. */
const MTU_BYTES = 1400;

export const openvpn: Peer = {
  name: 'OpenVPN',
  layer: 2,
  cipher: 'AES-256-GCM',
  programs: ['openvpn', 'openssl'],
  start,
};

async function start(site: PeerSite): Promise<void> {
  const fingerprints = { a: makeCertificate(site.a), b: makeCertificate(site.b) };
  for (const [near, far] of site.ends) {
    site.spawn(near, 'openvpn', [
      ...['--dev', PEER_INTERFACE, '--dev-type', 'tap', '--tun-mtu', String(MTU_BYTES)],
      ...['--local', near.machine.address, '--remote', far.machine.address, '--port', String(PORT)],
      ...[near.name === 'a' ? '--tls-client' : '--tls-server', '--dh', 'none'],
      ...['--cert', certificateOf(near), '--key', keyOf(near)],
      ...['--peer-fingerprint', fingerprints[far.name], '--verb', '1'],
    ]);
  }
  for (const [near] of site.ends)
    await site.configureInterface(near, { name: PEER_INTERFACE, mtuBytes: MTU_BYTES });
}

/** @returns its SHA-256 fingerprint */
function makeCertificate(end: SiteEnd): string {
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
  const subject = ['-subj', `/CN=${end.name}`, '-days', '2'];
  const files = ['-keyout', keyOf(end), '-out', certificateOf(end)];
  runSync('openssl', ['req', '-x509', ...kind, ...subject, ...files]);
  return new X509Certificate(readFileSync(certificateOf(end))).fingerprint256;
}

function certificateOf(end: SiteEnd): string {
  return join(end.folder, 'certificate.pem');
}

function keyOf(end: SiteEnd): string {
  return join(end.folder, 'key.pem');
}
