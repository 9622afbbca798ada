/**
 * The types between the trunk machine and control/network: connections, streams, messages; no libp2p type.
 *
 * Main thread. Types only. A dial ends in `connected` (with `dialled`) or `dial-failed`; an opening in
 * `stream-opened` or `stream-failed`; each opened stream ends in one `stream-closed`, each connection in one
 * `disconnected`, after the `stream-closed` of its streams or before.
 */
import type { PeerIdText, TrunkId } from './trunk-port.ts';

/** Names a libp2p connection or stream between the machine and control/network; never reused. */
export type ConnectionId = number;
export type StreamId = number;

/** What a connection goes by; `circuit` is one through a relay. */
export type Transport = 'quic' | 'tcp' | 'websocket' | 'circuit';

export type StreamProtocol = 'trunk' | 'carrier';

export interface Dial {
  readonly kind: 'dial';
  readonly peer: PeerIdText;
  /** Multiaddrs, the `/p2p/` part optional; tried until one works. */
  readonly addresses: readonly string[];
  /** A connection beside the one that is there; else that one would do. */
  readonly isFresh?: boolean;
}
/** Dials an address whose PeerId is not known: ends in `peer-named` and `connected`, or in `dial-failed` without a peer. */
export interface DialUnnamed {
  readonly kind: 'dial-unnamed';
  readonly address: string;
}
/** It is open when the peer has agreed to the protocol, so that its connection is known to live. */
export interface OpenStream {
  readonly kind: 'open-stream';
  readonly connection: ConnectionId;
  readonly protocol: StreamProtocol;
}
/** One protobuf message; control/network adds the length prefix. */
export interface SendMessage {
  readonly kind: 'send-message';
  readonly stream: StreamId;
  readonly message: Uint8Array;
}
/** Closes in order, so that a `Bye` before it arrives; `abort` drops what is queued. */
export interface CloseStream {
  readonly kind: 'close-stream';
  readonly stream: StreamId;
  readonly abort: boolean;
}
/** Closes a connection that carries nothing for us. */
export interface Disconnect {
  readonly kind: 'disconnect';
  readonly connection: ConnectionId;
}
/** Asks every connection for a sign of life, and cuts those that give none: the own addresses have changed. */
export interface CheckConnections {
  readonly kind: 'check-connections';
}
/** Whether more depends on a connection than usual: then it is asked for signs of life more often. */
export interface WatchConnection {
  readonly kind: 'watch-connection';
  readonly connection: ConnectionId;
  readonly isClose: boolean;
}
/** The peers whose connections always find a place, whole, at each change. */
export interface WantPeers {
  readonly kind: 'want-peers';
  readonly peers: readonly PeerIdText[];
}
/** Be reachable at these relays by circuits, whole, at each change; `addresses` are where others find the relay. */
export interface WantRelays {
  readonly kind: 'want-relays';
  readonly relays: readonly { readonly peer: PeerIdText; readonly addresses: readonly string[] }[];
}
/** Networks to and from which no connection is made, whole, at each change: those of our own VLANs. */
export interface AvoidNetworks {
  readonly kind: 'avoid-networks';
  /** `10.7.0.1/24` */
  readonly networks: readonly string[];
}
/** Frames of this trunk's `stream` carrier go by this stream; `undefined`: by none. For the driver alone. */
export interface BindCarrier {
  readonly kind: 'bind-carrier';
  readonly trunk: TrunkId;
  readonly stream: StreamId | undefined;
}

export type NetworkEffect =
  | Dial
  | DialUnnamed
  | OpenStream
  | SendMessage
  | CloseStream
  | Disconnect
  | CheckConnections
  | WatchConnection
  | WantPeers
  | WantRelays
  | AvoidNetworks
  | BindCarrier;

export interface ConnectedInput {
  readonly kind: 'connected';
  readonly peer: PeerIdText;
  readonly connection: ConnectionId;
  readonly dialled: boolean;
  readonly transport: Transport;
  /** The peer's IP as the connection shows it; its datagrams may come from there. On a circuit there is none. */
  readonly remoteIp: string | undefined;
}
/** Who answered at an address that was dialled without a PeerId; `connected` follows. */
export interface PeerNamedInput {
  readonly kind: 'peer-named';
  readonly address: string;
  readonly peer: PeerIdText;
}
export interface DisconnectedInput {
  readonly kind: 'disconnected';
  readonly peer: PeerIdText;
  readonly connection: ConnectionId;
  /** When it is known more exactly than that it was lost. */
  readonly reason?: string;
}
export interface DialFailedInput {
  readonly kind: 'dial-failed';
  /** Absent when an address without a PeerId was dialled. */
  readonly peer: PeerIdText | undefined;
  readonly address?: string;
  readonly reason: string;
}
export interface StreamOpenedInput {
  readonly kind: 'stream-opened';
  readonly peer: PeerIdText;
  readonly connection: ConnectionId;
  readonly stream: StreamId;
  readonly protocol: StreamProtocol;
  readonly openedHere: boolean;
}
export interface StreamFailedInput {
  readonly kind: 'stream-failed';
  readonly peer: PeerIdText;
  readonly connection: ConnectionId;
  readonly protocol: StreamProtocol;
  readonly reason: string;
}
export interface MessageInput {
  readonly kind: 'message';
  readonly stream: StreamId;
  readonly message: Uint8Array;
}
export interface StreamClosedInput {
  readonly kind: 'stream-closed';
  readonly stream: StreamId;
  readonly reason: string;
}

/** The private swarm's keys have changed: these peers alone may stay; connections of others are being closed. */
export interface AuthorisedInput {
  readonly kind: 'authorised';
  readonly peers: readonly PeerIdText[];
}

export type NetworkInput =
  | ConnectedInput
  | PeerNamedInput
  | DisconnectedInput
  | DialFailedInput
  | StreamOpenedInput
  | StreamFailedInput
  | MessageInput
  | StreamClosedInput
  | AuthorisedInput;

/**
 * The network as the trunk driver sees it; implemented by control/network.
 *
 * After `attach` it calls the host from the main thread only.
 */
export interface TrunkNetwork {
  attach(host: TrunkNetworkHost): void;
  perform(effect: Exclude<NetworkEffect, BindCarrier>): void;
  /**
   * Queues one link datagram on a carrier stream; the bytes are copied before it returns.
   *
   * @returns false when the stream is gone or its queue is full
   */
  sendCarrier(stream: StreamId, bytes: Uint8Array, offset: number, length: number): boolean;
}

export interface TrunkNetworkHost {
  input(input: NetworkInput): void;
  /**
   * One link datagram from a carrier stream; valid during the call only. The bytes may be a Buffer, whose `slice`
   * does not copy: copy by `set` or `new Uint8Array(bytes.subarray(…))`.
   */
  carrierDatagram(stream: StreamId, bytes: Uint8Array, offset: number, length: number): void;
}
