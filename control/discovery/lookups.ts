/**
 * When to look into the DHT and to ask the LAN: often while a VLAN has no other member, hardly ever when it has.
 *
 *   DHT, each VLAN:  lookup 10 s, 20 s … 5 min apart while lonely, then hourly; record said anew every 40 minutes
 *   mDNS:            5 s, 10 s … 1 min apart while any VLAN is lonely, then every 15 minutes
 *
 * Every interval is drawn from 75‥125 % of it, so that nodes that started together do not stay together.
 * Main thread, pure.
 */
import type { DiscoveryConfig } from './discovery-config.ts';
import type { DiscoveryCounter, DiscoveryEffect, VlanKey } from './discovery-port.ts';
import { meetingPointsAt, meetingPointToday, rendezvousKeyOf } from './rendezvous.ts';

/** From the start, or a change, to the first question: others are just starting, too. */
const SOON_MS = 1_000;
/** A VLAN that has lost its last member, or a DHT that has got its first node: asked again after this. */
const AGAIN_MS = 3_000;
/** An operation that has not ended by then has been lost by the driver. */
const LOST_MS = 120_000;

/** What happens around it. */
export interface LookupContext {
  readonly config: DiscoveryConfig;
  readonly nowMs: number;
  readonly unixMs: number;
  /** 0‥1. */
  readonly random: () => number;
  readonly emit: (effect: DiscoveryEffect) => void;
  readonly count: (counter: DiscoveryCounter) => void;
}

interface MeetingState {
  readonly key: Uint8Array;
  isLonely: boolean;
  lookups: number;
  lookupAtMs: number;
  provideAtMs: number;
  isStored: boolean;
  /** Since when an operation is under way. */
  lookingSinceMs: number | undefined;
  providingSinceMs: number | undefined;
}

/** See the file's head. */
export class Lookups {
  readonly #vlans = new Map<VlanKey, MeetingState>();
  #isOnline = false;
  #mdnsIsOn = false;
  #mdnsAsks = 0;
  #mdnsAtMs = Number.POSITIVE_INFINITY;

