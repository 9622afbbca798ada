/**
 * What crosses the rings between threads. Any thread; pure data.
 *
 *   message: u32 payload bytes │ u32 type │ u32 a │ u32 b │ u32 c │ u32 d │ u32 e │ u32 f │ payload, padded to 8
 *
 * "Endpoint" is 48 bytes: address u8[28] (a sockaddr) │ addressBytes u32 │ localAddress u8[16], as in RxMessage.
 */

/** Bytes before the payload. */
export const MESSAGE_HEADER_BYTES = 32;
/** Bytes of an endpoint in a payload. */
export const ENDPOINT_BYTES = 48;
/** Largest payload: one link datagram or probe with its endpoint. */
export const MESSAGE_PAYLOAD_LIMIT_BYTES = 66_000;

/** Worker → main. */
export const EVENT = {
  /** A probe opened. a: lane slot; b: datagram length. Payload: endpoint ‖ plaintext body. */
  link: 1,
  /**
   * A members' control datagram, or an echo to one of our stations (its kind is in the control word). a: epoch slot; b: trunk;
   * c: control word. Payload: token ‖ masked sender ‖ sealed body ‖ tag.
   */
  control: 2,
  /** A source MAC on a TAP that is no station of ours. a: VLAN; b: macLow; c: macHigh. */
  stationSeen: 3,
  /** A frame of a sender that nobody announced. a: epoch slot; b: leafLane; c: saltLow; d: saltHigh. */
  senderUnknown: 4,
  /** A datagram for a stream carrier. a: lane slot; b: trunk. Payload: the closed link datagram. */
  carrier: 5,
  /** An IGMP, MLD or PIM frame from a TAP. a: VLAN. Payload: the frame. */
  snooped: 6,
  /** Multicast from a TAP to a group of which nothing is known; it was flooded. a: VLAN; b: macLow; c: macHigh. */
  groupSeen: 7,
} as const;

/** Main or another worker → worker. */
export const INJECTION = {
  /** Seal and send a probe. a: lane slot; payload: endpoint ‖ plaintext body. Its endpoint need not be the lane's. */
  link: 1,
  /**
   * Close and send a sealed frame. a: FRAME_UNICAST or FRAME_FLOOD; b: trunk or set; c: control word; d: flow hash.
   * Payload: token ‖ masked sender ‖ ciphertext ‖ tag.
   */
  sealed: 2,
  /** A datagram that a stream carrier received. a: lane slot. Payload: the link datagram. */
  carrier: 3,
  /** Write a frame to a VLAN's TAP. a: VLAN. Payload: the Ethernet frame. */
  tap: 4,
} as const;
