/**
 * The TAP interfaces of the VLANs: made, configured by rtnetlink, given to workers queue by queue, and removed.
 *
 *   open queues ─▶ MAC, MTU, queue length, up ─▶ addresses ─▶ each worker its queues
 *   take queues from workers ─▶ they have passed a turn with another set ─▶ close: the interface is gone
 *
 * Main thread only. An interface lives as long as its descriptors: a daemon that dies leaves none behind.
 */

import { type InterfaceAddress, RouteNetlink } from '../../dataplane/io/rtnetlink.ts';
import { closeTapQueues, openTapDevice, type TapDevice } from '../../dataplane/io/tap-device.ts';
import { LIMIT } from '../../dataplane/shm/layout.ts';
import type { MulticastMode } from '../multicast/multicast-mode.ts';
import { keyedHash } from '../vlan/hash.ts';
import type { PathPolicy } from '../vlan/path-policy.ts';
import type { Quiescence } from './quiescence.ts';

/** Frames that may wait for a worker in each queue: a TAP's own default, so that a burst of small frames fits. */
const TRANSMIT_QUEUE_FRAMES = 1_000;
/**
 * 44 pieces of a 1,472-byte path, which is what one GSO send takes: a full 64 KiB would leave a rest of four that costs
 * a send, a receive, a write and an acknowledgement of its own.
 */
const SUPER_FRAME_BYTES = 59_114;
/** Descriptors for TAP queues up to which each worker gets several of an interface: a quarter of the least hard limit in use (4,096). */
const SEVERAL_QUEUES_BUDGET = 1_024;
const MAC_LABEL = new TextEncoder().encode('peertap tap mac v1');
const MAC_BYTES = 6;
const LOCALLY_ADMINISTERED = 0x02;
const GROUP_BIT = 0x01;

/** An interface to make. */
export interface TapRequest {
  readonly name: string;
  /** Such as `10.7.0.1/24`. */
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
  /** 6 bytes. */
  readonly mac: Uint8Array;
  readonly multicast: MulticastMode;
  readonly paths: PathPolicy;
  readonly treeRank: number;
}

/** An interface that is there. */
export interface TapInterface {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly tso: boolean;
  readonly uso: boolean;
  readonly fds: readonly number[];
}

/** What the link works on. */
export interface TapLinkParts {
  readonly workerCount: number;
  readonly quiescence: Quiescence;
  readonly offloads: { readonly tso: boolean; readonly uso: boolean };
  attach(worker: number, vlan: number, fds: readonly number[]): void;
  detach(worker: number, vlan: number): void;
}

/**
 * The MAC of this node's interface in a VLAN: the same after each start, and unlinkable between VLANs.
 *
 * @param nodeSecret - 32 bytes
 * @param vlanId - 16 bytes
 * @see IEEE 802-2014 §8.4 (locally administered addresses)
 */
export function interfaceMac(nodeSecret: Uint8Array, vlanId: Uint8Array): Uint8Array {
  const mac = keyedHash(nodeSecret, MAC_LABEL, vlanId).slice(0, MAC_BYTES);
  mac[0] = ((mac[0] ?? 0) | LOCALLY_ADMINISTERED) & ~GROUP_BIT;
  return mac;
}

/** See the file's head. */
export class TapLink {
  readonly #parts: TapLinkParts;
  /** Open queues of all interfaces. */
  #descriptors = 0;

  constructor(parts: TapLinkParts) {
    this.#parts = parts;
  }

  /**
   * Makes an interface, and gives its queues to the workers.
   *
   * @param vlan - slot of its VLAN
   * @throws SystemError when the kernel refuses; nothing is left behind then
   */
  open(vlan: number, request: TapRequest): TapInterface {
    const { workerCount, offloads } = this.#parts;
    const queuesPerWorker = this.#queuesPerWorker();
    const device = openTapDevice(request.name, { queues: workerCount * queuesPerWorker, ...offloads });
    try {
      configure(request);
    } catch (error) {
      closeTapQueues(device.fds);
      throw error;
    }
    for (let worker = 0; worker < workerCount; worker++) {
      const first = worker * queuesPerWorker;
      this.#parts.attach(worker, vlan, device.fds.slice(first, first + queuesPerWorker));
    }
    this.#descriptors += device.fds.length;
    return describe(device, request);
  }

  /** Changes addresses and MTU of an interface that stays. @throws SystemError when the kernel refuses */
  change(before: TapRequest, after: TapRequest): void {
    const netlink = new RouteNetlink();
    try {
      netlink.changeLink(after.name, { mtuBytes: after.mtuBytes });
      for (const address of before.addresses.filter((old) => !after.addresses.includes(old))) {
        netlink.removeAddress(after.name, parseAddress(address));
      }
      for (const address of after.addresses.filter((added) => !before.addresses.includes(added))) {
        netlink.addAddress(after.name, parseAddress(address));
      }
    } finally {
      netlink.close();
    }
  }

  /** Several, so that a flow rarely waits behind another one's; one, where a daemon has so many VLANs that it would need too many descriptors. */
  #queuesPerWorker(): number {
    const wanted = LIMIT.tapQueues * this.#parts.workerCount;
    return this.#descriptors + wanted <= SEVERAL_QUEUES_BUDGET ? LIMIT.tapQueues : 1;
  }

  /** Takes an interface from the workers and removes it; @returns when it is gone */
  close(vlan: number, tap: TapInterface): Promise<void> {
    for (let worker = 0; worker < this.#parts.workerCount; worker++) {
      this.#parts.detach(worker, vlan);
    }
    this.#descriptors -= tap.fds.length;
    const { quiescence } = this.#parts;
    return new Promise((resolve) => {
      // One turn to come out of the wait with the old set, and one to wait with the new.
      quiescence.retire(() => {
        quiescence.retire(() => {
          closeTapQueues(tap.fds);
          resolve();
        });
      });
    });
  }
}

/** Reads an address such as `10.7.0.1/24`; the config has checked it. */
export function parseAddress(text: string): InterfaceAddress {
  const [ip = '', prefix = ''] = text.split('/');
  return { ip, prefixBits: Number(prefix) };
}

function configure(request: TapRequest): void {
  const netlink = new RouteNetlink();
  try {
    netlink.changeLink(request.name, {
      mac: request.mac,
      mtuBytes: request.mtuBytes,
      transmitQueueFrames: TRANSMIT_QUEUE_FRAMES,
      superFrameBytes: SUPER_FRAME_BYTES,
    });
    netlink.changeLink(request.name, { up: true });
    for (const address of request.addresses) {
      netlink.addAddress(request.name, parseAddress(address));
    }
  } finally {
    netlink.close();
  }
}

function describe(device: TapDevice, request: TapRequest): TapInterface {
  return { name: device.name, mac: request.mac, tso: device.tso, uso: device.uso, fds: device.fds };
}
