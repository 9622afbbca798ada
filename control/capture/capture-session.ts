/**
 * One capture: from an interface into a pcapng file, until it has enough, or is told to end.
 *
 *   kernel's buffer ──read──▶ blocks ──write──▶ sink        a slow sink: nothing is read, and the kernel counts what it drops
 *
 * The kernel's buffer and the sink's are the only ones, and both are bounded. Main thread; time comes through ports. Must
 * never read longer than a few milliseconds in one go.
 */
import type { CaptureRequest, CaptureSink, CaptureSummary } from '../admin/inspection.ts';
import { readVersion } from '../admin/version.ts';
import type { CaptureSource } from './capture-port.ts';
import { pcapngHead, pcapngPacket, pcapngStatistics } from './pcapng.ts';

/** The kernel keeps what passes meanwhile: some thousand full-size frames in 16 MiB. */
const POLL_MS = 4;
/** Super-frames of 64 KiB, each copied into its block and out of it: half a millisecond. */
const READ_FRAMES = 16;
/** Of one turn; between turns the main thread does its other work. */
const TURN_MS = 1;

/** Time, for real or for tests. */
export interface CaptureClock {
  /** Monotonic. */
  nowMs(): number;
  unixMs(): number;
  /** Ends early, and without an error, when the signal is aborted. */
  sleep(durationMs: number, signal: AbortSignal): Promise<void>;
}

/** See the file's head. */
export class CaptureSession {
  readonly #source: CaptureSource;
  readonly #sink: CaptureSink;
  readonly #clock: CaptureClock;
  #blocks: Uint8Array[] = [];
  #frames = 0;
  #isGone = false;

  constructor(source: CaptureSource, sink: CaptureSink, clock: CaptureClock) {
    this.#source = source;
    this.#sink = sink;
    this.#clock = clock;
  }

  /**
   * Runs to its end; the source stays open.
   *
   * @param signal - ends it, in order: what passed before is still read
   */
  async run(
    interfaceName: string,
    { count, seconds, snapBytes }: Omit<CaptureRequest, 'vlan'>,
    signal: AbortSignal,
  ): Promise<CaptureSummary> {
    const most = count === 0 ? Number.POSITIVE_INFINITY : count;
    const endMs = seconds === 0 ? Number.POSITIVE_INFINITY : this.#clock.nowMs() + seconds * 1000;
    this.#sink.write(pcapngHead({ application: `PeerTap ${readVersion()}`, interfaceName, snapBytes }));
    while (!signal.aborted && !this.#isGone && this.#frames < most && this.#clock.nowMs() < endMs) {
      const isEmpty = this.#read(most);
      if (!this.#flush()) await this.#sink.drained();
      else if (this.#frames < most) await this.#clock.sleep(isEmpty ? POLL_MS : 0, signal);
    }
    // What passed before the end, and was not read yet.
    this.#read(most);
    const dropped = this.#source.dropped();
    const received = this.#frames + dropped;
    this.#blocks.push(pcapngStatistics({ unixMs: this.#clock.unixMs(), received, dropped }));
    this.#flush();
    return { frames: this.#frames, dropped };
  }

  /** @returns whether nothing more was there */
  #read(most: number): boolean {
    const untilMs = this.#clock.nowMs() + TURN_MS;
    while (this.#frames < most && !this.#isGone) {
      const wanted = Math.min(READ_FRAMES, most - this.#frames);
      const taken = this.#source.read(wanted, (frame) => this.#blocks.push(pcapngPacket(frame)));
      this.#isGone = taken < 0;
      this.#frames += Math.max(0, taken);
      if (taken < wanted) return true;
      if (this.#clock.nowMs() >= untilMs) return false;
    }
    return true;
  }

  #flush(): boolean {
    if (this.#blocks.length === 0) return true;
    const bytes = Buffer.concat(this.#blocks);
    this.#blocks = [];
    return this.#sink.write(bytes);
  }
}
