//! A frame's flow as 32 bits, which choose the lane: TCP and UDP by addresses and ports, everything else by MAC
//! addresses and EtherType. Pure; mirrors dataplane/pipeline/flow-hash.ts.

use crate::frame_view::{FrameView, IPV4_SOURCE, IPV6_SOURCE};

/// Hashes the parsed frame.
#[inline]
pub fn flow_hash(bytes: &[u8], view: &FrameView) -> u32 {
    if view.protocol != 0 {
        let addresses = if view.ip_version == 4 {
            &bytes[view.network + IPV4_SOURCE..][..8]
        } else {
            &bytes[view.network + IPV6_SOURCE..][..32]
        };
        let hash = mix_all(u32::from(view.protocol), addresses);
        return finish(mix_all(hash, &bytes[view.transport..view.transport + 4]));
    }
    finish(mix(mix_all(0, &bytes[..12]), u32::from(view.ether_type)))
}

#[inline]
fn mix_all(hash: u32, bytes: &[u8]) -> u32 {
    bytes.chunks_exact(4).fold(hash, |hash, word| {
        mix(hash, u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    })
}

/// The multiplier is 2^32 divided by the golden ratio: its bits are spread evenly.
#[inline]
fn mix(hash: u32, word: u32) -> u32 {
    let mixed = (hash ^ word).wrapping_mul(0x9e37_79b1);
    mixed ^ mixed >> 15
}

#[inline]
fn finish(hash: u32) -> u32 {
    let mixed = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    mixed ^ mixed >> 13
}