  /** The VLANs of this node, whole. */
  setVlans(vlans: ReadonlyMap<VlanKey, Uint8Array>, context: LookupContext): void {
    for (const key of [...this.#vlans.keys()]) {
      if (!vlans.has(key)) {
        this.#vlans.delete(key);
        if (context.config.dht) {
          context.emit({ kind: 'unprovide', vlan: key });
        }
      }
    }
    for (const [key, id] of vlans) {
      if (!this.#vlans.has(key)) {
        this.#vlans.set(key, newState(rendezvousKeyOf(id), context));
        this.#askLanSoon(context);
      }
    }
  }

  /** Addresses have changed, or the network has come or gone. */
  setAddresses(isOnline: boolean, context: LookupContext): void {
    this.#isOnline = isOnline;
    for (const state of this.#vlans.values()) {
      state.isStored = false;
      state.provideAtMs = Math.min(state.provideAtMs, context.nowMs + SOON_MS * (1 + 4 * context.random()));
      this.#lookSoon(state, context.nowMs + AGAIN_MS);
    }
    this.#askLanSoon(context);
  }

  /** A trunk is up: the DHT may have got a node. */
  trunkUp(context: LookupContext): void {
    for (const state of this.#vlans.values()) {
      if (!state.isStored) {
        state.provideAtMs = Math.min(state.provideAtMs, context.nowMs + AGAIN_MS);
      }
      this.#lookSoon(state, context.nowMs + AGAIN_MS);
    }
  }

  /** Whether another member is there; asked again when the last one has gone. */
  setLonely(vlan: VlanKey, isLonely: boolean, context: LookupContext): void {
    const state = this.#vlans.get(vlan);
    if (state === undefined || state.isLonely === isLonely) {
      return;
    }
    state.isLonely = isLonely;
    state.lookups = 0;
    state.lookupAtMs = isLonely
      ? context.nowMs + AGAIN_MS
      : context.nowMs + jittered(context.config.lookupIdleMs, context);
    if (isLonely) {
      this.#askLanSoon(context);
    } else if (!this.#isAnyLonely()) {
      this.#mdnsAtMs = context.nowMs + jittered(context.config.mdnsIdleMs, context);
    }
  }

  /** @param contacted - nodes of the DHT that answered */
  lookedUp(vlan: VlanKey, contacted: number, context: LookupContext): void {
    const state = this.#vlans.get(vlan);
    if (state === undefined) {
      return;
    }
    const { config, nowMs } = context;
    state.lookingSinceMs = undefined;
    if (!state.isLonely) {
      state.lookupAtMs = nowMs + jittered(config.lookupIdleMs, context);
    } else if (contacted === 0) {
      state.lookupAtMs = nowMs + jittered(config.dhtRetryMs, context);
    } else {
      const delayMs = Math.min(config.lookupMaxMs, config.lookupMinMs * 2 ** Math.min(state.lookups, 20));
      state.lookups += 1;
      state.lookupAtMs = nowMs + jittered(delayMs, context);
    }
  }

  /** @param stored - nodes of the DHT that took a record */
  provided(vlan: VlanKey, stored: number, context: LookupContext): void {
    const state = this.#vlans.get(vlan);
    if (state !== undefined) {
      state.providingSinceMs = undefined;
      state.isStored = stored > 0;
      const delayMs = stored > 0 ? context.config.provideMs : context.config.dhtRetryMs;
      state.provideAtMs = context.nowMs + jittered(delayMs, context);
    }
  }

  /** When something is due. */
  nextAtMs(config: DiscoveryConfig): number {
    if (!this.#isOnline) {
      return Number.POSITIVE_INFINITY;
    }
    let atMs = config.mdns && this.#vlans.size > 0 ? this.#mdnsAtMs : Number.POSITIVE_INFINITY;
    if (config.dht) {
      const isBusy = this.#underWay() >= config.operationsMax;
      for (const state of this.#vlans.values()) {
        atMs = Math.min(atMs, nextOfState(state, isBusy));
      }
    }
    return atMs;
  }

  /** Asks what is due. */
  settle(context: LookupContext): void {
    this.#settleMdns(context);
    if (!this.#isOnline || !context.config.dht) {
      return;
    }
    for (const [vlan, state] of this.#vlans) {
      forgetLost(state, context.nowMs);
      if (
        state.lookingSinceMs === undefined &&
        state.lookupAtMs <= context.nowMs &&
        this.#mayStart(context)
      ) {
        state.lookingSinceMs = context.nowMs;
        context.count('discoveryLookups');
        context.emit({ kind: 'find-providers', vlan, digest: meetingPointToday(state.key, context.unixMs) });
      }
      if (
        state.providingSinceMs === undefined &&
        state.provideAtMs <= context.nowMs &&
        this.#mayStart(context)
      ) {
        state.providingSinceMs = context.nowMs;
        context.count('discoveryProvides');
        context.emit({ kind: 'provide', vlan, digests: meetingPointsAt(state.key, context.unixMs) });
      }
    }
  }

  #settleMdns(context: LookupContext): void {
    const isWanted = context.config.mdns && this.#isOnline && this.#vlans.size > 0;
    if (isWanted !== this.#mdnsIsOn) {
      this.#mdnsIsOn = isWanted;
      context.emit({ kind: 'mdns', isOn: isWanted });
    }
    if (isWanted && this.#mdnsAtMs <= context.nowMs) {
      const { mdnsMinMs, mdnsMaxMs, mdnsIdleMs } = context.config;
      const delayMs = this.#isAnyLonely()
        ? Math.min(mdnsMaxMs, mdnsMinMs * 2 ** Math.min(this.#mdnsAsks, 20))
        : mdnsIdleMs;
      this.#mdnsAsks += 1;
      this.#mdnsAtMs = context.nowMs + jittered(delayMs, context);
      context.emit({ kind: 'mdns-ask' });
    }
  }

  #askLanSoon(context: LookupContext): void {
    this.#mdnsAsks = 0;
    this.#mdnsAtMs = Math.min(this.#mdnsAtMs, context.nowMs + SOON_MS * context.random());
  }

  #lookSoon(state: MeetingState, atMs: number): void {
    if (state.isLonely) {
      state.lookups = 0;
      state.lookupAtMs = Math.min(state.lookupAtMs, atMs);
    }
  }

  #isAnyLonely(): boolean {
    return [...this.#vlans.values()].some(({ isLonely }) => isLonely);
  }

  #mayStart({ config }: LookupContext): boolean {
    return this.#underWay() < config.operationsMax;
  }

  #underWay(): number {
    let count = 0;
    for (const { lookingSinceMs, providingSinceMs } of this.#vlans.values()) {
      count += (lookingSinceMs === undefined ? 0 : 1) + (providingSinceMs === undefined ? 0 : 1);
    }
    return count;
  }
}

function newState(key: Uint8Array, context: LookupContext): MeetingState {
  return {
    key,
    isLonely: true,
    lookups: 0,
    lookupAtMs: context.nowMs + SOON_MS * (1 + context.random()),
    provideAtMs: context.nowMs + SOON_MS * (1 + context.random()),
    isStored: false,
    lookingSinceMs: undefined,
    providingSinceMs: undefined,
  };
}

function nextOfState(state: MeetingState, isBusy: boolean): number {
  const whenIdle = isBusy ? Number.POSITIVE_INFINITY : 0;
  return Math.min(
    state.lookingSinceMs === undefined
      ? Math.max(state.lookupAtMs, whenIdle)
      : state.lookingSinceMs + LOST_MS,
    state.providingSinceMs === undefined
      ? Math.max(state.provideAtMs, whenIdle)
      : state.providingSinceMs + LOST_MS,
  );
}

function forgetLost(state: MeetingState, nowMs: number): void {
  if (nowMs - (state.lookingSinceMs ?? nowMs) >= LOST_MS) {
    state.lookingSinceMs = undefined;
  }
  if (nowMs - (state.providingSinceMs ?? nowMs) >= LOST_MS) {
    state.providingSinceMs = undefined;
  }
}

function jittered(intervalMs: number, context: LookupContext): number {
  return intervalMs * (0.75 + context.random() / 2);
}
