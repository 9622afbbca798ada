/**
 * The echoes of one VLAN on their way out: sealed for a station, and given to a worker that sends them on the way of the
 * station's frames.
 *
 * Main thread only.
 */
import { INITIAL_HOPS, KIND_ECHO, NONE } from '../../dataplane/shm/layout.ts';
import { controlWord } from '../../dataplane/wire/link-datagram.ts';
import { ECHO_CLASS, EchoOutlet } from '../echo/echo-outlet.ts';
import type { Epoch } from '../membership/epoch.ts';
import type { Injector } from './injector.ts';

/** How a station is reached now. */
export interface EchoWay {
  /** Under which its holder opens. */
  readonly epoch: Epoch;
  /** The station's, of the present period. */
  readonly token: Uint8Array;
  /** Trunk slot, or NONE. */
  readonly trunk: number;
}

/** What echoes are sent by. */
export interface VlanEchoParts {
  readonly injector: Pick<Injector, 'sealed'>;
  /** A worker that runs. */
  anyWorker(): number;
  randomBytes(count: number): Uint8Array;
  /** @returns undefined when the station is nobody's, or nothing is sealed yet */
  wayTo(mac: Uint8Array): EchoWay | undefined;
}

/** See the file's head. */
export class VlanEcho {
  readonly #parts: VlanEchoParts;
  readonly #outlet: EchoOutlet;

  constructor(parts: VlanEchoParts) {
    this.#parts = parts;
    this.#outlet = new EchoOutlet((count) => parts.randomBytes(count));
  }

  /**
   * Sends one echo.
   *
   * @returns false when there is no way, or the worker's ring is full
   */
  send(mac: Uint8Array, body: Uint8Array): boolean {
    const way = this.#parts.wayTo(mac);
    if (way === undefined || way.trunk === NONE) return false;
    const control = controlWord(KIND_ECHO, 0, INITIAL_HOPS, ECHO_CLASS);
    const payload = this.#outlet.seal(way.epoch, way.token, body);
    return this.#parts.injector.sealed(this.#parts.anyWorker(), { trunk: way.trunk }, control, payload);
  }
}
