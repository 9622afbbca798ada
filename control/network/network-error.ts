/** What can go wrong when the network starts or a peer is asked for, with a sentence that says it. Main thread. */

export type NetworkErrorCode =
  | 'listen-failed'
  | 'bad-address'
  | 'start-failed'
  | 'unreachable'
  /** The peer does not speak the protocol. */
  | 'unsupported'
  /** The private swarm does not let the peer in, or the peer's does not let us in. */
  | 'refused';

export class NetworkError extends Error {
  readonly code: NetworkErrorCode;
  /** The multiaddr in question, if there is one. */
  readonly address: string | undefined;

  constructor(
    code: NetworkErrorCode,
    message: string,
    details: { readonly address?: string; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'NetworkError';
    this.code = code;
    this.address = details.address;
  }
}
