/**
 * The stages of the frame path as one interface with two implementations of the same bytes: `typescript` (pipeline/,
 * crypto/, io/) and `native` (rust-accel through native/). An engine belongs to one worker thread and is bound to
 * its arena and the tables; all data moves through these, only counts cross the call. No stage throws for what
 * came from a peer or a TAP: it marks the descriptor dropped and counts a drop code.
 *
 *   egress   readTap → classify → segment → seal → train → { closeLink → send } per train
 *   ingress  receive → openLink → forward → openFrame → learn → coalesce → writeTap
 *                                       └▶ relay → { closeLink → send } per train
 *
 * Descriptors: FrameDescriptor, TxDatagram, Train, RxMessage, RxDatagram, TapWrite (shm/layout.ts).
 */

/** Which implementation runs. */
export type EngineName = 'native' | 'typescript';

/** One worker's stages, one by one. */
export interface Stages {
  readonly name: EngineName;

  /**
   * Sleeps until a TAP queue or the socket is readable, the wake eventfd fires, or the time is over; drains the
   * eventfd. Spins up to ArenaHeader.spinUs first when told to. Rebuilds its descriptor set when
   * ArenaHeader.tapGeneration has changed. Sets nowMs, ready, readyTapCount, readyTaps, waitedUs and spunUs.
   *
   * @param timeoutMs - 0 only looks
   * @param spin - 1: an answer may be near (workers/spin.ts decides)
   */
  wait(timeoutMs: number, spin: number): void;

  /**
   * Reads frames from a TAP queue until it is empty, 64 are read, or 64 KiB are over.
   *
   * @param queue - TapQueue index
   * @returns frames 0 … count-1 filled in (offset, length, vlan, virtio fields)
   */
  readTap(queue: number): number;

  /**
   * Decides for each frame: verdict, epoch, frame key, destination, token, path MTU, flow hash, class; reports
   * source MACs that are no local station, and groups of which nothing is known, in `seen`; IGMP, MLD and PIM in `snooped`. Order of checks: frame length (14 … MTU + 14 + 8 of tags, or GSO) →
   * VLAN live with an epoch → source → destination.
   */
  classify(frameCount: number): void;

  /**
   * Lays datagrams for frames `from` … in txBuffer: TCP cut to the path's size, other oversize frames
   * fragmented, checksums completed or left (protocol section 10), tokens and unmasked senders filled in, counters
   * drawn from the frame key's salt. Starts at TxDatagram 0. Until seal has run, where the plaintexts lie is the engine's
   * own affair (the native one leaves them in the TAP buffer); the TAP buffer's frames are used up by both.
   *
   * @returns index of the first frame that did not fit; frameCount when all did. txDatagramCount is set.
   */
  segment(from: number, frameCount: number): number;

  /**
   * Seals datagrams 0 … count-1, at once after segment, each in its place in txBuffer (AEAD, AAD = token ‖ kind,flags ‖
   * class ‖ sender), then masks the senders.
   */
  seal(count: number): void;

  /**
   * Groups datagrams into trains: neighbours with one destination and lane and one size but the last, within
   * gsoSegments and 65,400 bytes (an IPv4 datagram takes 65,507); a flooded run becomes one train for each trunk of its set. A trunk's lane is chosen
   * by flow hash among this worker's lanes; without one, `owner` names a worker that has one.
   * @returns number of trains
   */
  train(count: number): number;

  /**
   * Writes bytes 0‥31 of each datagram of a train under its lane's keys: masked control, receiver, counter, token block.
   * @returns 0, or the drop code for the whole train (lane-exhausted, lane-down), which the graph counts
   */
  closeLink(train: number): number;

  /** Sends a train on the socket (UDP_SEGMENT, or one by one) to its lane's address. Counts what fails. */
  send(train: number): void;

  /**
   * Receives up to BATCH.messages messages, and splits GRO trains. Sets standingBytes.
   * @returns number of RxDatagrams (offset, length, message)
   */
  receive(): number;

