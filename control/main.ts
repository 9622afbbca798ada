#!/usr/bin/env node
/**
 * The `peertap` command: runs one command line and ends with its exit code.
 *
 * Main thread. Started by control/bin/peertap.mjs under the pinned Node, or directly. When the shim started it,
 * the two share a pipe whose end says that the shim is gone, killed perhaps: this process then ends as by SIGTERM.
 */
import { Socket } from 'node:net';
import { useCompileCache } from './compile-cache.ts';

// `peertap status | head` closes the pipe early; there is nobody left to tell.
process.stdout.on('error', () => process.exit(0));
watchShim();
// Before the rest is imported, so that it comes from the cache too.
useCompileCache();
const [{ processIo }, { runCommandLine }] = await Promise.all([
  import('./cli/command-io.ts'),
  import('./cli/program.ts'),
]);
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
