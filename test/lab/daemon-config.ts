/**
 * Owns the outer shape of a daemon as scripts know it: the config file that the lab writes and the part of
 * `peertap status --json` that it reads.
 *
 * Written apart from control/config on purpose: a test that used the daemon's own types would not notice that a
 * documented name had changed. Runs on the main thread of a test process.
 */

import { randomBytes } from 'node:crypto';
import * as v from 'valibot';

/** One entry of `vlans`. */
export interface VlanConfig {
  readonly id: string;
  readonly interface: string;
  readonly addresses: readonly string[];
  readonly mtuBytes?: number;
  readonly paths?: 'failover' | 'redundant';
  readonly treeRank?: number;
}

/** Whom a node carries segments for. */
export interface RelayConfig {
  readonly enabled: boolean;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/** The config file. */
export interface DaemonConfig {
  stateDirectory: string;
  controlSocket: string;
  listen: { libp2p: readonly string[]; datagram: { address: string; port: number } };
  bootstrap: readonly string[];
  discovery?: { mdns?: boolean; dht?: boolean };
  dataplane: { engine: 'auto' | 'native' | 'typescript'; workers: 'auto' | number };
  log: { level: 'debug' | 'info' | 'warn' | 'error' };
  vlans: readonly VlanConfig[];
  relay?: RelayConfig;
}

const statusSchema = v.object({
  peerId: v.string(),
  version: v.string(),
  engine: v.string(),
  workers: v.unknown(),
  eventLoopDelay: v.object({ maxMs: v.number(), p99Ms: v.number() }),
  trunks: v.array(
    v.object({
      peer: v.string(),
      state: v.string(),
      carrier: v.nullish(v.string()),
      rttMs: v.nullish(v.number()),
      datagramMtuBytes: v.nullish(v.number()),
    }),
  ),
  vlans: v.array(v.object({ id: v.string(), interface: v.nullish(v.string()), stations: v.unknown() })),
  counters: v.record(v.string(), v.unknown()),
  drops: v.record(v.string(), v.number()),
});

/** The documented part of `peertap status --json`. */
export type DaemonStatus = v.InferOutput<typeof statusSchema>;

/** Reads what `peertap status --json` wrote. @throws ValiError when a documented name is missing */
export function parseStatus(text: string): DaemonStatus {
  return v.parse(statusSchema, JSON.parse(text));
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** Draws the id of an open VLAN that nobody else is on. @see RFC 4648 §6, lower case, no padding, spare bits 0 */
export function randomVlanId(): string {
  const bits = [...randomBytes(16)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
    .padEnd(130, '0');
  return (bits.match(/.{5}/g) ?? []).map((five) => BASE32[Number.parseInt(five, 2)]).join('');
}
