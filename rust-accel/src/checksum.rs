//! The Internet checksum (RFC 1071). Pure; mirrors dataplane/wire/checksum.ts. A "sum" here is a folded one's
//! complement sum of 16 bits in network order; 0 only when every byte was 0. Sums of parts that start at even
//! distances add up.

use crate::frame_view::*;

/// Sums bytes; an odd last byte counts as the upper half of a word.
///
/// The words are added as they lie in memory, eight bytes at a time: a one's complement sum does not mind the byte
/// order until the end (RFC 1071 §2 B).
#[inline]
pub fn sum_bytes(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes([
            chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7],
        ]);
        sum += (word & 0xffff_ffff) + (word >> 32);
    }
    let mut rest = [0; 8];
    rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    let word = u64::from_le_bytes(rest);
    fold(sum + (word & 0xffff_ffff) + (word >> 32)).swap_bytes()
}

#[inline]
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

/// Adds two sums.
#[inline]
pub fn add_sums(left: u16, right: u16) -> u16 {
    fold(u64::from(left) + u64::from(right))
}

/// Sum of the pseudo-header of a parsed frame: addresses, protocol, and the transport's length (RFC 9293 §3.1, RFC
/// 8200 §8.1).
#[inline]
pub fn pseudo_header_sum(bytes: &[u8], view: &FrameView, protocol: u8, length: usize) -> u16 {
    let addresses = if view.ip_version == 4 {
        &bytes[view.network + IPV4_SOURCE..][..8]
    } else {
        &bytes[view.network + IPV6_SOURCE..][..32]
    };
    fold(u64::from(sum_bytes(addresses)) + u64::from(protocol) + length as u64)
}

/// Whether the TCP or UDP checksum of a parsed frame is right. A UDP checksum of 0 (none) is not.
pub fn transport_checksum_holds(bytes: &[u8], view: &FrameView) -> bool {
    let pseudo = pseudo_header_sum(bytes, view, view.protocol, view.payload_end - view.transport);
    add_sums(pseudo, sum_bytes(&bytes[view.transport..view.payload_end])) == 0xffff
}

/// Writes the header checksum of an IPv4 header of `header` bytes at `ip`.
#[inline]
pub fn write_ipv4_checksum(bytes: &mut [u8], ip: usize, header: usize) {
    set_u16(bytes, ip + IPV4_CHECKSUM, 0);
    let sum = sum_bytes(&bytes[ip..ip + header]);
    set_u16(bytes, ip + IPV4_CHECKSUM, !sum);
}

/// Whether an IPv4 header without options sums up.
pub fn ipv4_checksum_holds(bytes: &[u8], ip: usize) -> bool {
    sum_bytes(&bytes[ip..ip + IPV4_HEADER]) == 0xffff
}

/// Writes the IP length field so that the packet ends at `end`; the IPv4 checksum is the caller's.
#[inline]
pub fn write_ip_length(bytes: &mut [u8], view: &FrameView, end: usize) {
    if view.ip_version == 4 {
        set_u16(bytes, view.network + IPV4_LENGTH, (end - view.network) as u16);
    } else {
        set_u16(
            bytes,
            view.network + IPV6_LENGTH,
            (end - view.network - IPV6_HEADER) as u16,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_rfc_1071_and_any_alignment() {
        assert_eq!(sum_bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
        assert_eq!(sum_bytes(&[0x12]), 0x1200);
        let bytes: Vec<u8> = (0..=255).cycle().take(1501).collect();
        let slow = bytes.chunks(2).fold(0u32, |sum, pair| {
            let next = sum + (u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
            (next >> 16) + (next & 0xffff)
        });
        assert_eq!(u32::from(sum_bytes(&bytes)), slow);
    }
}
