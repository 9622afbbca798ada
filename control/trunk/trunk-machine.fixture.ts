/** A trunk machine alone, for tests that give it one input at a time. */
import assert from 'node:assert/strict';
import { createSimCrypto } from '../../test/sim/sim-crypto.ts';
import { Simulation } from '../../test/sim/simulation.ts';
import { decodeTrunkMessage, encodeTrunkMessage, type Hello, type Party } from './messages/trunk-messages.ts';
import { decodeProbeBody, encodeProbeBody } from './probe-body.ts';
import type { TrunkConfig } from './trunk-config.ts';
import { TrunkMachine } from './trunk-machine.ts';
import type { DatagramAddress, TrunkEffect, TrunkInput } from './trunk-port.ts';

/** Lower and higher than ours: the first says Hello to us, to the second we say it. */
export const LOWER = '12D3KooWa';
const SELF = '12D3KooWm';
export const HIGHER = '12D3KooWz';

export class Harness {
  readonly simulation = new Simulation(7);
  readonly machine: TrunkMachine;
  nowMs = 1_000;
  probesSent = 0;
  #nextHandle = 1;
  #nextId = 100;

  constructor(config: Partial<TrunkConfig> = {}, lanesMax = 10_000) {
    const ports = {
      self: SELF,
      workerCount: 1,
      crypto: createSimCrypto(this.simulation),
      unixOffsetMs: () => 0,
      lanes: {
        allocateLane: () => {
          const handle = this.#nextHandle++;
          return handle > lanesMax ? undefined : { handle, receiverIndex: handle };
        },
      },
    };
    this.machine = new TrunkMachine(ports, config);
  }

  send(input: TrunkInput): TrunkEffect[] {
    const effects = this.machine.handle(input, this.nowMs);
    this.probesSent += effects.filter((effect) => effect.kind === 'send-probe').length;
    return effects;
  }

  /** Time passes as it would: tick by tick. */
  pass(durationMs: number): TrunkEffect[] {
    const endMs = this.nowMs + durationMs;
    const effects: TrunkEffect[] = [];
    for (let ticks = 0; this.machine.nextTimeoutMs() <= endMs; ticks++) {
      assert.ok(ticks < 10_000);
      this.nowMs = Math.max(this.nowMs, this.machine.nextTimeoutMs());
      effects.push(...this.send({ kind: 'tick' }));
    }
    this.nowMs = endMs;
    return effects;
  }

  /** A peer connects and opens its control stream. @returns the stream */
  open(peer: string): {
    readonly stream: number;
    readonly connection: number;
    readonly effects: TrunkEffect[];
  } {
    const [connection, stream] = [this.#nextId++, this.#nextId++];
    this.send({
      kind: 'connected',
      peer,
      connection,
      dialled: false,
      transport: 'tcp',
      remoteIp: '192.0.2.1',
    });
    const effects = this.send({
      kind: 'stream-opened',
      peer,
      connection,
      stream,
      protocol: 'trunk',
      openedHere: false,
    });
    return { stream, connection, effects };
  }

  hello(overrides: Partial<Hello> = {}, party: Partial<Party> = {}): Hello {
    const started = createSimCrypto(this.simulation).startExchange();
    return {
      kind: 'hello',
      session: this.simulation.bytes(16),
      generation: 1,
      x25519PublicKey: started.x25519PublicKey,
      mlKemPublicKey: started.mlKemPublicKey,
      rekey: false,
      party: {
        incarnation: this.simulation.bytes(16),
        workers: 1,
        linkMtuBytes: 8_972,
        features: [],
        roles: [],
        lanes: [
          { carrier: 'udp', lane: 0, receiverIndex: 5 },
          { carrier: 'stream', lane: 0, receiverIndex: 6 },
        ],
        datagramAddresses: [],
        datagramPort: 7_947,
        listenAddresses: [],
        ...party,
      },
      ...overrides,
    };
  }

  /** The lower peer connects and says Hello. @returns the handle of the datagram lane */
  trunk(peer = LOWER): {
    readonly handle: number;
    readonly stream: number;
    readonly effects: TrunkEffect[];
  } {
    const { stream } = this.open(peer);
    const effects = this.send({ kind: 'message', stream, message: encodeTrunkMessage(this.hello()) });
    const lane = effects.find((effect) => effect.kind === 'install-lane' && effect.carrier === 'udp');
    assert.ok(lane?.kind === 'install-lane');
    return { handle: lane.handle, stream, effects };
  }

  /** Answers each ask among the effects. @returns how many there were */
  answer(effects: readonly TrunkEffect[]): number {
    let asks = 0;
    for (const effect of effects) {
      const probe = effect.kind === 'send-probe' ? decodeProbeBody(effect.body) : undefined;
      if (effect.kind === 'send-probe' && probe?.operation === 'ask') {
        asks += 1;
        const body = encodeProbeBody({ ...probe, operation: 'answer' }, 96);
        this.send({ kind: 'probe', handle: effect.handle, source: effect.address, body });
      }
    }
    return asks;
  }

  /** Time passes, and every ask is answered within 10 ms. @returns how many there were */
  answerFor(durationMs: number): number {
    let asks = 0;
    for (let passedMs = 0; passedMs < durationMs; passedMs += 10) {
      asks += this.answer(this.pass(10));
    }
    return asks;
  }

  /** The data plane's totals of the only lane: its probes, and these frames. */
  report(handle: number, frames: number): void {
    const txDatagrams = this.probesSent + frames;
    this.send({ kind: 'lane-stats', lanes: [{ handle, txDatagrams, rxDatagrams: 0, highestCounter: 9 }] });
  }

  ask(handle: number, source: DatagramAddress, sequence = 1): TrunkEffect[] {
    const body = encodeProbeBody(
      { operation: 'ask', sequence, unixMs: 0, challenge: this.simulation.bytes(16) },
      96,
    );
    return this.send({ kind: 'probe', handle, source, body });
  }
}

export function byes(effects: readonly TrunkEffect[]): string[] {
  return effects.flatMap((effect) => {
    const result = effect.kind === 'send-message' ? decodeTrunkMessage(effect.message) : undefined;
    return result?.ok === true && result.message.kind === 'bye' ? [result.message.code] : [];
  });
}

export function kinds(effects: readonly TrunkEffect[]): Set<string> {
  return new Set(effects.map((effect) => effect.kind));
}
