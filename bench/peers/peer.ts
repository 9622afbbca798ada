/**
 * Owns what another tunnel is to the bench, and the site that it is brought up on: two machines on one wire.
 *
 *   a ──(10.97.0.1 its interface)┈┈(daemon ─ eth0 10.99.0.1 ══════ 10.99.0.2 eth0 ─ daemon)┈┈(its interface 10.97.0.2)── b
 *
 * Keys and configs lie in a temporary folder of the site. Runs on the main thread of the bench; it must leave no process,
 * namespace or file behind.
 */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { undoAtExit } from '../../test/lab/cleanup.ts';
import { exitStatus, LabError } from '../../test/lab/command.ts';
import { waitFor } from '../../test/lab/deadline.ts';
import { addAddress, type Wire } from '../../test/lab/namespace.ts';
import { ping } from '../../test/lab/ping.ts';
import { type Machine, makePair, type Pair } from '../../test/lab/topology.ts';

/** Another tunnel. */
export interface Peer {
  readonly name: string;
  /** OSI layer of what it carries: 2, Ethernet frames; 3, IP packets. */
  readonly layer: 2 | 3;
  /** What protects the traffic as it is set up here: its default. */
  readonly cipher: string;
  /** What it runs; all of them must be on the PATH. */
  readonly programs: readonly string[];
  /** Makes keys and configs, and starts the daemons of both ends; it need not wait until they have met. */
  readonly start: (site: PeerSite) => void | Promise<void>;
}

/** One end of a site. */
export interface SiteEnd {
  readonly name: 'a' | 'b';
  readonly machine: Machine;
  /** Of the tunnel's interface, without the prefix length. */
  readonly innerAddress: string;
  /** A folder of its own. */
  readonly folder: string;
}

/** An end, and the one on the other side. */
export type EndAndOther = readonly [near: SiteEnd, far: SiteEnd];

/** What {@link PeerSite.configureInterface} sets. */
export interface InterfaceSettings {
  readonly name: string;
  readonly mtuBytes: number;
}

/** The name of the tunnel's interface, where it may be chosen. */
export const PEER_INTERFACE = 'peer0';

const INNER_PREFIX_BITS = 24;
const UP_TIMEOUT_MS = 20_000;
const INTERFACE_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 3_000;
const SHOWN_LOG_LINES = 15;

/** Two machines and the daemons on them. */
export class PeerSite {
  readonly a: SiteEnd;
  readonly b: SiteEnd;
  readonly #pair: Pair;
  readonly #forgetFolder: () => void;
  readonly #children: ChildProcess[] = [];
  readonly #logFile: string;

  /** @param label - a few letters for the names of namespaces */
  constructor(wire: Wire, label: string) {
    const folder = mkdtempSync(join(tmpdir(), 'peertap-bench-'));
    this.#forgetFolder = undoAtExit(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    this.#logFile = join(folder, 'log');
    this.#pair = makePair(wire, label);
    this.a = makeEnd('a', this.#pair.a, { folder, innerAddress: '10.97.0.1' });
    this.b = makeEnd('b', this.#pair.b, { folder, innerAddress: '10.97.0.2' });
  }

  /** Each end with the one on the other side. */
  get ends(): readonly [EndAndOther, EndAndOther] {
    return [
      [this.a, this.b],
      [this.b, this.a],
    ];
  }

  /** The daemons of both ends. */
  get processIds(): readonly number[] {
    return this.#children.flatMap((child) => child.pid ?? []);
  }

  /** Starts a program that stays in the foreground; it is ended with the site. */
  spawn(
    end: SiteEnd,
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): void {
    this.#children.push(end.machine.namespace.start(program, args, { environment, logFile: this.#logFile }));
  }

  /** Waits for an interface that a daemon makes, and gives it its address and MTU. */
  async configureInterface(end: SiteEnd, { name, mtuBytes }: InterfaceSettings): Promise<void> {
    const { namespace } = end.machine;
    const look = (): boolean => {
      this.#assertRunning();
      return namespace.hasInterface(name);
    };
    await waitFor(`the interface ${name}`, look, {
      timeoutMs: INTERFACE_TIMEOUT_MS,
      intervalMs: 20,
      explain: () => this.#logTail(),
    });
    namespace.ip('link', 'set', name, 'mtu', String(mtuBytes), 'up');
    if (namespace.ip('-4', 'addr', 'show', 'dev', name).includes(` ${end.innerAddress}/`)) return;
    addAddress(namespace, name, cidrOf(end));
  }

  /** Pings from a to b until a reply comes. @throws LabError `deadline` or `daemon-ended`, with the end of the log */
  async waitForPing(): Promise<void> {
    const look = async (): Promise<boolean> => {
      this.#assertRunning();
      const probe = { count: 1, waitSeconds: 0.3 };
      return (await ping(this.a.machine.namespace, this.b.innerAddress, probe)).receivedCount > 0;
    };
    const options = { timeoutMs: UP_TIMEOUT_MS, intervalMs: 100, explain: () => this.#logTail() };
    await waitFor('the first ping', look, options);
  }

  /** Ends the daemons and frees everything. */
  async remove(): Promise<void> {
    await Promise.all(this.#children.map(endChild));
    this.#pair.remove();
    this.#forgetFolder();
  }

  #assertRunning(): void {
    if (this.#children.every((child) => child.exitCode === null && child.signalCode === null)) return;
    throw new LabError('daemon-ended', `a daemon has ended by itself\n${this.#logTail()}`);
  }

  #logTail(): string {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-SHOWN_LOG_LINES).join('\n');
  }
}

/** The inner address of an end in CIDR form. */
export function cidrOf(end: SiteEnd): string {
  return `${end.innerAddress}/${INNER_PREFIX_BITS}`;
}

function makeEnd(
  name: SiteEnd['name'],
  machine: Machine,
  { folder: parent, innerAddress }: { folder: string; innerAddress: string },
): SiteEnd {
  const folder = join(parent, name);
  mkdirSync(folder);
  return { name, machine, innerAddress, folder };
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = exitStatus(child);
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
