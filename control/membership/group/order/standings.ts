/**
 * Who has been put out, and who was let in again after it: for each such peer the latest credential of an admin.
 *
 * A peer without an entry was never put out: it is in good standing if it is a member or shows an admission. Entries
 * only ever give way to later ones of the same peer; of equal sequence the tombstone holds. When the table is full
 * the oldest entries go, and an admission older than all that are left holds no more, so that nobody whose
 * tombstone went can come back.
 *
 * Main thread and simulation; immutable.
 */
import { type Credential, decodeCredential, isInForce } from '../../../admission/credentials.ts';
import { ORDER_LIMIT } from './order-port.ts';

/** A credential and its bytes. */
export interface Standing {
  readonly credential: Credential;
  readonly bytes: Uint8Array;
  /** As gossip carries it; made when first asked for. */
  item?: Uint8Array;
}

/** See the file's head. */
export class Standings {
  static readonly none = new Standings(new Map());
  readonly entries: ReadonlyMap<string, Standing>;
  /** Admissions below this are void. */
  readonly floor: number;

  constructor(entries: ReadonlyMap<string, Standing>) {
    this.entries = entries;
    this.floor = entries.size < ORDER_LIMIT.standings ? 0 : leastSequence(entries);
  }

  /** Whether the peer is put out. */
  isOut(peer: string): boolean {
    return this.entries.get(peer)?.credential.kind === 'tombstone';
  }

  /** Whether this admission holds against all that is known. */
  allows(admission: Credential): boolean {
    const standing = this.entries.get(admission.peer)?.credential;
    if (admission.kind !== 'admission' || admission.sequence < this.floor) return false;
    return standing?.kind === 'tombstone' ? isInForce(admission, standing) : true;
  }

  /** Whether a credential would change anything: a tombstone always, an admission only after a tombstone. */
  isNews(credential: Credential): boolean {
    const known = this.entries.get(credential.peer)?.credential;
    if (known === undefined) return credential.kind === 'tombstone' && credential.sequence >= this.floor;
    return supersedes(credential, known);
  }

  /** With a credential, when it is news. */
  with(standing: Standing): Standings {
    return this.merged([standing]);
  }

  /** With what is later in `others`. */
  merged(others: Iterable<Standing>): Standings {
    const entries = new Map(this.entries);
    let changed = false;
    for (const other of others) {
      if (!this.isNews(other.credential)) continue;
      const known = entries.get(other.credential.peer)?.credential;
      if (known !== undefined && !supersedes(other.credential, known)) continue;
      entries.set(other.credential.peer, other);
      changed = true;
    }
    if (!changed) return this;
    while (entries.size > ORDER_LIMIT.standings) entries.delete(oldest(entries));
    return new Standings(entries);
  }

  /** Whether each entry of `other` is here, or something later. */
  covers(other: Standings): boolean {
    for (const { credential } of other.entries.values()) {
      if (this.isNews(credential)) return false;
    }
    return true;
  }

  /** By the peer's name, so that equal tables have equal bytes. */
  sorted(): readonly Standing[] {
    return [...this.entries].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, standing]) => standing);
  }
}

/** A standing of credential bytes that are known to hold; undefined when they are none. */
export function standingOf(bytes: Uint8Array): Standing | undefined {
  const credential = decodeCredential(bytes);
  return credential === undefined ? undefined : { credential, bytes };
}

function supersedes(one: Credential, known: Credential): boolean {
  if (one.sequence !== known.sequence) return one.sequence > known.sequence;
  return one.kind === 'tombstone' && known.kind === 'admission';
}

function oldest(entries: ReadonlyMap<string, Standing>): string {
  const least = leastSequence(entries);
  // Of equal ones the first name, so that all members drop the same.
  const names = [...entries]
    .filter(([, { credential }]) => credential.sequence === least)
    .map(([peer]) => peer);
  return names.sort()[0] ?? '';
}

function leastSequence(entries: ReadonlyMap<string, Standing>): number {
  let least = Number.MAX_SAFE_INTEGER;
  for (const { credential } of entries.values()) least = Math.min(least, credential.sequence);
  return least;
}
