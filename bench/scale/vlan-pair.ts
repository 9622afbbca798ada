/**
 * Owns two daemons that share any number of open VLANs, each with a TAP on both sides.
 *
 *   a ──ptap0 10.8.0.1 … ptapN┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈10.8.0.2 ptap0 … ptapN── b        VLAN n: 10.8.n.0/24
 *
 * Runs on the main thread of the bench.
 */
import { LabDaemon } from '../../test/lab/daemon.ts';
import { randomVlanId, type VlanConfig } from '../../test/lab/daemon-config.ts';
import { waitFor } from '../../test/lab/deadline.ts';
import { IperfServer, runTcp, type TcpOptions } from '../../test/lab/iperf.ts';
import { ping } from '../../test/lab/ping.ts';
import { makePair, type Pair } from '../../test/lab/topology.ts';
import { cpuSecondsOf, residentBytesOf } from '../../test/lab/usage.ts';
import type { BenchEngine } from '../section.ts';

/** What the daemons differ in. */
export interface VlanPairOptions {
  readonly engine: BenchEngine;
  readonly vlanCount: number;
  readonly workers: number;
}

/** What one transfer cost. */
export interface Transfer {
  readonly gigabitsPerSecond: number;
  /** CPU seconds of both daemons for 10^9 bytes that arrived. */
  readonly cpuSecondsPerGigabyte: number;
}

const UP_TIMEOUT_MS = 60_000;
/** Announcements of the last VLANs may still be under way when the first frame passes. */
const SETTLED_PINGS = 2;

/** The daemons, up. */
export class VlanPair {
  readonly #pair: Pair;
  readonly #a: LabDaemon;
  readonly #b: LabDaemon;
  readonly #vlanCount: number;
  #server: IperfServer | undefined;

  private constructor({ engine, vlanCount, workers }: VlanPairOptions) {
    this.#vlanCount = vlanCount;
    this.#pair = makePair('gso', `s${workers}v${vlanCount}`);
    const ids = Array.from({ length: vlanCount }, () => randomVlanId());
    const vlansOf = (host: number): VlanConfig[] =>
      ids.map((id, vlan) => ({ id, interface: `ptap${vlan}`, addresses: [`10.8.${vlan}.${host}/24`] }));
    this.#a = new LabDaemon(this.#pair.a, { engine, workers, vlans: vlansOf(1) });
    this.#b = new LabDaemon(this.#pair.b, { engine, workers, vlans: vlansOf(2) });
    this.#a.writeConfig({ bootstrap: [this.#b.multiaddr] });
    this.#b.writeConfig({ bootstrap: [this.#a.multiaddr] });
  }

  /** Starts both and waits until each VLAN answers. @throws LabError `deadline`; nothing is left then */
  static async start(options: VlanPairOptions): Promise<VlanPair> {
    const made = new VlanPair(options);
    try {
      made.#a.spawn();
      made.#b.spawn();
      for (let vlan = options.vlanCount - 1; vlan >= 0; vlan--) await made.#waitForPing(vlan);
      made.#server = await IperfServer.start(made.#pair.b.namespace);
    } catch (error) {
      await made.remove();
      throw error;
    }
    return made;
  }

  async #waitForPing(vlan: number): Promise<void> {
    const explain = (): string => `${this.#a.logTail()}\n${this.#b.logTail()}`;
    const look = async (): Promise<boolean> => {
      for (const daemon of [this.#a, this.#b]) daemon.assertRunning();
      const probe = { count: SETTLED_PINGS, waitSeconds: 0.5, intervalSeconds: 0.01 };
      return (await ping(this.#pair.a.namespace, addressOf(vlan), probe)).receivedCount > 0;
    };
    const options = { timeoutMs: UP_TIMEOUT_MS, intervalMs: 50, explain };
    await waitFor(`a ping through VLAN ${vlan}`, look, options);
  }

  /** Sends TCP over one of its VLANs and sees what that cost both daemons. */
  async transfer(vlan: number, options: TcpOptions): Promise<Transfer> {
    const cpuSeconds = (): number =>
      [this.#a, this.#b].reduce((sum, { processId }) => sum + cpuSecondsOf(processId), 0);
    const before = cpuSeconds();
    const moved = await runTcp(this.#pair.a.namespace, addressOf(vlan % this.#vlanCount), options);
    return {
      gigabitsPerSecond: moved.bitsPerSecond / 1e9,
      cpuSecondsPerGigabyte: (cpuSeconds() - before) / (moved.receivedBytes / 1e9),
    };
  }

  /** Resident memory of one daemon, the mean of both. */
  residentBytes(): number {
    return (residentBytesOf(this.#a.processId) + residentBytesOf(this.#b.processId)) / 2;
  }

  async remove(): Promise<void> {
    await this.#server?.stop();
    await Promise.all([this.#a.stop(), this.#b.stop()]);
    this.#pair.remove();
  }
}

function addressOf(vlan: number): string {
  return `10.8.${vlan}.2`;
}
