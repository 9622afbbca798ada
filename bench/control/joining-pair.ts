/**
 * Owns two daemons with a trunk between them, of which one is the admin of prepared VLANs and the other comes in.
 *
 *   admin ──ptapN 10.80.N.1 ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ 10.80.N.2 ptapN── newcomer
 *
 * Runs on the main thread of the bench; every wait is bounded.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminClient } from '../../control/admin/admin-client.ts';
import { LabDaemon } from '../../test/lab/daemon.ts';
import { waitFor } from '../../test/lab/deadline.ts';
import { makePair, type Pair } from '../../test/lab/topology.ts';
import { mainThreadSecondsOf } from '../api/process-facts.ts';
import type { BenchEngine } from '../section.ts';
import type { JoinStages } from './join-figures.ts';
import { type PreparedGroup, prepareGroups } from './prepared-groups.ts';

const MTU_BYTES = 1500;
const TRUNK_TIMEOUT_MS = 30_000;
const JOIN_TIMEOUT_MS = 45_000;
/** A restarted member renews its keys within 40 s, and others may be at it. */
const RENEWAL_TIMEOUT_MS = 90_000;
const PING_INTERVAL_SECONDS = 0.01;
const WATCH_INTERVAL_MS = 25;
const INVITE_SECONDS = 3_600;

/** What one join took. */
export interface JoinReading {
  readonly stages: JoinStages & { readonly tookMs: number };
  /** Of each daemon's main thread, in ms. */
  readonly cpuMs: Readonly<Record<'admin' | 'newcomer', number>>;
  /** The longest that each main loop was late, over the last 10 to 20 s. */
  readonly blockMs: Readonly<Record<'admin' | 'newcomer', number>>;
}

/** See the file's head. */
export class JoiningPair {
  readonly #pair: Pair;
  readonly admin: LabDaemon;
  readonly newcomer: LabDaemon;
  readonly #adminClient: AdminClient;
  readonly #newcomerClient: AdminClient;

