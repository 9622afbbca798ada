/**
 * What every part of the trunk machine shares: who we are, the effects of this input, counters and log limits.
 *
 * Main thread. One per machine. It has no clock: `nowMs` is the time of the input in hand.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { TokenBucket } from '../limit/token-bucket.ts';
import type { TrunkCrypto } from './handshake.ts';
import type { Lane } from './lane.ts';
import { ObservedAddresses } from './observed-addresses.ts';
import type { TrunkConfig } from './trunk-config.ts';
import type {
  DatagramAddress,
  LaneAllocator,
  LaneHandle,
  LogNotice,
  PeerIdText,
  TrunkEffect,
} from './trunk-port.ts';
import { VlanNetworks } from './vlan-networks.ts';

/** What the machine needs from outside, synchronously. */
export interface TrunkPorts {
  readonly self: PeerIdText;
  readonly workerCount: number;
  readonly lanes: LaneAllocator;
  readonly crypto: TrunkCrypto;
  /** Unix time in ms less the monotonic `nowMs`. */
  readonly unixOffsetMs: () => number;
}

/** What is counted, shown in `peertap status`; each is an event that came from a peer. */
export type TrunkCounter =
  | 'malformedMessages'
  | 'versionMismatches'
  | 'unexpectedMessages'
  | 'handshakeTimeouts'
  | 'handshakesFailed'
  | 'handshakesRefused'
  | 'trunksDisplaced'
  | 'malformedProbes'
  | 'unknownProbeAnswers'
  | 'probesRefused'
  | 'laneAllocationsFailed'
  | 'exchanges'
  | 'roams'
  | 'punches'
  | 'carrierChanges'
  | 'pathBlackHoles';

/** Ten lines of one code at once, then one each 10 s. */
const LOG_LIMITS = { burst: 10, perSecond: 0.1 };

export class TrunkContext {
  readonly config: TrunkConfig;
  readonly ports: TrunkPorts;
  readonly incarnation: Uint8Array;
  readonly lanes = new Map<LaneHandle, Lane>();
  readonly counters = new Map<TrunkCounter, number>();
  datagramAddresses: readonly DatagramAddress[] = [];
  datagramPort = 0;
  listenAddresses: readonly string[] = [];
  readonly observed = new ObservedAddresses();
  vlanNetworks = new VlanNetworks([]);
  /** Own VLANs by the hex of their id, with their meet keys. */
  vlans = new Map<string, { readonly id: Uint8Array; readonly meetKey: Uint8Array }>();
  nowMs = 0;
  /** True when this input came so long after the last one that silence proves nothing about peers. */
  paused = false;
  #effects: TrunkEffect[] = [];
  readonly #logBuckets = new Map<string, { readonly bucket: TokenBucket; suppressed: number }>();
  #nextTrunk = 1;

  constructor(ports: TrunkPorts, config: TrunkConfig) {
    this.ports = ports;
    this.config = config;
    this.incarnation = ports.crypto.randomBytes(16);
  }

  emit(effect: TrunkEffect): void {
    this.#effects.push(effect);
  }

  takeEffects(): TrunkEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  count(counter: TrunkCounter): void {
    this.counters.set(counter, (this.counters.get(counter) ?? 0) + 1);
  }

  /** Codes are constants of ours, so the number of buckets is bounded. */
  log(level: LogNotice['level'], code: string, message: string, peer?: PeerIdText): void {
    let limit = this.#logBuckets.get(code);
    if (limit === undefined) {
      limit = { bucket: new TokenBucket(LOG_LIMITS, this.nowMs), suppressed: 0 };
      this.#logBuckets.set(code, limit);
    }
    if (!limit.bucket.take(this.nowMs)) {
      limit.suppressed += 1;
      return;
    }
    const suffix = limit.suppressed > 0 ? ` (${limit.suppressed} more like this were not shown)` : '';
    limit.suppressed = 0;
    this.emit({ kind: 'log', level, code, message: message + suffix, peer });
  }

  nextTrunkId(): number {
    return this.#nextTrunk++;
  }

  /** @returns 0‥1, from the crypto port */
  random(): number {
    const bytes = this.ports.crypto.randomBytes(4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32;
  }

  randomBytes(sizeBytes: number): Uint8Array {
    return this.ports.crypto.randomBytes(sizeBytes);
  }
}

export function hexText(bytes: Uint8Array): string {
  return bytesToHex(bytes);
}
