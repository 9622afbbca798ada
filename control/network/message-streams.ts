/**
 * Streams of messages to a peer by protocol name, for what is neither a trunk nor a carrier; no libp2p type.
 *
 * Main thread; types only. Implemented by control/network. Messages are length-prefixed, at most 64 KiB; a stream whose
 * unsent messages exceed its queue's limit is closed, since messages must not be lost.
 */

/** An open stream, either end's. */
export interface MessageStream {
  /** PeerId of the other end, as the connection authenticated it. */
  readonly peer: string;
  readonly openedHere: boolean;
  /** Called in order; what came before they are set waits for them. Set both in the turn in which the stream is given. */
  onMessage: (message: Uint8Array) => void;
  /** Called once. */
  onClose: (reason: string) => void;
  /** Queues a message. @returns false when the stream is closed, or closes because its queue is full */
  send(message: Uint8Array): boolean;
  close(): void;
}

/** What opens and accepts them. */
export interface MessageStreams {
  /**
   * Opens a stream, over a connection that is there or by dialling.
   *
   * @param addresses - multiaddrs to dial when there is no connection; empty: only over one that is there
   * @throws NetworkError when the peer cannot be reached or does not speak the protocol
   */
  open(peer: string, protocol: string, addresses: readonly string[]): Promise<MessageStream>;
  /** Accepts streams of a protocol; each is given once. */
  accept(protocol: string, onStream: (stream: MessageStream) => void): Promise<void>;
}
