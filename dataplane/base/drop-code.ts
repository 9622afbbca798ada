/**
 * The drop codes: why a frame or datagram went no further. Any thread; pure data. Each code has one counter a
 * worker in shared memory (see shm/layout.ts) and one line in `peertap status`. Codes are appended, never
 * renumbered within a release: the Rust mirror is generated from this list.
 */

/** Name of each code in the order of its number; number 0 means "not dropped". */
export const DROP_CODES = [
  'none',
  // Egress: from the TAP.
  'frame-short', // shorter than an Ethernet header
  'frame-oversize', // longer than the TAP's MTU allows, or than 65,535 bytes
  'frame-offload-invalid', // a virtio header that contradicts its frame
  'vlan-down', // the VLAN has no keys yet, or is being removed
  'no-member', // flooded, but no trunk shares this VLAN
  'no-trunk', // unicast to a member to whom no trunk is up
  'no-key', // the frame key is not there yet
  'destination-local', // unicast to a station on this very TAP
  'salt-exhausted', // 2^32 frames under one salt
  'lane-down', // the trunk has no lane that may send
  'lane-exhausted', // 2^40 datagrams, or past its hard stop
  'send-failed', // the kernel refused the datagram
  'send-full', // the socket's buffer stayed full
  'ring-full', // the ring to another thread was full
  'tap-read-failed',
  // Ingress: the link (protocol section 3).
  'datagram-short', // fewer than 64 bytes
  'datagram-version', // not version 1 type 1
  'receiver-unknown', // no lane has this receiver index
  'lane-expired', // past the lane's hard stop
  'counter-limit', // counter at or past 2^40
  'link-replay', // seen before
  'link-too-old', // left of the window
  'token-unknown', // not in the table: forged, altered, withdrawn, or never ours
  'kind-invalid', // a kind this version does not know
  'hops-exceeded',
  'link-body-invalid', // a probe whose body does not open
  'not-forwarding', // a token for others, on a node that does not relay
  'carrier-mismatch', // a lane's datagram on another carrier than the lane's
  // Ingress: the frame (protocol section 4).
  'sender-unknown', // no announcement names this salt
  'frame-replay',
  'frame-too-old',
  'frame-before-announcement', // older than what the sender announced
  'frame-forged', // the AEAD refused it
  'group-to-claimed', // group-sealed although the destination is a station we announced
  'source-is-local', // a frame from outside with a source MAC of ours
  'source-invalid', // a group address as source
  'no-interface', // the VLAN has no TAP here
  'fragment-invalid', // overlaps, contradicts its siblings, or has impossible sizes
  'fragment-limit', // no room to reassemble
  'fragment-timeout', // its siblings did not come within 500 ms
  'tap-write-failed',
  'tap-write-full',
  // Control.
  'control-invalid', // a kind 3 body that does not open or parse
  'injection-invalid', // a message from another thread that no longer fits the tables
  'carrier-queue-full', // the stream carrier was slower than its traffic
  'sender-limit', // the table of senders is full
  'station-limit',
  'announcement-invalid',
  'path-too-small', // passed on: larger than the next trunk takes
  'source-claimed', // a member's frame whose source MAC another live member holds
  // Relaying (protocol section 5).
  'relay-quota', // over what this node carries for a peer, or for all, in foreign segments
  'relay-unfair', // a peer's part beyond its fair share while the socket stayed full
  'duplicate', // came before by another way
  'no-subscriber', // multicast to a group that no member wants
] as const;

/** One of {@link DROP_CODES}. */
export type DropName = (typeof DROP_CODES)[number];

/** Number of a drop code, for counters and descriptors. */
export const DROP = Object.fromEntries(DROP_CODES.map((name, index) => [name, index])) as Readonly<
  Record<DropName, number>
>;
