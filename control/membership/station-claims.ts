/**
 * Who has which MAC address, when several members say so.
 *
 * An address belongs to the member whose claim stood first; later claims wait, and the oldest of them takes
 * over when the holder's claim ends. So a member cannot take a live station from another one by claiming it.
 * A station that moves is handed over by its old holder, who has heard nothing of it behind his own TAP and
 * ends his claim when he hears the new one (see local-stations.ts). What stands behind our own TAP is ours.
 * Where hosts may move as they like (`movingHosts: 'allow'`), a new claim goes before those of other members.
 *
 * Main thread; no clock, no I/O.
 */
import type { MemberId } from './membership-port.ts';

/** Stands for this node among the claimants. */
export const OWN_CLAIM = 0;

/** Who holds an address after a change; `undefined`: nobody. Absent when nothing changed. */
export interface HolderChange {
  readonly mac: Uint8Array;
  readonly holder: MemberId | undefined;
}

interface Claim {
  readonly mac: Uint8Array;
  /** Claimants, the holder first. */
  readonly claimants: MemberId[];
}

/** The 48 bits of a MAC as a number, for use as a key. */
export function macNumber(mac: Uint8Array): number {
  let value = 0;
  for (const byte of mac) {
    value = value * 256 + byte;
  }
  return value;
}

/** Whether an address can be a station's: no group address, not all zero. */
export function isStationMac(mac: Uint8Array): boolean {
  return ((mac[0] ?? 1) & 1) === 0 && mac.some((byte) => byte !== 0);
}

/** Claims of one VLAN; see the file's head. */
export class StationClaims {
  readonly #claims = new Map<number, Claim>();

  /** Who holds an address. */
  holder(mac: Uint8Array): MemberId | undefined {
    return this.#claims.get(macNumber(mac))?.claimants[0];
  }

  /** A member claims an address. @param options - takesOver: before the other members that claim it */
  add(
    mac: Uint8Array,
    member: MemberId,
    options: { readonly takesOver: boolean } = { takesOver: false },
  ): HolderChange | undefined {
    const claim = this.#claims.get(macNumber(mac));
    if (claim === undefined) {
      this.#claims.set(macNumber(mac), { mac, claimants: [member] });
      return { mac, holder: member };
    }
    const { claimants } = claim;
    if (claimants.includes(member)) {
      return undefined;
    }
    if (!options.takesOver) {
      claimants.push(member);
      return undefined;
    }
    const at = claimants[0] === OWN_CLAIM ? 1 : 0;
    claimants.splice(at, 0, member);
    return at === 0 ? { mac, holder: member } : undefined;
  }

  /** A frame from this address came in on our own TAP: it is ours, whoever else claims it. */
  addOwn(mac: Uint8Array): HolderChange | undefined {
    const claim = this.#claims.get(macNumber(mac));
    if (claim === undefined) {
      return this.add(mac, OWN_CLAIM);
    }
    if (claim.claimants[0] === OWN_CLAIM) {
      return undefined;
    }
    claim.claimants.unshift(OWN_CLAIM);
    return { mac, holder: OWN_CLAIM };
  }

  /** A claim has ended. */
  remove(mac: Uint8Array, member: MemberId): HolderChange | undefined {
    const key = macNumber(mac);
    const claim = this.#claims.get(key);
    const index = claim?.claimants.indexOf(member) ?? -1;
    if (claim === undefined || index < 0) {
      return undefined;
    }
    claim.claimants.splice(index, 1);
    if (claim.claimants.length === 0) {
      this.#claims.delete(key);
    }
    return index === 0 ? { mac, holder: claim.claimants[0] } : undefined;
  }
}
