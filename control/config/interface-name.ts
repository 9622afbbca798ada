/**
 * Which names a network interface may have.
 *
 * Pure. Must never accept a name that the kernel refuses, takes as a pattern (`tap%d`) or uses itself in sysctl.
 */

/** IFNAMSIZ is 16 with the closing zero byte. */
const MAX_NAME_BYTES = 15;
const RESERVED = new Set(['.', '..', 'all', 'default', 'lo']);

/**
 * Says what is wrong with an interface name.
 *
 * @param name - as written by the user
 * @returns undefined when it can be used, else what was expected
 * @see dev_valid_name() in the kernel's net/core/dev.c
 */
export function interfaceNameProblem(name: string): string | undefined {
  const bytes = new TextEncoder().encode(name).length;
  if (bytes < 1 || bytes > MAX_NAME_BYTES) {
    return `expected an interface name of 1..${MAX_NAME_BYTES} bytes, got ${bytes} in '${name.slice(0, 64)}'`;
  }
  if (!/^[A-Za-z0-9_.@-]+$/.test(name)) {
    return `expected an interface name of letters, digits and _ . @ -, got '${name}'`;
  }
  if (RESERVED.has(name)) return `expected a name that the system does not use itself, got '${name}'`;
  return undefined;
}
