#!/usr/bin/env node
/**
 * The `peertap` command: runs one command line and ends with its exit code.
 *
 * Main thread. Started by control/bin/peertap.mjs under the pinned Node, or directly. When the shim started it,
 * the two share a pipe whose end says that the shim is gone, killed perhaps: this process then ends as by SIGTERM.
 */
import { Socket } from 'node:net';
import { processIo } from './cli/command-io.ts';
import { runCommandLine } from './cli/program.ts';

// `peertap status | head` closes the pipe early; there is nobody left to tell.
process.stdout.on('error', () => process.exit(0));
watchShim();
process.exit(await runCommandLine(process.argv.slice(2), processIo));

function watchShim(): void {
  const descriptor = Number(process.env['PEERTAP_SHIM_FD'] ?? Number.NaN);
  if (!Number.isInteger(descriptor)) return;
  delete process.env['PEERTAP_SHIM_FD'];
  const endLikeTheShim = (): void => {
    process.kill(process.pid, 'SIGTERM');
  };
  const pipe = new Socket({ fd: descriptor, readable: true, writable: false });
  pipe.once('close', endLikeTheShim).once('error', () => undefined);
  pipe.resume().unref();
}
