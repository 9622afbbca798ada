/**
 * Discovery's times and limits, each with its reason.
 *
 * Main thread. Read-only data; the daemon overrides what its config names, tests what they shorten.
 */
import type { DiscoverySource } from './discovery-port.ts';

export interface DiscoveryConfig {
  /** Trunks that the node may have, whoever dialled. */
  readonly connectionLimit: number;
  /** Of them this share is sought; the rest is left for those who dial us, or newcomers would find every door shut. */
  readonly soughtShare: number;
  /** A warm peer is asked this often. */
  readonly heartbeatIntervalMs: number;
  /** Warm peers: each heartbeat may cost a dial. */
  readonly warmMax: number;
  readonly mdns: boolean;
  readonly dht: boolean;
  /** Candidates in all, and addresses of each. */
  readonly candidatesMax: number;
  readonly addressesMax: number;
  /** Candidates whose best source is this one: what anybody can invent must not push out what a peer has signed. */
  readonly quotas: Readonly<Record<DiscoverySource, number>>;
  /** How long a source's word counts; presences are said anew each half hour, provider records each 40 minutes. */
  readonly sourceLifeMs: Readonly<Record<DiscoverySource, number>>;
  /** Candidates that are tried at one time without a trunk yet: a flood of invented ones is worked off this slowly. */
  readonly trialsMax: number;
  /** A trial without a trunk is a failure after this: several dials of a bad path. */
  readonly trialMs: number;
  /** A member whose trunk went down is sought this long before it is a failure: a restart of the machine. */
  readonly lostMs: number;
  /** A trunk's peer that has shown no shared VLAN after this is a stranger, and left alone for `strangerMs`. */
  readonly graceMs: number;
  readonly strangerMs: number;
  /** From a failed trial to the next, doubling. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** After a change this much later, and then this often while there are candidates, it is looked who is full. */
  readonly decideDelayMs: number;
  readonly reviewMs: number;
  /** A full peer is exchanged for another only after this long, one at a time, and if that is better by the margin. */
  readonly tenureMs: number;
  readonly swapIntervalMs: number;
  readonly swapMargin: number;
  /** DHT: from the first lookup of a lonely VLAN to its slowest, and while it has members. */
  readonly lookupMinMs: number;
  readonly lookupMaxMs: number;
  readonly lookupIdleMs: number;
  /** While the DHT has no node to ask: nothing is sent then. */
  readonly dhtRetryMs: number;
  /** Less than the hour for which libp2p keeps a provider's addresses. */
  readonly provideMs: number;
  /** DHT operations under way; each takes some streams and dials. */
  readonly operationsMax: number;
  readonly mdnsMinMs: number;
  readonly mdnsMaxMs: number;
  readonly mdnsIdleMs: number;
  readonly presenceMs: number;
  /** Presences wait this long for others to go with them. */
  readonly presenceDelayMs: number;
  /** As many as a VLAN has members. */
  readonly presencesMax: number;
  /** Presences that a neighbour may have verified: burst (a whole VLAN at once), and refill in a second. */
  readonly presenceBurst: number;
  readonly presencesPerSecond: number;
  /** The machine has been without network for this long before it is said: interfaces flap. */
  readonly offlineMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const DEFAULT_DISCOVERY_CONFIG: DiscoveryConfig = {
  connectionLimit: 256,
  soughtShare: 0.75,
  heartbeatIntervalMs: MINUTE_MS,
  warmMax: 64,
  mdns: true,
  dht: true,
  candidatesMax: 4_096,
  addressesMax: 16,
  quotas: { config: 1_024, trunk: 1_024, presence: 2_048, fabric: 1_024, invite: 256, mdns: 512, dht: 1_024 },
  sourceLifeMs: {
    config: Number.POSITIVE_INFINITY,
    trunk: DAY_MS,
    presence: 2 * HOUR_MS,
    // The fabric says when one is gone.
    fabric: Number.POSITIVE_INFINITY,
    invite: 7 * DAY_MS,
    mdns: HOUR_MS,
    dht: 3 * HOUR_MS,
  },
  trialsMax: 8,
  trialMs: 20_000,
  lostMs: 5 * MINUTE_MS,
  graceMs: 15_000,
  strangerMs: HOUR_MS,
  retryMinMs: MINUTE_MS,
  retryMaxMs: HOUR_MS,
  decideDelayMs: 100,
  reviewMs: 2_000,
  tenureMs: 5 * MINUTE_MS,
  swapIntervalMs: MINUTE_MS,
  swapMargin: 40,
  lookupMinMs: 10_000,
  lookupMaxMs: 5 * MINUTE_MS,
  lookupIdleMs: HOUR_MS,
  dhtRetryMs: 15_000,
  provideMs: 40 * MINUTE_MS,
  operationsMax: 4,
  mdnsMinMs: 5_000,
  mdnsMaxMs: MINUTE_MS,
  mdnsIdleMs: 15 * MINUTE_MS,
  presenceMs: 30 * MINUTE_MS,
  presenceDelayMs: 250,
  presencesMax: 1_024,
  presenceBurst: 1_024,
  presencesPerSecond: 50,
  offlineMs: 2_000,
};
