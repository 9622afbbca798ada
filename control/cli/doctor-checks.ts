/**
 * From facts about the machine to findings: ok, warn or fail, each with what to do.
 *
 * Pure. Must never say that something is wrong without saying how to mend it.
 */
import type { MachineFacts } from './machine-facts.ts';

/** One line of the doctor. */
export interface Finding {
  /** Short and stable; scripts may look for it. */
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly found: string;
  /** What to do; empty when it is ok. */
  readonly advice: string;
}

const CAP_NET_ADMIN = 12n;
/** UDP segmentation came with 4.18, receive coalescing with 5.0; USO to a TAP with 6.2. */
const LEAST_KERNEL = [5, 0] as const;
const FULL_KERNEL = [6, 2] as const;
/** ML-KEM in node:crypto came with it. */
const LEAST_NODE = [24, 7] as const;
/** What a socket asks for: about 25 ms of traffic at 2.5 Gbit/s. */
const WANTED_BUFFER_BYTES = 8_388_608;
/** What NTP keeps a hundred times over; well within a token period of an hour. */
const CLOCK_OFFSET_MAX_MS = 30_000;
/** 2025-01-01; a machine without a battery-backed clock starts in 1970 or at its image's date. */
const PLAUSIBLE_SINCE_MS = 1_735_689_600_000;

/** All findings that follow from the facts alone. */
export function checkFacts(facts: MachineFacts): Finding[] {
  return [
    checkKernel(facts),
    checkNode(facts),
    checkTun(facts),
    checkCapability(facts),
    checkBuffers(facts),
    checkClock(facts),
  ];
}

/** What a running daemon has found by asking its peers; @returns undefined when it has none */
export function checkPeerClocks(offsetMs: number | null): Finding | undefined {
  if (offsetMs === null) return undefined;
  const seconds = (Math.abs(offsetMs) / 1_000).toFixed(1);
  const found = `${seconds} s ${offsetMs < 0 ? 'ahead of' : 'behind'} the peers'`;
  if (Math.abs(offsetMs) <= CLOCK_OFFSET_MAX_MS) return ok('clock', found);
  const advice =
    'find out which clock is wrong and set it: beyond an hour nodes no longer understand each other';
  return warn('clock', found, advice);
}

export function ok(check: string, found: string): Finding {
  return { check, result: 'ok', found, advice: '' };
}

export function warn(check: string, found: string, advice: string): Finding {
  return { check, result: 'warn', found, advice };
}

export function fail(check: string, found: string, advice: string): Finding {
  return { check, result: 'fail', found, advice };
}

function checkKernel({ platform, kernelRelease, architecture }: MachineFacts): Finding {
  const found = `${platform} ${kernelRelease} ${architecture}`;
  if (platform !== 'linux') return fail('kernel', found, 'PeerTap runs on Linux only');
  if (isBefore(kernelRelease, LEAST_KERNEL)) {
    return fail('kernel', found, 'Linux 5.0 or later is needed; upgrade the kernel');
  }
  if (isBefore(kernelRelease, FULL_KERNEL)) {
    return warn('kernel', found, 'it works, but UDP segmentation to a TAP needs 6.2; upgrade for bulk UDP');
  }
  return ok('kernel', found);
}

function isBefore(releaseText: string, least: readonly [major: number, minor: number]): boolean {
  const [major = 0, minor = 0] = releaseText.split('.').map((part) => Number.parseInt(part, 10));
  return major < least[0] || (major === least[0] && minor < least[1]);
}

function checkNode({ nodeVersion }: MachineFacts): Finding {
  if (!isBefore(nodeVersion, LEAST_NODE)) return ok('node', nodeVersion);
  return fail(
    'node',
    nodeVersion,
    `Node ${LEAST_NODE.join('.')} or later is needed; \`npm ci\` installs it in a checkout`,
  );
}

function checkTun({ tunDevice }: MachineFacts): Finding {
  const path = '/dev/net/tun';
  if (tunDevice === 'ok') return ok('tun', `${path} can be opened`);
  if (tunDevice === 'denied') return fail('tun', `no permission to open ${path}`, 'run as root');
  return fail(
    'tun',
    `${path} is missing`,
    'load the module with `modprobe tun`; in a container, pass the device (docker: --device /dev/net/tun)',
  );
}

function checkCapability({ capabilities }: MachineFacts): Finding {
  if (hasNetAdmin(capabilities)) return ok('capability', 'CAP_NET_ADMIN is there');
  return fail(
    'capability',
    'CAP_NET_ADMIN is missing',
    'run as root; in a service, AmbientCapabilities=CAP_NET_ADMIN; in a container, --cap-add NET_ADMIN',
  );
}

function hasNetAdmin(capabilities: bigint | undefined): boolean {
  return capabilities !== undefined && ((capabilities >> CAP_NET_ADMIN) & 1n) === 1n;
}

/** With CAP_NET_ADMIN a socket goes past the limits (SO_RCVBUFFORCE), so they matter only without it. */
function checkBuffers({ receiveBufferMaxBytes, sendBufferMaxBytes, capabilities }: MachineFacts): Finding {
  if (receiveBufferMaxBytes === undefined || sendBufferMaxBytes === undefined) {
    return ok('buffers', 'the limits cannot be read here; the daemon raises its own');
  }
  const found = `net.core.rmem_max ${receiveBufferMaxBytes}, net.core.wmem_max ${sendBufferMaxBytes}`;
  const least = Math.min(receiveBufferMaxBytes, sendBufferMaxBytes);
  if (least >= WANTED_BUFFER_BYTES) return ok('buffers', found);
  if (hasNetAdmin(capabilities)) return ok('buffers', `${found}; the daemon may go past them`);
  const both = `net.core.rmem_max=${WANTED_BUFFER_BYTES} net.core.wmem_max=${WANTED_BUFFER_BYTES}`;
  return warn('buffers', found, `bursts will be lost; \`sysctl -w ${both}\``);
}

function checkClock({ unixTimeMs, isClockSynchronised }: MachineFacts): Finding {
  const found = new Date(unixTimeMs).toISOString();
  if (unixTimeMs < PLAUSIBLE_SINCE_MS) {
    return fail('clock', found, 'set the clock: nodes whose clocks are a day apart cannot talk');
  }
  if (isClockSynchronised === false) {
    const advice =
      'keep it within 30 s of the other nodes: enable an NTP service, such as systemd-timesyncd or chrony';
    return warn('clock', `${found}, not synchronised as far as the kernel knows`, advice);
  }
  return ok('clock', isClockSynchronised === true ? `${found}, synchronised` : found);
}
