/**
 * Owns the smallest whole network: two daemons that know each other and one open VLAN with a TAP on each.
 *
 *   a ──ptap0 10.7.0.1 fd07::1 ┈┈(daemon ─ eth0 10.99.0.1 ══════ 10.99.0.2 eth0 ─ daemon)┈┈ 10.7.0.2 fd07::2 ptap0── b
 *
 * Runs on the main thread of a test process.
 */

import { LabDaemon, type LabDaemonOptions } from './daemon.ts';
import { randomVlanId } from './daemon-config.ts';
import { waitFor } from './deadline.ts';
import type { LabEngine } from './engines.ts';
import { blockUdp } from './firewall.ts';
import type { Wire } from './namespace.ts';
import { ping } from './ping.ts';
import { makePair, type Pair } from './topology.ts';

/** What carries a trunk's datagrams. */
export type Carrier = 'udp' | 'stream';

/** The TAP on both sides. */
export const TAP = 'ptap0';

/** What a segment may differ in. */
export interface SegmentOptions {
  readonly engine: LabEngine;
  readonly wire?: Wire;
  /** `stream`: the firewalls of both machines drop all UDP, so that only the libp2p connection is left. */
  readonly carrier?: Carrier;
  readonly label?: string;
  /** An underlay that exists already; removed with the segment. */
  readonly pair?: Pair;
  readonly mtuBytes?: number;
  readonly daemon?: Partial<LabDaemonOptions>;
  /** Added to the environment of one side alone. */
  readonly environmentOf?: Readonly<Partial<Record<'a' | 'b', Readonly<Record<string, string>>>>>;
}

const UP_TIMEOUT_MS = 30_000;

/** Two daemons on one VLAN. */
export class Segment {
  readonly addressOfA = '10.7.0.1';
  readonly addressOfB = '10.7.0.2';
  readonly address6OfA = 'fd07::1';
  readonly address6OfB = 'fd07::2';
  readonly vlanId = randomVlanId();
  readonly pair: Pair;
  readonly a: LabDaemon;
  readonly b: LabDaemon;
  readonly carrier: Carrier;

  constructor(options: SegmentOptions) {
    this.carrier = options.carrier ?? 'udp';
    this.pair = options.pair ?? makePair(options.wire ?? 'gso', options.label);
    if (this.carrier === 'stream')
      for (const { namespace } of [this.pair.a, this.pair.b]) blockUdp(namespace);
    const common = { ...options.daemon, engine: options.engine };
    const vlan = (addresses: string[]) => ({
      id: this.vlanId,
      interface: TAP,
      addresses,
      ...(options.mtuBytes === undefined ? {} : { mtuBytes: options.mtuBytes }),
    });
    this.a = new LabDaemon(this.pair.a, {
      ...common,
      environment: { ...common.environment, ...options.environmentOf?.a },
      vlans: [vlan([`${this.addressOfA}/24`, `${this.address6OfA}/64`])],
    });
    this.b = new LabDaemon(this.pair.b, {
      ...common,
      environment: { ...common.environment, ...options.environmentOf?.b },
      vlans: [vlan([`${this.addressOfB}/24`, `${this.address6OfB}/64`])],
    });
    this.a.writeConfig({ bootstrap: [this.b.multiaddr] });
    this.b.writeConfig({ bootstrap: [this.a.multiaddr] });
  }

  /**
   * Starts both daemons at once and pings until the first reply.
   *
   * @returns ms from the start of the processes to the reply
   */
  async start(): Promise<number> {
    const startMs = performance.now();
    this.a.spawn();
    this.b.spawn();
    await this.waitForPing();
    return performance.now() - startMs;
  }

  /** Pings from a to b until a reply comes. @throws LabError `deadline`, with both logs */
  async waitForPing(timeoutMs = UP_TIMEOUT_MS): Promise<void> {
    const explain = (): string => `${this.a.logTail()}\n${this.b.logTail()}`;
    const probe = { count: 1, waitSeconds: 0.2 };
    const once = async (): Promise<boolean> => {
      for (const daemon of [this.a, this.b]) daemon.assertRunning();
      return (await ping(this.a.machine.namespace, this.addressOfB, probe)).receivedCount > 0;
    };
    await waitFor('the first ping through the VLAN', once, { timeoutMs, intervalMs: 10, explain });
  }

  /** Waits until both daemons say that their trunk runs on the segment's carrier. */
  async waitForCarrier(carrier: Carrier = this.carrier, timeoutMs = UP_TIMEOUT_MS): Promise<void> {
    for (const daemon of [this.a, this.b]) {
      await daemon.waitFor(
        `a trunk on ${carrier}`,
        (status) => status.trunks.some((trunk) => trunk.carrier === carrier),
        timeoutMs,
      );
    }
  }

  /** Ends both daemons. */
  async stop(): Promise<void> {
    await Promise.all([this.a.stop(), this.b.stop()]);
  }

  /** Ends both daemons and removes the underlay. */
  async remove(): Promise<void> {
    await this.stop();
    this.pair.remove();
  }
}

/** Makes a segment, works with it, and removes it however that ends: what is left running disturbs the tests after it. */
export async function withSegment(
  options: SegmentOptions,
  work: (segment: Segment) => Promise<void>,
): Promise<void> {
  const segment = new Segment(options);
  try {
    await work(segment);
  } finally {
    await segment.remove();
  }
}
