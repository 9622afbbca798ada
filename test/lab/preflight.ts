/**
 * Owns the question whether this machine can run namespaces and daemons at all, answered in sentences for a user.
 *
 * Runs on the main thread of a test process, before anything is made.
 */

import { accessSync, constants, readFileSync } from 'node:fs';

import { missingTools } from './command.ts';

/** Bits of a capability mask. @see capabilities(7) */
const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/**
 * Lists what is missing, each with what to do about it.
 *
 * @param tools - programs that the caller is going to run
 * @returns empty when all is there
 */
export function preflightProblems(tools: readonly string[]): string[] {
  return [...privilegeProblems(), ...tunDeviceProblems(), ...missingTools(tools)];
}

function privilegeProblems(): string[] {
  const mask = effectiveCapabilities();
  if (((mask >> CAP_NET_ADMIN) & 1n) === 0n) {
    return [
      'The capability CAP_NET_ADMIN is missing, without which no interface can be made; run this as root (sudo).',
    ];
  }
  if (((mask >> CAP_SYS_ADMIN) & 1n) === 0n) {
    return [
      'The capability CAP_SYS_ADMIN is missing, without which no namespace can be made; run this as root (in a container: --privileged).',
    ];
  }
  return [];
}

function tunDeviceProblems(): string[] {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return [];
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    if (!missing) return ['/dev/net/tun cannot be opened for reading and writing; run this as root (sudo).'];
    return [
      '/dev/net/tun is missing: load the kernel module (modprobe tun); in a container give it the device (--device /dev/net/tun).',
    ];
  }
}

function effectiveCapabilities(): bigint {
  const found = /^CapEff:\s+([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return BigInt(`0x${found?.[1] ?? '0'}`);
}