  /**
   * Opens link headers: length and version, receiver index, lane live and owned here, carrier, counter < 2^40,
   * window test, then the three AES blocks. Sets verdict RX_OPEN, lane, trunk, control, counter, token.
   * @param carrier - CARRIER_UDP, or CARRIER_STREAM for injected datagrams
   */
  openLink(count: number, carrier: number): void;

  /**
   * Looks each token up (kind 5: compares the lane's link token and opens the body in place), enters the window, then
   * checks hops and kind. RX_LOCAL with its epoch, RX_PUNTED and an entry in `punts` (kinds 3, 4 and 5), or RX_FORWARDED. What
   * is to be passed on has a `set` besides, whatever its verdict: its token names others, it came from a forwarding port of
   * its segment, a hop is left, and it did not come before. Sets localCount.
   * @returns how many datagrams relay has work with
   */
  forward(count: number): number;

  /**
   * Lays datagrams that have a set as TxDatagrams from 0 on, where they lie in rxBuffer and with one hop less, and groups
   * them into trains as `train` does: one for each trunk of the set but the one that it came from. Runs before openFrame,
   * which opens in place what is for this node as well; closeLink writes bytes 0‥31 only, which nobody reads after forward.
   * A run beyond its trunk's fair share or quota is dropped before anything is laid for it; it is opened here all the same.
   * @returns number of trains
   */
  relay(count: number): number;

  /**
   * Opens RX_LOCAL frames in place: unmask, sender, key, window, AEAD, window entry; puts fragments together.
   * RX_FRAME with frameOffset, frameLength, vlan, member and sender. An unknown sender is dropped, counted and put into `punts`.
   */
  openFrame(count: number): void;

  /**
   * Port rules on RX_FRAME: source valid, not ours, no other member's station; no group-sealed frame to an enforced
   * station; ages stations.
   */
  learn(count: number): void;

  /**
   * Builds TAP writes from RX_FRAME: merges TCP segments of a flow into super-frames (protocol section 10) where the TAP
   * takes them, one write for each other frame. Frames of one flow keep their order.
   * @returns number of TapWrites
   */
  coalesce(count: number): number;

  /** Writes them to this worker's queues of their TAPs: among several, to the one that the upper bits of the flow hash name. */
  writeTap(count: number): void;

  /**
   * Seals one probe and sends it. At ARENA.scratch lies its endpoint (ENDPOINT_BYTES), and the plaintext body at once
   * after it. A lane that only receives so far (LANE_RECEIVES) sends probes too: they prove it before frames use it. On
   * a lane of the stream carrier nothing is sent: the closed datagram is left at ARENA.txBuffer, and the
   * graph rings it out.
   *
   * @param lane - lane slot
   * @param bodyBytes - of the plaintext body
   * @returns bytes of the datagram at ARENA.txBuffer (stream lanes), or 0: sent, or dropped and counted
   */
  sendLink(lane: number, bodyBytes: number): number;

  /** Releases what the engine holds outside the arena. */
  close(): void;
}

/** The stages, and whole batches of them by one call. */
export interface Engine extends Stages {
  /**
   * Carries a batch of a TAP queue from readTap to send. Stops after a round with a train that is held (see
   * sendTrains): heldTrains is then how many were laid, and carryOn goes on. `seen` is that of the batch's classify.
   *
   * @param queue - TapQueue index
   * @returns frames read
   */
  carryOut(queue: number): number;

  /**
   * Carries RxDatagrams 0 … count-1 from openLink to writeTap. Stops as carryOut does, before anything is delivered:
   * opening a frame would change what a held train carries.
   *
   * @param carrier - CARRIER_*: by which they came
   */
  carryIn(count: number, carrier: number): void;

  /** Goes on with the batch that stopped last, and may stop again. Whatever was held counts as taken. */
  carryOn(): void;

  /**
   * Closes and sends trains 0 … count-1 that go by UDP lanes of this worker; their count becomes 0. The others are held
   * for the graph: without a lane here, or on a stream carrier.
   *
   * @returns how many are held
   */
  sendTrains(count: number): number;
}
