/**
 * Finding other nodes on the LAN by multicast DNS, under a service tag of our own.
 *
 * The library asks at a fixed interval. Here it is asked when discovery says so: it is started anew for each question,
 * since it asks when it starts; in between it only answers. An answer has the node's PeerId and addresses, nothing of
 * its VLANs. The name in it is random and another one after each question.
 *
 * Main thread.
 *
 * @see RFC 6762; libp2p specs, discovery/mdns.md
 */
import { mdns } from '@libp2p/mdns';
import type { OnFound } from '../discovery/discovery-network.ts';

export type MdnsComponents = Parameters<ReturnType<typeof mdns>>[0];
type Library = ReturnType<ReturnType<typeof mdns>> & { start(): Promise<void>; stop(): Promise<void> };

const SERVICE_TAG = '_peertap._udp.local';
/** The longest that a timer takes: the library never asks by itself. */
const NEVER_MS = 2 ** 31 - 1;

/** See the file's head. Its methods are not called `start` and `stop`: libp2p would call them. */
export class MdnsLan {
  readonly #components: MdnsComponents;
  #library: Library | undefined;
  #onFound: OnFound | undefined;
  /** One change after the other: a socket that is being closed still holds its memberships. */
  #last: Promise<void> = Promise.resolve();

  constructor(components: MdnsComponents) {
    this.#components = components;
  }

  /** Answers and listens from now on, and asks once. */
  open(onFound: OnFound): Promise<void> {
    return this.#next(async () => {
      this.#onFound = onFound;
      await this.#restart();
    });
  }

  /** Asks once; nothing when it is not open. */
  ask(): Promise<void> {
    return this.#next(async () => {
      if (this.#onFound !== undefined) {
        await this.#restart();
      }
    });
  }

  end(): Promise<void> {
    return this.#next(async () => {
      this.#onFound = undefined;
      await this.#close();
    });
  }

  async #restart(): Promise<void> {
    await this.#close();
    const library = mdns({ serviceTag: SERVICE_TAG, interval: NEVER_MS })(this.#components) as Library;
    library.addEventListener('peer', ({ detail }) => {
      const { id, multiaddrs } = detail;
      this.#onFound?.([{ peer: id.toString(), addresses: multiaddrs.map((address) => address.toString()) }]);
    });
    await library.start();
    this.#library = library;
  }

  async #close(): Promise<void> {
    const library = this.#library;
    this.#library = undefined;
    await library?.stop();
  }

  #next(step: () => Promise<void>): Promise<void> {
    // Port 5353 held by another, no interface: the library says so to its own log, and nobody is found.
    this.#last = this.#last.then(step).catch(() => undefined);
    return this.#last;
  }
}
