/**
 * Owns the frames that the data path is measured with: what one read of a TAP returns, for three kinds of traffic.
 *
 *   super      one TCP super-frame of 64 KiB, as a kernel with segmentation offload hands it over: cut for the path
 *   segment    43 TCP frames of 1,514 bytes, of one flow, on a path that takes them whole
 *   small      64 UDP frames with 64 bytes each, of one flow
 *
 * Pure data, made once; any thread.
 */
import type { FixtureOptions, TapFrame } from '../../test/harness/dataplane-fixture.ts';
import { filler, pseudoSum, tcpFrame, udpFrame } from '../../test/harness/frame-builder.ts';

/** Kinds of traffic. */
export type WorkloadName = 'super' | 'segment' | 'small';

/** What one read of the TAP returns. */
export interface Workload {
  readonly name: WorkloadName;
  /** For tables: what a frame is. */
  readonly title: string;
  readonly frames: readonly TapFrame[];
  /** Of the frames, Ethernet headers included. */
  readonly bytes: number;
  /** How the two nodes and the path between them differ from the fixture's own. */
  readonly options: FixtureOptions;
}

const NEEDS_CSUM = 1;
const GSO_TCPV4 = 1 << 8;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
/** No operation twice, then a timestamp: what Linux sends. */
const TIMESTAMP = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2);
const SEGMENT_PAYLOAD_BYTES = 1448;
/** An IP packet has at most 65,535 bytes: 20 of IP and 32 of TCP are headers. */
const SUPER_PAYLOAD_BYTES = 65_535 - 52;
/** As many full frames as a batch's 64 KiB take. */
const SEGMENTS = 43;
const SMALL_FRAMES = 64;
const SMALL_PAYLOAD_BYTES = 64;
/** An underlay on which 1,514 bytes and 64 of overhead are one datagram. */
const ROOMY_PATH_BYTES = 1600;

/** Frames of one kind of traffic. */
export function makeWorkload(name: WorkloadName): Workload {
  if (name === 'super') {
    return describe(name, 'TCP super-frames of 64 KiB', [superFrame()], {});
  }
  if (name === 'segment') {
    const frames = Array.from({ length: SEGMENTS }, (_, index) => segmentFrame(index));
    return describe(name, 'TCP frames of 1.5 kB', frames, { datagramMtuBytes: ROOMY_PATH_BYTES });
  }
  const frames = Array.from({ length: SMALL_FRAMES }, (_, index) => smallFrame(index));
  return describe(name, 'UDP frames of 64 B', frames, {});
}

function describe(
  name: WorkloadName,
  title: string,
  frames: readonly TapFrame[],
  options: FixtureOptions,
): Workload {
  return { name, title, frames, bytes: frames.reduce((sum, { bytes }) => sum + bytes.length, 0), options };
}

function superFrame(): TapFrame {
  const frame = tcpFrame({ payload: filler(SUPER_PAYLOAD_BYTES), tcpOptions: TIMESTAMP });
  const virtioFlags = NEEDS_CSUM | GSO_TCPV4;
  return { ...withoutChecksum(frame, PROTOCOL_TCP), virtioFlags, gsoSize: SEGMENT_PAYLOAD_BYTES };
}

function segmentFrame(index: number): TapFrame {
  const sequence = 1 + index * SEGMENT_PAYLOAD_BYTES;
  const payload = filler(SEGMENT_PAYLOAD_BYTES, index);
  return withoutChecksum(tcpFrame({ payload, sequence, id: index, tcpOptions: TIMESTAMP }), PROTOCOL_TCP);
}

function smallFrame(index: number): TapFrame {
  return withoutChecksum(udpFrame({ payload: filler(SMALL_PAYLOAD_BYTES, index), id: index }), PROTOCOL_UDP);
}

/** A frame as a kernel hands it to a card that completes checksums: the field holds the pseudo-header's sum. */
function withoutChecksum(frame: ReturnType<typeof tcpFrame>, protocol: number): TapFrame {
  const csumOffset = protocol === PROTOCOL_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
  const bytes = frame.bytes.slice();
  new DataView(bytes.buffer).setUint16(frame.transport + csumOffset, pseudoSum(frame, protocol));
  return { bytes, virtioFlags: NEEDS_CSUM, csumStart: frame.transport, csumOffset };
}
