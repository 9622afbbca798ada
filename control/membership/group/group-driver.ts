/**
 * Carries out what the order machine of one private VLAN wants: jobs of the group, gossip and objects over the
 * exchange, the head on disk, timers.
 *
 *   exchange ──message, object, peers──▶ ┌───────────────┐ ──send, offer, fetch──▶ exchange
 *   group    ──group-done──────────────▶ │ OrderMachine  │ ──group-job──▶ group
 *   disk     ──stored──────────────────▶ └───────────────┘ ──settled, welcome, expelled, left──▶ its owner
 *
 * Main thread. Inputs that come while one is handled wait for their turn, so the machine sees one at a time.
 */
import type { VlanExchange } from '../../exchange/exchange-hub.ts';
import { MachineTimer } from '../../machine-timer.ts';
import type { Group, GroupJob } from './group-port.ts';
import { OrderMachine } from './order/order-machine.ts';
import type {
  NoticeEffect,
  OrderEffect,
  OrderInput,
  OrderOptions,
  OrderPorts,
  OrderStatus,
  SettledEffect,
  WelcomeEffect,
} from './order/order-port.ts';

/** A timer further away than this is set anew when it fires (Node's own limit is 2^31 ms). */
const TIMER_MAX_MS = 3_600_000;

/** What the driver tells its owner. */
export interface GroupEvents {
  settled(effect: SettledEffect): void;
  /** The Welcome of a peer whose Add has settled. */
  welcome(effect: WelcomeEffect): void;
  /** An admin has put this node out. */
  expelled(by: string): void;
  left(): void;
  notice(notice: NoticeEffect): void;
}

/** What the driver drives, and with what. */
export interface GroupDriverParts {
  readonly options: OrderOptions;
  readonly ports: OrderPorts;
  readonly group: Group;
  readonly exchange: Pick<VlanExchange, 'send' | 'offer' | 'withdraw' | 'fetch' | 'peers'>;
  /** Writes the head durably in place of the last one. */
  writeHead(head: Uint8Array): Promise<void>;
  /** Round trip to a neighbour, if one was measured. */
  rttMs(peer: string): number | undefined;
  nowMs(): number;
  readonly events: GroupEvents;
  /** Every effect, for the log at its most talkative. */
  readonly debug?: (effect: OrderEffect) => void;
}

/** Where nothing was measured yet: a round trip across a continent. */
const UNKNOWN_RTT_MS = 100;

/** See the file's head. */
export class GroupDriver {
  readonly #parts: GroupDriverParts;
  readonly #machine: OrderMachine;
  readonly #inbox: OrderInput[] = [];
  #isHandling = false;
  #isStopped = false;
  readonly #timer: MachineTimer;

  constructor(parts: GroupDriverParts) {
    this.#parts = parts;
    this.#machine = new OrderMachine(parts.options, parts.ports);
    this.#timer = new MachineTimer({
      nowMs: () => parts.nowMs(),
      tick: () => {
        this.input({ kind: 'tick' });
      },
      mostMs: TIMER_MAX_MS,
    });
  }

  status(): OrderStatus {
    return this.#machine.status(this.#parts.nowMs());
  }

  /** Begins, and tells the machine of the neighbours that are there already. */
  start(input: Extract<OrderInput, { readonly kind: 'start' }>): void {
    this.input(input);
    for (const peer of this.#parts.exchange.peers()) {
      this.peerUp(peer);
    }
  }

  peerUp(peer: string): void {
    this.input({ kind: 'peer-up', peer, rttMs: this.#parts.rttMs(peer) ?? UNKNOWN_RTT_MS });
  }

  /** Whether a peer may have what the group's members have. */
  mayFetch(peer: string): boolean {
    return this.#machine.mayFetch(peer);
  }

  /** Hands an input to the machine, and carries out what follows. */
  input(input: OrderInput): void {
    this.#inbox.push(input);
    if (this.#isHandling) {
      return;
    }
    this.#isHandling = true;
    try {
      for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) {
        for (const effect of this.#isStopped ? [] : this.#machine.handle(next, this.#parts.nowMs())) {
          this.#parts.debug?.(effect);
          this.#perform(effect);
        }
      }
    } finally {
      this.#isHandling = false;
    }
    this.#arm();
  }

  /** Says and does nothing more; what is on disk stays. */
  stop(): void {
    this.#isStopped = true;
    this.#timer.stop();
  }

  #arm(): void {
    this.#timer.plan(this.#isStopped ? Number.POSITIVE_INFINITY : this.#machine.nextTimeoutMs());
  }

  #perform(effect: OrderEffect): void {
    const { exchange, events } = this.#parts;
    switch (effect.kind) {
      case 'send':
        exchange.send(effect.peer, 'gossip', effect.bytes);
        return;
      case 'offer':
        exchange.offer(effect.digest, effect.bytes, (peer) => this.#machine.mayFetch(peer));
        return;
      case 'withdraw-offer':
        exchange.withdraw(effect.digest);
        return;
      case 'fetch':
        exchange.fetch(effect.digest, effect.from);
        return;
      case 'group-job':
        void this.#run(effect.id, effect.job);
        return;
      case 'store':
        void this.#store(effect.id, effect.head);
        return;
      case 'settled':
        return events.settled(effect);
      case 'welcome':
        return events.welcome(effect);
      case 'expelled':
        return events.expelled(effect.by);
      case 'left':
        return events.left();
      case 'notice':
        return events.notice(effect);
    }
  }

  async #run(id: number, job: GroupJob): Promise<void> {
    const result = await this.#parts.group.run(job);
    this.input({ kind: 'group-done', id, result });
  }

  async #store(id: number, head: Uint8Array): Promise<void> {
    const ok = await this.#parts.writeHead(head).then(
      () => true,
      () => false,
    );
    this.input({ kind: 'stored', id, ok });
  }
}
