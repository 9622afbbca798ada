/**
 * Carries out what the admission client of one private VLAN wants: a key package of this node, words with desks over
 * the exchange, the Welcome, and the group entered by it.
 *
 * Main thread. The client's word about the registry is carried out before what follows it.
 */
import { AdmissionClient } from '../admission/admission-client.ts';
import type { ClientEffect, ClientInput, ClientOptions } from '../admission/client-port.ts';
import type { VlanExchange } from '../exchange/exchange-hub.ts';
import type { Group, GroupState } from '../membership/group/group-port.ts';
import type { SignedRecord } from '../vlan/vlan-record.ts';
import type { VlanMembership } from '../vlan/vlan-state.ts';

/** Looked at this often at least, whatever the clock does. */
const TIMER_MAX_MS = 60_000;

/** What the driver drives, and whom it tells. */
export interface ClientDriverParts {
  readonly options: ClientOptions;
  readonly exchange: Pick<VlanExchange, 'send' | 'fetch' | 'peers'>;
  readonly group: Group;
  /** Corrected by the peers' clocks. */
  unixMs(): number;
  standing(change: Pick<VlanMembership, 'state' | 'reason' | 'admission'>): void;
  record(signed: SignedRecord): void;
  seek(peer: string, addresses: readonly string[]): void;
  /** This node is in, by this admission. */
  joined(state: GroupState, admission: Uint8Array): void;
  log(level: 'warn' | 'error', code: string, message: string): void;
}

/** See the file's head. */
export class ClientDriver {
  readonly #parts: ClientDriverParts;
  readonly #client: AdmissionClient;
  #welcome: { readonly digest: string; readonly admission: Uint8Array } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(parts: ClientDriverParts) {
    this.#parts = parts;
    this.#client = new AdmissionClient(parts.options);
  }

  /** Whether an admin has to say yes, as far as is known. */
  get isWaiting(): boolean {
    return this.#client.phase === 'waiting';
  }

  /** Why it is not in yet, in words; null while an admin has the word, or the group is at work. */
  get reason(): string | null {
    if (this.#client.reason !== null || this.#client.phase !== 'looking') return this.#client.reason;
    return this.#parts.exchange.peers().length === 0
      ? 'no node that knows this VLAN has been reached yet'
      : 'no admin of this VLAN has answered yet';
  }

  start(): void {
    this.input({ kind: 'start' });
    for (const peer of this.#parts.exchange.peers()) {
      this.input({ kind: 'peer-up', peer });
    }
  }

  /** Says and does nothing more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  input(input: ClientInput): void {
    if (this.#isStopped) return;
    for (const effect of this.#client.handle(input, this.#parts.unixMs())) {
      this.#perform(effect);
    }
    this.#plan();
  }

  /** An object came, or could not be had. */
  object(digest: string, bytes: Uint8Array | undefined): void {
    if (digest === this.#welcome?.digest) void this.#join(this.#welcome.admission, bytes);
  }

  #plan(): void {
    clearTimeout(this.#timer);
    const dueMs = this.#client.nextTimeoutMs() - this.#parts.unixMs();
    if (this.#isStopped || !Number.isFinite(dueMs)) return;
    const delayMs = Math.min(TIMER_MAX_MS, Math.max(0, Math.ceil(dueMs)));
    this.#timer = setTimeout(() => {
      this.input({ kind: 'tick' });
    }, delayMs);
  }

  #perform(effect: ClientEffect): void {
    const { exchange } = this.#parts;
    switch (effect.kind) {
      case 'make-key-package':
        void this.#makeKeyPackage();
        return;
      case 'dial':
        return this.#parts.seek(effect.peer, effect.addresses);
      case 'send':
        exchange.send(effect.peer, 'admission', effect.bytes);
        return;
      case 'welcome': {
        const digest = Buffer.from(effect.digest).toString('hex');
        this.#welcome = { digest, admission: effect.admission };
        return exchange.fetch(digest, [effect.from, ...exchange.peers()]);
      }
      case 'membership':
        return this.#parts.standing(effect);
      case 'record':
        return this.#parts.record(effect.record);
    }
  }

  async #makeKeyPackage(): Promise<void> {
    const made = await this.#parts.group.run({ op: 'key-package' });
    if (made.ok) {
      this.input({ kind: 'key-package', keyPackage: made.value.keyPackage });
    } else {
      this.#parts.log('error', 'group-failed', `no key package could be made: ${made.reason}`);
    }
  }

  async #join(admission: Uint8Array, welcome: Uint8Array | undefined): Promise<void> {
    this.#welcome = undefined;
    const joined =
      welcome === undefined
        ? { ok: false as const, reason: 'no member had it any more' }
        : await this.#parts.group.run({ op: 'join', welcome });
    if (this.#isStopped) return;
    if (!joined.ok) {
      this.#parts.log('warn', 'join-failed', `the Welcome did not let this node in: ${joined.reason}`);
      this.input({ kind: 'join-failed', reason: joined.reason });
      return;
    }
    this.input({ kind: 'joined' });
    this.stop();
    this.#parts.joined(joined.value.state, admission);
  }
}
