/**
 * Records of public VLANs that others told of: a bounded table that forgets what nobody vouches for any more.
 *
 * Main thread; pure, on the caller's clock. A source that tells of many cannot push out what others told: it loses its
 * own first.
 */
import { directoryKey } from './envelope.ts';
import { isNewer, type SignedRecord } from './vlan-record.ts';

/** Limits, each with its reason. */
export const PUBLIC_LIMIT = {
  /** What a person can look through; at most 16 MiB. */
  records: 1_024,
  /** One peer's share. */
  perSource: 256,
  /** A record that no member vouched for in so long is of a VLAN that is gone. */
  lifeMs: 86_400_000,
} as const;

/** A record, and since when and from whom it is known. */
export interface PublicRecord {
  readonly signed: SignedRecord;
  /** Its directory key, hex. */
  readonly key: string;
  readonly envelope: Uint8Array;
  /** PeerId. */
  readonly source: string;
  /** When a member vouched for it, as far as is known. */
  readonly vouchedAtMs: number;
}

/** See the file's head. */
export class PublicRecords {
  readonly #records = new Map<string, PublicRecord>();

  /** By ascending key. */
  all(): readonly PublicRecord[] {
    return [...this.#records.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  find(key: string): PublicRecord | undefined {
    return this.#records.get(key);
  }

  /** Whether the very envelope is here already; then only its age may be news. */
  refresh(envelope: Uint8Array, key: string, vouchedAtMs: number): boolean {
    const present = this.#records.get(key);
    if (present === undefined || Buffer.compare(present.envelope, envelope) !== 0) return false;
    if (vouchedAtMs > present.vouchedAtMs) this.#records.set(key, { ...present, vouchedAtMs });
    return true;
  }

  /** Takes a record. @returns whether it was kept: newer than the one before, and with room in its source's share */
  put(record: Omit<PublicRecord, 'key'>, nowMs: number): boolean {
    const key = Buffer.from(directoryKey(record.signed.idBytes)).toString('hex');
    const present = this.#records.get(key);
    if (!isNewer(record.signed, present?.signed)) return false;
    if (present === undefined && !this.#makeRoom(record.source, nowMs)) return false;
    this.#records.set(key, { ...record, key });
    return true;
  }

  remove(key: string): void {
    this.#records.delete(key);
  }

  /** Drops what nobody has vouched for lately. */
  expire(nowMs: number): void {
    for (const [key, { vouchedAtMs }] of this.#records) {
      if (nowMs - vouchedAtMs > PUBLIC_LIMIT.lifeMs) this.#records.delete(key);
    }
  }

  /** The source with the most gives way, unless it is the one that asks. */
  #makeRoom(source: string, nowMs: number): boolean {
    if (this.#records.size >= PUBLIC_LIMIT.records) this.expire(nowMs);
    const shares = new Map<string, number>();
    for (const record of this.#records.values()) {
      shares.set(record.source, (shares.get(record.source) ?? 0) + 1);
    }
    const own = shares.get(source) ?? 0;
    if (own >= PUBLIC_LIMIT.perSource) return false;
    if (this.#records.size < PUBLIC_LIMIT.records) return true;
    const [largest, count] = [...shares].reduce(
      (left, right) => (right[1] > left[1] ? right : left),
      ['', 0],
    );
    if (count <= own + 1) return false;
    const victim = [...this.#records.values()].find((record) => record.source === largest);
    if (victim !== undefined) this.#records.delete(victim.key);
    return true;
  }
}
