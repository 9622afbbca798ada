/**
 * Carries out what the directory wants: records over the exchange streams of their VLANs, public lists over streams of
 * their own that are opened for a browse and closed after it, and values in the DHT.
 *
 * Main thread. A stream of the public protocol that says nothing for a while is closed.
 */
import type { MessageStream, MessageStreams } from '../network/message-streams.ts';
import { Directory } from '../vlan/directory.ts';
import {
  type BrowsableVlan,
  DIRECTORY_PROTOCOL,
  type DirectoryEffect,
  type DirectoryInput,
} from '../vlan/directory-port.ts';
import type { SignedRecord } from '../vlan/vlan-record.ts';

/** Peers that are asked at a browse, and how long it waits for their lists. */
const BROWSED_MAX = 16;
const BROWSE_MS = 1_500;
/** A public stream lives as long as a browse takes. */
const PUBLIC_STREAM_MS = 15_000;
/** Streams that others have opened to look around here. */
const PUBLIC_STREAMS_MAX = 128;
/** Looked at this often: what is due there has minutes. */
const TICK_MAX_MS = 60_000;

/** Values of the DHT by a directory key. */
export interface DirectoryDht {
  /** @returns how many nodes took it */
  putValue(key: Uint8Array, value: Uint8Array): Promise<number>;
  getValue(key: Uint8Array): Promise<Uint8Array | undefined>;
}

/** What the driver drives. */
export interface DirectoryDriverParts {
  readonly streams: MessageStreams;
  readonly dht: DirectoryDht | undefined;
  /** Sends a record message over a VLAN's exchange stream. */
  send(vlan: string, peer: string, bytes: Uint8Array): void;
  /** A newer record of one of this node's VLANs, checked. */
  learn(record: SignedRecord): void;
  /** Peers whose public lists may be asked for. */
  peers(): readonly string[];
  /** Corrected by the peers' clocks. */
  unixMs(): number;
}

/** See the file's head. */
export class DirectoryDriver {
  readonly #parts: DirectoryDriverParts;
  readonly #directory = new Directory({ random: Math.random });
  readonly #public = new Map<string, MessageStream>();
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(parts: DirectoryDriverParts) {
    this.#parts = parts;
  }

  get counters(): ReadonlyMap<string, number> {
    return this.#directory.counters;
  }

  /** The id of an own VLAN, by its directory key in hex. */
  vlanOfKey(keyHex: string): Uint8Array | undefined {
    return this.#directory.idOfKey(keyHex);
  }

  /** Accepts those who browse. */
  async start(): Promise<void> {
    await this.#parts.streams.accept(DIRECTORY_PROTOCOL, (stream) => {
      if (this.#public.size < PUBLIC_STREAMS_MAX) this.#adopt(stream);
      else stream.close();
    });
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    for (const stream of this.#public.values()) stream.close();
  }

  input(input: DirectoryInput): void {
    if (this.#isStopped) return;
    for (const effect of this.#directory.handle(input, this.#parts.unixMs())) this.#perform(effect);
    clearTimeout(this.#timer);
    const dueMs = this.#directory.nextTimeoutMs() - this.#parts.unixMs();
    this.#timer = setTimeout(
      () => this.input({ kind: 'tick' }),
      Math.min(TICK_MAX_MS, Math.max(0, Math.ceil(dueMs))),
    );
  }

  /** Asks some peers for their lists, and gives what is known of public VLANs then. */
  async browse(): Promise<readonly BrowsableVlan[]> {
    const asked = this.#parts.peers().slice(0, BROWSED_MAX);
    await Promise.all(asked.map((peer) => this.#open(peer)));
    this.input({ kind: 'browse' });
    if (this.#public.size > 0) await new Promise((resolve) => setTimeout(resolve, BROWSE_MS));
    for (const peer of asked) this.#public.get(peer)?.close();
    return this.#directory.browse(this.#parts.unixMs());
  }

  async #open(peer: string): Promise<void> {
    if (this.#public.has(peer)) return;
    try {
      this.#adopt(await this.#parts.streams.open(peer, DIRECTORY_PROTOCOL, []));
    } catch {
      // Out of reach, or of an older release: its list is not seen.
    }
  }

  #adopt(stream: MessageStream): void {
    const { peer } = stream;
    this.#public.get(peer)?.close();
    this.#public.set(peer, stream);
    const timer = setTimeout(() => {
      stream.close();
    }, PUBLIC_STREAM_MS);
    stream.onMessage = (bytes) => {
      this.input({ kind: 'message', peer, vlan: null, bytes });
    };
    stream.onClose = () => {
      clearTimeout(timer);
      if (this.#public.get(peer) !== stream) return;
      this.#public.delete(peer);
      this.input({ kind: 'peer-down', peer, vlan: null });
    };
    this.input({ kind: 'peer-up', peer, vlan: null });
  }

  #perform(effect: DirectoryEffect): void {
    switch (effect.kind) {
      case 'send':
        if (effect.vlan === null) this.#public.get(effect.peer)?.send(effect.bytes);
        else this.#parts.send(effect.vlan, effect.peer, effect.bytes);
        return;
      case 'record':
        return this.#parts.learn(effect.record);
      case 'dht-put':
        void this.#parts.dht?.putValue(effect.key, effect.envelope).catch(() => undefined);
        return;
      case 'dht-get':
        void this.#get(effect.key);
    }
  }

  async #get(key: Uint8Array): Promise<void> {
    const envelope = await this.#parts.dht?.getValue(key).catch(() => undefined);
    this.input({ kind: 'found', key, envelope });
  }
}
