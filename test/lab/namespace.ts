/**
 * Owns real network namespaces and the veth links between them.
 *
 *   namespace ──eth0═══════veth═══════eth0── namespace
 *
 * Every name carries the number of the process that made it (`pt-PID-COUNT-LABEL`), so that runs do not meet and a
 * run that was killed with -9 is swept up by the next. Runs on the main thread of a test process; it must never touch
 * a namespace or link that it did not make.
 */

import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { undoAtExit } from './cleanup.ts';
import { type CommandResult, type RunOptions, run, runSync, type StartOptions, start } from './command.ts';

/** `gso`: the veth as it is. `mtu`: no datagram larger than the MTU crosses, as on a network card's wire. */
export type Wire = 'gso' | 'mtu';

/** One end of a link. */
export interface LinkEnd {
  readonly namespace: Namespace;
  readonly interfaceName: string;
  /** In CIDR form, given to the interface. */
  readonly addresses: readonly string[];
}

let madeCount = 0;

/** A namespace that lives until {@link Namespace.remove} or the end of the process. */
export class Namespace {
  readonly name: string;
  readonly remove: () => void;

  /**
   * @param label - a few letters that say what it stands for
   * @param owner - whose it is; the process number unless given. Only namespaces that a number owns are swept up.
   * @throws LabError `missing-tool` (iproute2) or `not-permitted`
   */
  constructor(label: string, owner: string = String(process.pid)) {
    sweepOnce();
    this.name = `pt-${owner}-${madeCount++}-${label}`;
    runSync('ip', ['netns', 'add', this.name]);
    this.remove = undoAtExit(() => runSync('ip', ['netns', 'delete', this.name]));
    this.ip('link', 'set', 'lo', 'up');
  }

  /** Runs `ip` on this namespace; throws when it fails. */
  ip(...args: string[]): string {
    return runSync('ip', ['-n', this.name, ...args]).stdout;
  }

  /** The arguments with which `ip` runs a program in here. */
  within(program: string, args: readonly string[]): string[] {
    return ['netns', 'exec', this.name, program, ...args];
  }

  /** Runs a program in here to its end. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return run('ip', this.within(program, args), options);
  }

  /** Runs a short program in here to its end, blocking. */
  runSync(program: string, args: readonly string[], options: RunOptions = {}): CommandResult {
    return runSync('ip', this.within(program, args), options);
  }

  /** Starts a program in here; the child's number is the program's own, since `ip netns exec` becomes it. */
  start(program: string, args: readonly string[], options: StartOptions = {}): ChildProcess {
    return start('ip', this.within(program, args), options);
  }

  /** Says whether an interface exists in here. */
  hasInterface(interfaceName: string): boolean {
    return (
      runSync('ip', ['-n', this.name, 'link', 'show', 'dev', interfaceName], { allowFailure: true })
        .status === 0
    );
  }

  /** The MAC address of an interface, as `02:00:00:00:00:01`. */
  macOf(interfaceName: string): string {
    const found = /link\/ether ([0-9a-f:]{17})/.exec(this.ip('link', 'show', 'dev', interfaceName));
    if (found?.[1] === undefined) throw new Error(`${interfaceName} in ${this.name} has no MAC address`);
    return found[1];
  }

  /** What the kernel counts on an interface since it was made. */
  counters(interfaceName: string): { receivedPackets: number; sentBytes: number } {
    const [row] = JSON.parse(this.ip('-s', '-j', 'link', 'show', 'dev', interfaceName)) as {
      stats64: { rx: { packets: number }; tx: { bytes: number } };
    }[];
    if (row === undefined) throw new Error(`${interfaceName} in ${this.name} has no counters`);
    return { receivedPackets: row.stats64.rx.packets, sentBytes: row.stats64.tx.bytes };
  }

  /** The link-local IPv6 address of an interface once duplicate detection is through, else undefined. */
  linkLocalOf(interfaceName: string): string | undefined {
    const line = this.ip('-6', '-o', 'addr', 'show', 'dev', interfaceName, 'scope', 'link');
    return line.includes('tentative') ? undefined : /inet6 ([0-9a-f:]+)\//.exec(line)?.[1];
  }
}

/**
 * Joins two namespaces by a veth and brings it up.
 *
 * @param wire - see {@link Wire}; `mtu` needs ethtool
 */
export function connect(left: LinkEnd, right: LinkEnd, wire: Wire): void {
  const veth = ['type', 'veth', 'peer', 'name', right.interfaceName, 'netns', right.namespace.name];
  runSync('ip', ['link', 'add', left.interfaceName, 'netns', left.namespace.name, ...veth]);
  for (const end of [left, right]) {
    if (wire === 'mtu') limitToMtu(end);
    end.namespace.ip('link', 'set', end.interfaceName, 'up');
    for (const address of end.addresses) addAddress(end.namespace, end.interfaceName, address);
  }
}

/** Gives an address to an interface; duplicate detection is left out, since the segment is ours. */
export function addAddress(namespace: Namespace, interfaceName: string, cidr: string): void {
  const noDetection = cidr.includes(':') ? ['nodad'] : [];
  namespace.ip('addr', 'add', cidr, 'dev', interfaceName, ...noDetection);
}

/**
 * What makes a veth's wire a card's wire: no kind of segmentation is left to the "hardware", so that the kernel cuts
 * every super-packet right before the driver (`gso` stays on: with it off, plain TCP would be cut earlier than what a
 * tunnel sends, which no card does). The receiving side puts trains together again by GRO, as the drivers of cards do
 * by default; with it off, TCP over the bare link and over tunnels alike reaches two thirds to three quarters.
 */
const CUT_TO_MTU: Readonly<Record<string, 'on' | 'off'>> = {
  tso: 'off',
  gso: 'on',
  'tx-udp-segmentation': 'off',
  'tx-udp_tnl-segmentation': 'off',
  'tx-udp_tnl-csum-segmentation': 'off',
  'tx-gso-list': 'off',
  gro: 'on',
};

function limitToMtu(end: LinkEnd): void {
  end.namespace.runSync('ethtool', ['-K', end.interfaceName, ...Object.entries(CUT_TO_MTU).flat()]);
}

let swept = false;

/** Removes namespaces of test processes that are gone: killed with -9, they could not clean up. */
function sweepOnce(): void {
  if (swept) return;
  swept = true;
  for (const line of runSync('ip', ['netns', 'list']).stdout.split('\n')) {
    const [, name, processId] = /^(pt-(\d+)-\d+-\S*)/.exec(line) ?? [];
    if (name === undefined || existsSync(`/proc/${processId}`)) continue;
    endProcessesIn(name);
    runSync('ip', ['netns', 'delete', name], { allowFailure: true });
  }
}

/** Daemons are sessions of their own: they outlive a test process that was killed. */
function endProcessesIn(name: string): void {
  const listed = runSync('ip', ['netns', 'pids', name], { allowFailure: true }).stdout;
  for (const processId of listed.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(processId), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
}
