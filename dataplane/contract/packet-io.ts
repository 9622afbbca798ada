/**
 * The system calls of the frame path as one port, so that the TypeScript engine composes its stages with whatever
 * moves the bytes: io/ does it by system calls, tests do it from memory. Bound to one worker's arena; all data
 * moves through the arena, only counts cross the call. Never throws for what the kernel refuses: it counts a drop code.
 *
 * Descriptors: FrameDescriptor, Train, TxDatagram, RxMessage, RxDatagram, TapWrite, Iovec (shm/layout.ts).
 */

/** What the TypeScript engine needs from the kernel; each method is specified at the Engine method of its name. */
export interface PacketIo {
  /** As Engine.wait: sets ArenaHeader.nowMs, ready, readyTapCount, readyTaps, waitedUs and spunUs. */
  wait(timeoutMs: number, spin: number): void;

  /** As Engine.readTap: fills frames 0 … count-1 and returns the count. */
  readTap(queue: number): number;

  /**
   * As Engine.receive: fills messages, and lays an RxDatagram {offset, length, message} for each datagram of each GRO
   * train, in order. Returns the number of RxDatagrams.
   */
  receive(): number;

  /** As Engine.send: a train whose lane is set and whose bytes are closed goes to the address in its lane's slot. */
  send(train: number): void;

  /** As Engine.writeTap: TapWrite 0 … count-1; iovec offsets are in the arena. */
  writeTap(count: number): void;

  /**
   * Sends one datagram that is closed already, to the 48-byte endpoint (contract/ring-message.ts) at `endpointOffset`
   * of the arena; an endpoint with addressBytes 0 means the lane's own address. Counts what fails, but for a probe that
   * is larger than the local link: that is what it was sent to learn.
   *
   * @param lane - lane slot
   */
  sendTo(lane: number, endpointOffset: number, offset: number, length: number): void;

  /** Releases what it holds outside the arena; descriptors stay open, the main thread owns them. */
  close(): void;
}
