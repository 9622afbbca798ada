/**
 * Where the DHT keeps what others gave it: provider records and values, in memory, bounded.
 *
 * libp2p's own store in memory has no limit, and whoever can reach this node can fill it. Here the oldest leave, and a
 * provider record is forgotten before libp2p forgets its peer's addresses, without which it would only be in the way.
 *
 * Main thread. Only what kad-dht asks of a datastore is here.
 */
import { Record as DhtRecord, type KadDHTComponents } from '@libp2p/kad-dht';

type Datastore = KadDHTComponents['datastore'];
type Key = Parameters<Datastore['get']>[0];
type Pair = ReturnType<Datastore['query']> extends Generator<infer P> | AsyncGenerator<infer P> ? P : never;

/** Provider records: a thousand VLANs of a few members, three days each; some 150 bytes of memory a record. */
const PROVIDERS_MAX = 16_384;
/** Values: directory envelopes of a thousand public VLANs. */
const VALUES_MAX = 1_024;
/** The largest value that is kept. */
const VALUE_MAX_BYTES = 65_536;
/** Said anew every 40 minutes by those who are there. */
const PROVIDER_LIFE_MS = 2 * 3_600_000;
const VALUE_LIFE_MS = 48 * 3_600_000;

interface Entry extends Pair {
  readonly storedMs: number;
}

/** Which of two values of a key stays. */
export type PickValue = (key: Uint8Array, stored: Uint8Array, offered: Uint8Array) => 'stored' | 'offered';

/** See the file's head. */
export class DhtStore implements Datastore {
  readonly #providers = new Map<string, Entry>();
  readonly #values = new Map<string, Entry>();
  readonly #nowMs: () => number;
  readonly #pick: PickValue;

  constructor(options: { readonly nowMs: () => number; readonly pick: PickValue }) {
    this.#nowMs = options.nowMs;
    this.#pick = options.pick;
  }

  /** How much is kept, for tests of bounded memory. */
  sizes(): { readonly providers: number; readonly values: number } {
    return { providers: this.#providers.size, values: this.#values.size };
  }

  has(key: Key): boolean {
    return this.#find(key) !== undefined;
  }

  put(key: Key, value: Uint8Array): Key {
    const isValue = isValueKey(key);
    if (isValue && (value.length > VALUE_MAX_BYTES || !this.#isWanted(key, value))) {
      return key;
    }
    const table = isValue ? this.#values : this.#providers;
    const name = key.toString();
    table.delete(name);
    if (table.size >= (isValue ? VALUES_MAX : PROVIDERS_MAX)) {
      table.delete(table.keys().next().value ?? '');
    }
    table.set(name, { key, value, storedMs: this.#nowMs() });
    return key;
  }

  *putMany(source: Iterable<Pair>): Generator<Key> {
    for (const { key, value } of source) {
      yield this.put(key, value);
    }
  }

  get(key: Key): Uint8Array {
    const entry = this.#find(key);
    if (entry === undefined) {
      // kad-dht tells what is not there from what is broken by this name.
      throw Object.assign(new Error(`${key.toString()} is not stored`), { name: 'NotFoundError' });
    }
    return entry.value;
  }

  *getMany(source: Iterable<Key>): Generator<Pair> {
    for (const key of source) {
      yield { key, value: this.get(key) };
    }
  }

  delete(key: Key): void {
    this.#table(key).delete(key.toString());
  }

  *deleteMany(source: Iterable<Key>): Generator<Key> {
    for (const key of source) {
      this.delete(key);
      yield key;
    }
  }

  *query(query: { readonly prefix?: string }): Generator<Pair> {
    const prefix = query.prefix ?? '/';
    for (const table of [this.#providers, this.#values]) {
      for (const [name, entry] of table) {
        if (this.#isOld(entry)) {
          table.delete(name);
        } else if (name.startsWith(prefix)) {
          yield { key: entry.key, value: entry.value };
        }
      }
    }
  }

  *queryKeys(query: { readonly prefix?: string }): Generator<Key> {
    for (const { key } of this.query(query)) {
      yield key;
    }
  }

  batch(): ReturnType<Datastore['batch']> {
    const writes: (() => void)[] = [];
    return {
      put: (key: Key, value: Uint8Array) => writes.push(() => this.put(key, value)),
      delete: (key: Key) => {
        writes.push(() => {
          this.delete(key);
        });
      },
      commit: () => {
        for (const write of writes) {
          write();
        }
      },
    };
  }

  /** kad-dht itself lets any valid value take the place of any other, an older one of a newer. */
  #isWanted(key: Key, value: Uint8Array): boolean {
    const stored = this.#find(key);
    if (stored === undefined) {
      return true;
    }
    try {
      const [before, after] = [DhtRecord.deserialize(stored.value), DhtRecord.deserialize(value)];
      return this.#pick(after.key, before.value, after.value) === 'offered';
    } catch {
      return false;
    }
  }

  #find(key: Key): Entry | undefined {
    const entry = this.#table(key).get(key.toString());
    return entry === undefined || this.#isOld(entry) ? undefined : entry;
  }

  #isOld({ key, storedMs }: Entry): boolean {
    return this.#nowMs() - storedMs >= (isValueKey(key) ? VALUE_LIFE_MS : PROVIDER_LIFE_MS);
  }

  #table(key: Key): Map<string, Entry> {
    return isValueKey(key) ? this.#values : this.#providers;
  }
}

/** kad-dht's own layout: `<prefix>/record/…` and `<prefix>/provider/…`. */
function isValueKey(key: Key): boolean {
  return key.toString().includes('/record/');
}
