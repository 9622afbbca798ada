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
import { createSocket } from 'node:dgram';
import { mdns } from '@libp2p/mdns';
import type { OnFound } from '../discovery/discovery-network.ts';

export type MdnsComponents = Parameters<ReturnType<typeof mdns>>[0];
type Library = ReturnType<ReturnType<typeof mdns>> & { start(): Promise<void>; stop(): Promise<void> };

/** RFC 6762 §3. */
const GROUP = '224.0.0.251';
const GROUP_PORT = 5353;
const SERVICE_TAG = '_peertap._udp.local';
/** The longest that a timer takes: the library never asks by itself. */
const NEVER_MS = 2 ** 31 - 1;

/** See the file's head. Its methods are not called `start` and `stop`: libp2p would call them. */
export class MdnsLan {
  readonly #components: MdnsComponents;
  #library: Library | undefined;
  #onFound: OnFound | undefined;
  #onNoRoute: () => void = () => undefined;
  #isRouted = true;
  /** One change after the other: a socket that is being closed still holds its memberships. */
  #last: Promise<void> = Promise.resolve();

  constructor(components: MdnsComponents) {
    this.#components = components;
  }

  /**
   * Answers and listens from now on, and asks once.
   *
   * @param onNoRoute - called when the machine has no way by which a question can leave; once until it is mended
   */
  open(onFound: OnFound, onNoRoute: () => void): Promise<void> {
    this.#onNoRoute = onNoRoute;
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
    const isRouted = await hasRoute();
    if (!isRouted && this.#isRouted) {
      this.#onNoRoute();
    }
    this.#isRouted = isRouted;
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

/** Connecting a datagram socket looks for a route and sends nothing. */
function hasRoute(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.connect(GROUP_PORT, GROUP, (...failure: unknown[]) => {
      socket.close();
      resolve(failure.length === 0 || failure[0] === undefined || failure[0] === null);
    });
  });
}
