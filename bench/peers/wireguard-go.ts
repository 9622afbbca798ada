/**
 * Owns wireguard-go as a peer: WireGuard in user space, layer 3.
 *
 * It is set up over its own socket, so that wireguard-tools are not needed. Runs on the main thread of the bench.
 *
 * @see https://www.wireguard.com/xplatform/
 */

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { connect } from 'node:net';

import { undoAtExit } from '../../test/lab/cleanup.ts';
import { LabError } from '../../test/lab/command.ts';
import { waitFor } from '../../test/lab/deadline.ts';
import type { Peer, PeerSite, SiteEnd } from './peer.ts';

const PORT = 51_820;
/** 1,500 less the outer IPv6 header, as wg-quick has it. */
const MTU_BYTES = 1420;
const SOCKET_TIMEOUT_MS = 5_000;

interface KeyPair {
  readonly privateHex: string;
  readonly publicHex: string;
}

export const wireguardGo: Peer = {
  name: 'wireguard-go',
  layer: 3,
  cipher: 'ChaCha20-Poly1305',
  programs: ['wireguard-go'],
  start,
};

async function start(site: PeerSite): Promise<void> {
  const keys = { a: makeKeys(), b: makeKeys() };
  for (const [near, far] of site.ends) {
    const name = interfaceOf(near);
    undoAtExit(() => {
      rmSync(socketOf(near), { force: true });
    });
    site.spawn(near, 'wireguard-go', ['--foreground', name], { LOG_LEVEL: 'error' });
    await waitFor('the socket of wireguard-go', () => existsSync(socketOf(near)), {
      timeoutMs: SOCKET_TIMEOUT_MS,
      intervalMs: 20,
    });
    await configure(socketOf(near), [
      `private_key=${keys[near.name].privateHex}`,
      `listen_port=${PORT}`,
      'replace_peers=true',
      `public_key=${keys[far.name].publicHex}`,
      `endpoint=${far.machine.address}:${PORT}`,
      `allowed_ip=${far.innerAddress}/32`,
    ]);
    await site.configureInterface(near, { name, mtuBytes: MTU_BYTES });
  }
}

/** Its socket has the interface's name in a folder that all namespaces share, so the name must be nobody else's. */
function interfaceOf(end: SiteEnd): string {
  return `ptwg${process.pid}${end.name}`;
}

function socketOf(end: SiteEnd): string {
  return `/var/run/wireguard/${interfaceOf(end)}.sock`;
}

async function configure(socketPath: string, lines: readonly string[]): Promise<void> {
  const socket = connect(socketPath).setEncoding('utf8').setTimeout(SOCKET_TIMEOUT_MS);
  socket.once('timeout', () => socket.destroy(new Error('wireguard-go does not answer')));
  socket.write(`set=1\n${lines.join('\n')}\n\n`);
  const [answer] = (await once(socket, 'data')) as [string];
  socket.destroy();
  if (!answer.startsWith('errno=0'))
    throw new LabError('command-failed', `wireguard-go took no config: ${answer.trim()}`);
}

function makeKeys(): KeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  const hex = (text: string): string => Buffer.from(text, 'base64url').toString('hex');
  return { privateHex: hex(d), publicHex: hex(x) };
}
