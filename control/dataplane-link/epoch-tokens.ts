/**
 * The tokens that one VLAN receives, of all its epochs: an open VLAN's epoch has those of its day's periods, a private
 * one's those of each live period for as long as it lives.
 *
 * Main thread only.
 *
 * @see docs/protocol.md, "Tokens"
 */
import type { EpochId } from '../membership/epoch.ts';
import { macNumber } from '../membership/station-claims.ts';
import type { TokenSecrets } from '../token/token.ts';
import type { EpochKeys } from '../vlan/epoch-keys.ts';
import type { TokenDeriver } from './station-tokens.ts';
import type { TokenTable } from './token-table.ts';
import { VlanTokens } from './vlan-tokens.ts';

/** Of an epoch's secrets, those that it takes to receive and to announce. */
export type ReceivedSecrets = TokenSecrets & Pick<EpochKeys, 'segment' | 'controlKey'>;

/** An epoch as tokens have it. */
export interface ReceivedEpoch {
  readonly slot: number;
  readonly secrets: ReceivedSecrets;
  /** The UTC day whose periods are its; undefined: all. */
  readonly day: number | undefined;
}

/** Routes that are received under an epoch, 16 bytes each. */
export interface ReceivedRoutes {
  readonly id: EpochId;
  readonly secrets: ReceivedSecrets;
  readonly routes: readonly Uint8Array[];
}

interface Entry {
  readonly epoch: ReceivedEpoch;
  readonly tokens: VlanTokens;
}

/** See the file's head. */
export class EpochTokens {
  readonly #create: () => VlanTokens;
  readonly #epochs = new Map<EpochId, Entry>();
  readonly #stations = new Map<number, Uint8Array>();
  #groups: ReadonlyMap<number, Uint8Array> = new Map();
  /** Rises with each change of what is received. */
  changes = 0;

  constructor(table: TokenTable, periodSeconds: number, derive: TokenDeriver | undefined) {
    this.#create = () => new VlanTokens(table, periodSeconds, derive);
  }

  add(id: EpochId, epoch: ReceivedEpoch, unixMs: number): void {
    const tokens = this.#create();
    for (const mac of this.#stations.values()) {
      tokens.addStation(mac);
    }
    tokens.addGroups([...this.#groups.values()]);
    const entry = { epoch, tokens };
    this.#epochs.set(id, entry);
    roll(entry, unixMs);
    this.changes++;
  }

  /** What is received under each epoch, as neighbours are told of it. */
  received(): readonly ReceivedRoutes[] {
    return [...this.#epochs].map(([id, { epoch, tokens }]) => ({
      id,
      secrets: epoch.secrets,
      routes: tokens.routes(),
    }));
  }

  remove(id: EpochId): void {
    this.#epochs.get(id)?.tokens.clear();
    this.#epochs.delete(id);
    this.changes++;
  }

  /** Receives what is live now, and nothing else. */
  roll(unixMs: number): void {
    for (const entry of this.#epochs.values()) {
      roll(entry, unixMs);
    }
    this.changes++;
  }

  /** Receives frames to an own station. */
  addStation(mac: Uint8Array): void {
    if (this.#stations.has(macNumber(mac))) {
      return;
    }
    this.#stations.set(macNumber(mac), mac);
    this.#each((tokens) => {
      tokens.addStation(mac);
    });
  }

  removeStation(mac: Uint8Array): void {
    this.#stations.delete(macNumber(mac));
    this.#each((tokens) => {
      tokens.removeStation(mac);
    });
  }

  /** Receives exactly these multicast groups. @param macs - 6 bytes each */
  setGroups(macs: readonly Uint8Array[]): void {
    const wanted = new Map(macs.map((mac) => [macNumber(mac), mac]));
    const added = [...wanted].filter(([key]) => !this.#groups.has(key));
    const gone = [...this.#groups].filter(([key]) => !wanted.has(key));
    if (added.length + gone.length === 0) {
      return;
    }
    this.#groups = wanted;
    this.#each((tokens) => {
      tokens.addGroups(added.map(([, mac]) => mac));
      for (const [, mac] of gone) {
        tokens.removeGroup(mac);
      }
    });
  }

  /** Receives nothing any more. */
  clear(): void {
    for (const id of [...this.#epochs.keys()]) {
      this.remove(id);
    }
  }

  #each(change: (tokens: VlanTokens) => void): void {
    this.changes++;
    for (const { tokens } of this.#epochs.values()) {
      change(tokens);
    }
  }
}

function roll({ epoch, tokens }: Entry, unixMs: number): void {
  tokens.roll(unixMs, (day) => (epoch.day === undefined || epoch.day === day ? epoch : undefined));
}
