/**
 * The virtio_net_hdr before each frame on our TAPs: the legacy one of 10 bytes, in the machine's byte order, which is
 * little-endian on every machine we run on. Any thread; pure.
 *
 *   0 flags u8 │ 1 gso_type u8 │ 2 hdr_len u16 │ 4 gso_size u16 │ 6 csum_start u16 │ 8 csum_offset u16
 *
 * @see Virtio 1.3 §5.1.6
 */

/** Byte offsets. */
export const VIRTIO = {
  flags: 0,
  gsoType: 1,
  headerBytes: 2,
  gsoSize: 4,
  csumStart: 6,
  csumOffset: 8,
} as const;

/** The checksum from csum_start on is not complete; the field holds the pseudo-header's sum. */
export const VIRTIO_NEEDS_CSUM = 1;

export const VIRTIO_GSO_NONE = 0;
export const VIRTIO_GSO_TCPV4 = 1;
export const VIRTIO_GSO_TCPV6 = 4;
/** UDP datagrams cut at gso_size (UDP_SEGMENT). */
export const VIRTIO_GSO_UDP_L4 = 5;
/** TCP with CWR: the first segment alone carries it. */
export const VIRTIO_GSO_ECN = 0x80;

/** Writes a header that says nothing: a frame as it is. */
export function writePlainVirtio(bytes: DataView, offset: number): void {
  bytes.setUint32(offset, 0);
  bytes.setUint32(offset + 4, 0);
  bytes.setUint32(offset + 8, 0);
}

/**
 * Writes a header that leaves the checksum to the kernel.
 *
 * @param csumStart - from the frame's start
 * @param csumOffset - from csumStart
 */
export function writeChecksumVirtio(
  bytes: DataView,
  offset: number,
  csumStart: number,
  csumOffset: number,
): void {
  writePlainVirtio(bytes, offset);
  bytes.setUint8(offset + VIRTIO.flags, VIRTIO_NEEDS_CSUM);
  bytes.setUint16(offset + VIRTIO.csumStart, csumStart, true);
  bytes.setUint16(offset + VIRTIO.csumOffset, csumOffset, true);
}

/**
 * Adds to a header of {@link writeChecksumVirtio} that the frame is a super-frame.
 *
 * @param gsoType - VIRTIO_GSO_*
 * @param headerBytes - of all headers, to the payload
 * @param gsoSize - payload bytes of each segment
 */
export function writeGsoVirtio(
  bytes: DataView,
  offset: number,
  gsoType: number,
  headerBytes: number,
  gsoSize: number,
): void {
  bytes.setUint8(offset + VIRTIO.gsoType, gsoType);
  bytes.setUint16(offset + VIRTIO.headerBytes, headerBytes, true);
  bytes.setUint16(offset + VIRTIO.gsoSize, gsoSize, true);
}
