/**
 * The stations behind this node's own TAP, which it claims towards the other members.
 *
 * The TAP's own address is claimed for as long as the interface is there. Addresses learned behind it (a
 * bridge, containers) are claimed when a frame comes from them, and for as long as frames do. An own station
 * is *enforced* when others have had time to learn of the claim: from then on frames to it that were not
 * sealed for this node alone are refused.
 *
 * Main thread; no clock of its own.
 *
 * @see docs/protocol.md, "Sealed frame" (group-sealed frames to a claimed station)
 */
import { macNumber } from './station-claims.ts';
import { MEMBERSHIP_LIMIT, TIMING } from './timing.ts';

interface LocalStation {
  readonly mac: Uint8Array;
  readonly learned: boolean;
  claimedAtMs: number;
  announcedAtMs: number | undefined;
  enforced: boolean;
}

/** Claims of one VLAN on this node. */
export class LocalStations {
  readonly #stations = new Map<number, LocalStation>();

  has(mac: Uint8Array): boolean {
    return this.#stations.has(macNumber(mac));
  }

  /** Whether an address of ours stands behind the TAP, and is not the TAP's own. */
  isLearned(mac: Uint8Array): boolean {
    return this.#stations.get(macNumber(mac))?.learned ?? false;
  }

  /** Addresses as they are announced. */
  macs(): readonly Uint8Array[] {
    return [...this.#stations.values()].map((station) => station.mac);
  }

  /** @returns false when the limit of claims is reached */
  add(mac: Uint8Array, options: { readonly learned: boolean; readonly nowMs: number }): boolean {
    if (this.#stations.size >= MEMBERSHIP_LIMIT.macsPerMember && !this.has(mac)) {
      return false;
    }
    this.#stations.set(macNumber(mac), {
      mac,
      learned: options.learned,
      claimedAtMs: options.nowMs,
      announcedAtMs: undefined,
      enforced: !options.learned,
    });
    return true;
  }

  remove(mac: Uint8Array): boolean {
    return this.#stations.delete(macNumber(mac));
  }

  /** All claims have just been announced. */
  announced(nowMs: number): void {
    for (const station of this.#stations.values()) {
      station.announcedAtMs ??= nowMs;
    }
  }

  /** Stations that are enforced from now. */
  enforceDue(nowMs: number): readonly Uint8Array[] {
    const due = [...this.#stations.values()].filter(
      (station) =>
        !station.enforced &&
        station.announcedAtMs !== undefined &&
        nowMs >= station.announcedAtMs + TIMING.enforceDelayMs,
    );
    for (const station of due) {
      station.enforced = true;
    }
    return due.map((station) => station.mac);
  }

  /** Learned stations from which no frame came for too long. */
  aged(nowMs: number, lastSeenMs: (mac: Uint8Array) => number | undefined): readonly Uint8Array[] {
    return [...this.#stations.values()]
      .filter((station) => station.learned && nowMs - lastHeard(station, lastSeenMs) > TIMING.stationAgeMs)
      .map((station) => station.mac);
  }

  /**
   * Whether a station stays ours although another member claims it: the TAP's own does, and a learned one
   * from which a frame came a moment ago. A silent one has moved to the other member.
   */
  holds(mac: Uint8Array, nowMs: number, lastSeenMs: (mac: Uint8Array) => number | undefined): boolean {
    const station = this.#stations.get(macNumber(mac));
    if (station === undefined) {
      return false;
    }
    return !station.learned || nowMs - lastHeard(station, lastSeenMs) <= TIMING.stationHoldMs;
  }
}

function lastHeard(station: LocalStation, lastSeenMs: (mac: Uint8Array) => number | undefined): number {
  return Math.max(station.claimedAtMs, lastSeenMs(station.mac) ?? 0);
}
