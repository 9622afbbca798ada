/**
 * One VLAN for whoever looks into it: the way to a station, echoes on their way out and in, its segments.
 *
 * Main thread only.
 */
import { randomBytes } from 'node:crypto';
import { INITIAL_HOPS, KIND_ECHO, NONE } from '../../dataplane/shm/layout.ts';
import { controlWord } from '../../dataplane/wire/link-datagram.ts';
import { ECHO_CLASS, EchoOutlet, openEcho } from '../echo/echo-outlet.ts';
import { formatPeerId } from '../identity/peer-id.ts';
import type { SealHeader } from '../membership/control-seal.ts';
import type { Epoch, EpochId } from '../membership/epoch.ts';
import type { MemberId } from '../membership/membership-port.ts';
import { keyOf } from '../token/route-message.ts';
import { stationToken } from '../token/token.ts';
import type { Injector } from './injector.ts';
import type { VlanStations } from './vlan-stations.ts';
import type { VlanWays } from './vlan-ways.ts';

/** How a station is reached now. */
export interface InsideWay {
  /** Under which its holder opens. */
  readonly epoch: Epoch;
  /** The station's, of the present period. */
  readonly token: Uint8Array;
  /** Trunk slot, or NONE. */
  readonly trunk: number;
}

/** An echo that was opened. */
export interface InsideEcho {
  readonly leaf: number;
  /** Whose leaf it is; undefined in an open VLAN, where the roster is not the epoch's. */
  readonly peer: string | undefined;
  readonly body: Uint8Array;
}

/** One live epoch as the fabric sees it. */
export interface InsideSegment {
  /** In hexadecimal. */
  readonly segment: string;
  /** Number of the epoch. */
  readonly epoch: number;
  /** Live members by PeerId, each with the name (nonce) under which it announces, in hexadecimal. */
  readonly announcers: ReadonlyMap<string, string>;
}

/** What is looked at. */
export interface VlanInsideParts {
  readonly injector: Pick<Injector, 'sealed'>;
  readonly stations: Pick<VlanStations, 'holderOf'>;
  readonly ways: Pick<VlanWays, 'to' | 'peerOf' | 'announcers'>;
  /** A worker that runs. */
  anyWorker(): number;
  /** Live epochs. */
  epochs(): readonly Epoch[];
  /** What is sealed to a member under; undefined before the first epoch. */
  sendingTo(member: MemberId): { readonly secrets: Epoch; readonly period: number } | undefined;
}

/** See the file's head. */
export class VlanInside {
  readonly #parts: VlanInsideParts;
  readonly #outlet = new EchoOutlet((count) => new Uint8Array(randomBytes(count)));

  constructor(parts: VlanInsideParts) {
    this.#parts = parts;
  }

  /** The live member that announced a station. */
  holderOf(mac: Uint8Array): string | undefined {
    const member = this.#parts.stations.holderOf(mac);
    return member === undefined ? undefined : this.#parts.ways.peerOf(member);
  }

  /** @returns undefined when the station is nobody's, or nothing is sealed yet */
  wayTo(mac: Uint8Array): InsideWay | undefined {
    const member = this.#parts.stations.holderOf(mac);
    const sending = member === undefined ? undefined : this.#parts.sendingTo(member);
    if (member === undefined || sending === undefined) return undefined;
    const { secrets, period } = sending;
    const { trunk } = this.#parts.ways.to(member, secrets);
    return { epoch: secrets, token: stationToken(secrets, period, mac), trunk };
  }

  /**
   * Seals an echo for a station, and gives it to a worker that sends it on the way of the station's frames.
   *
   * @returns false when there is no way, or the worker's ring is full
   */
  sendEcho(mac: Uint8Array, body: Uint8Array): boolean {
    const way = this.wayTo(mac);
    if (way === undefined || way.trunk === NONE) return false;
    const control = controlWord(KIND_ECHO, 0, INITIAL_HOPS, ECHO_CLASS);
    const payload = this.#outlet.seal(way.epoch, way.token, body);
    return this.#parts.injector.sealed(this.#parts.anyWorker(), { trunk: way.trunk }, control, payload);
  }

  /** Opens an echo that came in. @returns undefined when it was not sealed so */
  openEcho(epoch: EpochId, header: SealHeader, payload: Uint8Array): InsideEcho | undefined {
    const secrets = this.#parts.epochs().find(({ id }) => id === epoch);
    const opened = secrets && openEcho(secrets, payload, header);
    return opened && { ...opened, peer: peerIn(secrets, opened.leaf) };
  }

  segments(): readonly InsideSegment[] {
    return this.#parts.epochs().map((epoch) => ({
      segment: keyOf(epoch.segment.id),
      epoch: epoch.number,
      announcers: this.#parts.ways.announcers(epoch),
    }));
  }
}

/** Whose leaf it is in the group's epoch. */
function peerIn({ roster }: Epoch, leaf: number): string | undefined {
  for (const [key, each] of roster ?? []) {
    if (each === leaf) return formatPeerId(new Uint8Array(Buffer.from(key, 'latin1')));
  }
  return undefined;
}
