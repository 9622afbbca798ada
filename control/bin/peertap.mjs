#!/usr/bin/env node
/**
 * The `peertap` bin: runs the command under the pinned Node, whichever Node npx or a shell chose.
 *
 *   npx peertap … ─▶ this shim (Node 20 or later) ─▶ pinned Node, control/main.ts (or main.js in a build)
 *
 * Signals go to the child, its end and exit code come back. The two share a pipe: when the shim is killed with
 * SIGKILL, the pipe closes, and the child ends as by SIGTERM (see main.ts). Under npx the shim itself ends so when npm
 * does, whatever ended npm.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endWithNpm, replaceBy } from './child.mjs';
import { findNode, missingNodeMessage } from './pinned-node.mjs';

const SHIM_FD = 3;

const node = findNode();
if (node === undefined) {
  console.error(missingNodeMessage());
  process.exit(1);
}
const built = fileURLToPath(new URL('../main.js', import.meta.url));
const main = existsSync(built) ? built : fileURLToPath(new URL('../main.ts', import.meta.url));
const stdio = ['inherit', 'inherit', 'inherit', 'pipe'];
const env = { ...process.env, PEERTAP_SHIM_FD: String(SHIM_FD) };
const child = replaceBy(node, [main, ...process.argv.slice(2)], { stdio, env });
if (process.env.npm_command === 'exec') endWithNpm(child);
