/** What a capture reads from. Types only; dataplane/io/packet-socket.ts has this shape. */

/** One frame that passed an interface; valid during the call only. */
export interface CapturedFrame {
  /** What was kept of it, from its destination address on. */
  readonly bytes: Uint8Array;
  /** Its length as it passed. */
  readonly originalBytes: number;
  /** Unix time. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** This machine sent it into the VLAN; else the VLAN gave it to this machine. */
  readonly isOutgoing: boolean;
}

/** An interface that is listened to. */
export interface CaptureSource {
  /**
   * Takes what is there, without waiting.
   *
   * @param most - frames
   * @returns frames taken; -1: the interface is gone
   */
  read(most: number, onFrame: (frame: CapturedFrame) => void): number;
  /** Frames that passed and found no room, since the beginning. */
  dropped(): number;
  close(): void;
}