  constructor(engine: BenchEngine) {
    this.#pair = makePair('gso', 'join');
    this.admin = new LabDaemon(this.#pair.a, { engine });
    this.newcomer = new LabDaemon(this.#pair.b, { engine });
    this.admin.writeConfig({ bootstrap: [this.newcomer.multiaddr] });
    this.newcomer.writeConfig({ bootstrap: [this.admin.multiaddr] });
    this.#adminClient = new AdminClient(this.admin.config.controlSocket);
    this.#newcomerClient = new AdminClient(this.newcomer.config.controlSocket);
  }

  /** Prepares a VLAN of each size, without the newcomer; before the start. @param sizes - with the newcomer */
  prepare(sizes: readonly number[]): Promise<readonly PreparedGroup[]> {
    const plans = sizes.map((size, index) => ({
      memberCount: size - 1,
      interface: `ptap${index}`,
      address: `10.80.${index}.1/24`,
    }));
    return prepareGroups(this.admin.config.stateDirectory, plans);
  }

  /** Starts both and waits for their trunk, and until the admin is in its VLANs again. */
  async start(groups: readonly PreparedGroup[]): Promise<void> {
    await Promise.all([this.admin.start(), this.newcomer.start()]);
    await this.#waitForTrunk();
    for (const { id } of groups) await this.#adminEpochAfter(id, -1, TRUNK_TIMEOUT_MS);
  }

  /** Ends the newcomer's daemon and starts it again. */
  async restartNewcomer(): Promise<void> {
    await this.newcomer.stop();
    await this.newcomer.start();
    await this.#waitForTrunk();
  }

  /** Waits until the admin has renewed its keys in all VLANs, as it does within 40 s after its start. */
  async waitForRenewals(groups: readonly PreparedGroup[]): Promise<void> {
    const epochs = await Promise.all(groups.map(({ id }) => this.#adminEpochAfter(id, -1, TRUNK_TIMEOUT_MS)));
    for (const [index, { id }] of groups.entries()) {
      await this.#adminEpochAfter(id, epochs[index] ?? -1, RENEWAL_TIMEOUT_MS);
    }
  }

  /** Has the newcomer come in by a fresh invite, and asks both how far they are. */
  async join(group: PreparedGroup): Promise<JoinReading> {
    const { id } = group;
    const wanted = { id, uses: 1, expiresSeconds: INVITE_SECONDS, oneTimeSecret: true };
    const { invite } = await this.#adminClient.invite(wanted);
    const epoch = await this.#adminEpochAfter(id, -1, JOIN_TIMEOUT_MS);
    const before = this.#cpuSeconds();
    const startMs = performance.now();
    const watch = this.#watch(id, epoch, startMs);
    try {
      const where = { interface: group.interface, addresses: [newcomerAddress(group)], mtuBytes: MTU_BYTES };
      await this.#newcomerClient.joinVlan({ invite, ...where });
      const answeredMs = performance.now() - startMs;
      await this.#firstPing(group);
      const tookMs = performance.now() - startMs;
      const after = this.#cpuSeconds();
      const seen = await watch.end();
      const [admin, newcomer] = await Promise.all([this.admin.status(), this.newcomer.status()]);
      return {
        stages: { answeredMs, ...seen, tookMs },
        cpuMs: {
          admin: (after.admin - before.admin) * 1000,
          newcomer: (after.newcomer - before.newcomer) * 1000,
        },
        blockMs: { admin: admin.eventLoopDelay.maxMs, newcomer: newcomer.eventLoopDelay.maxMs },
      };
    } finally {
      await watch.end();
    }
  }

  /** Ends both daemons and removes the wire. */
  async remove(): Promise<void> {
    await Promise.all([this.admin.stop(), this.newcomer.stop()]);
    this.#pair.remove();
  }

  async #waitForTrunk(): Promise<void> {
    for (const daemon of [this.admin, this.newcomer]) {
      await daemon.waitFor(
        'the trunk',
        ({ trunks }) => trunks.some(({ state }) => state === 'up'),
        TRUNK_TIMEOUT_MS,
      );
    }
  }

  async #adminEpochAfter(id: string, epoch: number, timeoutMs: number): Promise<number> {
    const look = async (): Promise<{ readonly epoch: number } | undefined> => {
      this.admin.assertRunning();
      const now = await epochOf(this.#adminClient, id);
      return now !== undefined && now > epoch ? { epoch: now } : undefined;
    };
    const found = await waitFor(`an epoch after ${epoch}`, look, { timeoutMs, explain: () => this.#logs() });
    return found.epoch;
  }

  /** Looks on both sides how far the join is, until told to end. */
  #watch(id: string, epoch: number, startMs: number): { end(): Promise<JoinStages> } {
    let isOver = false;
    const reached = async (
      client: AdminClient,
      isThere: (now: number) => boolean,
    ): Promise<number | undefined> => {
      for (;;) {
        const isLast = isOver;
        const now = await epochOf(client, id);
        if (now !== undefined && isThere(now)) return performance.now() - startMs;
        if (isLast) return undefined;
        await sleep(WATCH_INTERVAL_MS);
      }
    };
    const both = Promise.all([
      reached(this.#adminClient, (now) => now > epoch),
      reached(this.#newcomerClient, () => true),
    ]);
    both.catch(() => undefined);
    return {
      end: async () => {
        isOver = true;
        const [settledMs, insideMs] = await both;
        return {
          ...(settledMs === undefined ? {} : { settledMs }),
          ...(insideMs === undefined ? {} : { insideMs }),
        };
      },
    };
  }

  /** Pings the admin again and again. The kernel asks for a MAC address once a second only, so it is told that one. */
  async #firstPing(group: PreparedGroup): Promise<void> {
    const { namespace } = this.newcomer.machine;
    const target = bare(group.address);
    const mac = this.admin.machine.namespace.macOf(group.interface);
    namespace.ip('neigh', 'replace', target, 'lladdr', mac, 'dev', group.interface, 'nud', 'permanent');
    const bound = ['-w', String(JOIN_TIMEOUT_MS / 1000)];
    const child = namespace.start('ping', ['-n', '-i', String(PING_INTERVAL_SECONDS), ...bound, target]);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('bytes from')) resolve(true);
    });
    child.on('exit', () => {
      resolve(false);
    });
    child.stderr?.resume();
    const isAnswered = await promise;
    child.kill('SIGKILL');
    if (!isAnswered) throw new Error(`no ping was answered after the join\n${this.#logs()}`);
  }

  #cpuSeconds(): Record<'admin' | 'newcomer', number> {
    return {
      admin: mainThreadSecondsOf(this.admin.processId),
      newcomer: mainThreadSecondsOf(this.newcomer.processId),
    };
  }

  #logs(): string {
    return `${this.admin.logTail()}\n${this.newcomer.logTail()}`;
  }
}

async function epochOf(client: AdminClient, id: string): Promise<number | undefined> {
  return (await client.vlans()).find((vlan) => vlan.id === id)?.epoch ?? undefined;
}

function newcomerAddress({ address }: PreparedGroup): string {
  return address.replace('.1/', '.2/');
}

function bare(cidr: string): string {
  return cidr.split('/')[0] ?? cidr;
}
