//! How a frame is laid into datagrams, decided before a byte is moved (protocol section 10). Pure; mirrors
//! dataplane/pipeline/segment-plan.ts.
//!
//!   fits the path                      whole
//!   TCP super-frame, or too large TCP  cut: each piece a TCP segment of its own
//!   UDP super-frame                    cut at gsoSize: each piece the datagram that the sender made
//!   anything else too large            fragmented

use crate::checksum::transport_checksum_holds;
use crate::frame_view::*;
use crate::layout::*;

const NEEDS_CSUM: u32 = 1;
const GSO_NONE: u32 = 0;
const GSO_TCPV4: u32 = 1;
const GSO_TCPV6: u32 = 4;
const GSO_UDP_L4: u32 = 5;
const GSO_ECN: u32 = 0x80;
/// SYN, RST, URG: such a segment is never cut.
const TCP_SINGULAR: u8 = 0x02 | 0x04 | 0x20;

/// A reassembly at the receiver remembers this many ranges (reassemble.rs).
const FRAGMENTS_MAX: u32 = 128;
const FRAGMENTED_FRAME_MAX: u32 = 65_535;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// The frame contradicts its virtio header.
    Invalid,
    Whole,
    CutTcp,
    CutUdp,
    Fragment,
    /// Would need fragments, and is larger than their 16-bit offsets, or their number, allow.
    Oversize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// The field is right as it is.
    Kept,
    /// FLAG_CHECKSUM_LEFT: the field becomes zero.
    Left,
    /// To be completed, from virtio's csumStart on.
    Completed,
}

/// The frame in hand.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub method: Method,
    pub checksum: Checksum,
    /// Payload bytes of each piece but the last.
    pub piece_bytes: u32,
    pub pieces: u32,
    /// Plaintext bytes that a datagram takes.
    pub capacity: u32,
    /// Datagrams that the frame becomes, and their bytes at most.
    pub datagrams: u32,
    pub bytes: u32,
}

/// What a plan needs of a frame's descriptor.
#[derive(Clone, Copy)]
pub struct Offload {
    pub virtio_flags: u32,
    pub gso_size: u32,
    pub csum_start: u32,
    pub csum_offset: u32,
    pub datagram_mtu_bytes: u32,
}

/// Offset of the checksum field within the transport header.
#[inline]
pub fn checksum_offset(view: &FrameView) -> usize {
    if view.protocol == TCP {
        TCP_CHECKSUM
    } else {
        UDP_CHECKSUM
    }
}

/// Plans a parsed frame.
#[inline]
pub fn plan_frame(bytes: &[u8], view: &FrameView, offload: &Offload) -> Plan {
    let mut plan = Plan {
        method: Method::Invalid,
        checksum: Checksum::Kept,
        piece_bytes: 0,
        pieces: 1,
        capacity: offload.datagram_mtu_bytes.saturating_sub(LINK_OVERHEAD_BYTES),
        datagrams: 1,
        bytes: 0,
    };
    plan.method = choose(&mut plan, bytes, view, offload);
    count(&mut plan, view);
    plan
}

#[inline]
fn choose(plan: &mut Plan, bytes: &[u8], view: &FrameView, offload: &Offload) -> Method {
    if offload.virtio_flags & NEEDS_CSUM != 0 {
        let start = offload.csum_start as usize;
        let offset = offload.csum_offset as usize;
        if start < ETHERNET_HEADER || start + offset + 2 > view.end {
            return Method::Invalid;
        }
        let agrees = view.protocol != 0 && start == view.transport && offset == checksum_offset(view);
        plan.checksum = if agrees { Checksum::Left } else { Checksum::Completed };
    }
    let gso = offload.virtio_flags >> 8 & 0xff & !GSO_ECN;
    if gso != GSO_NONE {
        super_frame(plan, view, gso, offload.gso_size)
    } else if view.end <= plan.capacity as usize {
        Method::Whole
    } else {
        oversize(plan, bytes, view)
    }
}

fn super_frame(plan: &mut Plan, view: &FrameView, gso: u32, gso_size: u32) -> Method {
    let protocol = match (gso, view.ip_version) {
        (GSO_TCPV4, 4) | (GSO_TCPV6, 6) => TCP,
        (GSO_UDP_L4, _) => UDP,
        _ => 0,
    };
    let consistent = protocol != 0 && view.protocol == protocol && plan.checksum == Checksum::Left;
    if !consistent || gso_size == 0 {
        return Method::Invalid;
    }
    if protocol == TCP {
        return cut_tcp(plan, view, gso_size);
    }
    plan.piece_bytes = gso_size.min(payload_bytes(view));
    Method::CutUdp
}

#[cold]
fn oversize(plan: &mut Plan, bytes: &[u8], view: &FrameView) -> Method {
    if view.protocol != TCP
        || plan.checksum == Checksum::Completed
        || bytes[view.transport + TCP_FLAGS] & TCP_SINGULAR != 0
    {
        return Method::Fragment;
    }
    if plan.checksum == Checksum::Kept {
        // A cut gives every piece a good checksum, so it must not be done to a segment that arrived broken.
        if !transport_checksum_holds(bytes, view) {
            return Method::Fragment;
        }
        plan.checksum = Checksum::Completed;
    }
    cut_tcp(plan, view, payload_bytes(view))
}

fn cut_tcp(plan: &mut Plan, view: &FrameView, limit: u32) -> Method {
    let room = plan.capacity.saturating_sub(view.payload as u32);
    if room < 1 {
        return Method::Fragment;
    }
    plan.piece_bytes = limit.min(room).min(payload_bytes(view));
    Method::CutTcp
}

/// At least 1, so that a segment without payload is one piece.
fn payload_bytes(view: &FrameView) -> u32 {
    (view.payload_end - view.payload).max(1) as u32
}

/// Counts the datagrams and bytes that the method makes.
#[inline]
fn count(plan: &mut Plan, view: &FrameView) {
    let headers = view.payload as u32;
    match plan.method {
        Method::Fragment => {
            plan.datagrams = fragments_of(plan, view.end as u32);
            if !can_be_fragmented(plan, view.end as u32) {
                plan.method = Method::Oversize;
            }
        }
        Method::CutTcp | Method::CutUdp => {
            plan.pieces = payload_bytes(view).div_ceil(plan.piece_bytes);
            let last = payload_bytes(view) - (plan.pieces - 1) * plan.piece_bytes;
            plan.datagrams = (plan.pieces - 1) * fragments_of(plan, headers + plan.piece_bytes)
                + fragments_of(plan, headers + last);
            if !can_be_fragmented(plan, headers + plan.piece_bytes) {
                plan.method = Method::Oversize;
            }
        }
        _ => {}
    }
    let plaintext = view.end as u32 + (plan.pieces - 1) * headers;
    plan.bytes = plaintext + plan.datagrams * (LINK_OVERHEAD_BYTES + FRAGMENT_PREFIX_BYTES);
}

/// Datagrams that `bytes` of frame become; 1 when they fit as they are.
fn fragments_of(plan: &Plan, bytes: u32) -> u32 {
    if bytes <= plan.capacity {
        1
    } else {
        bytes.div_ceil(plan.capacity.saturating_sub(FRAGMENT_PREFIX_BYTES).max(1))
    }
}

/// Whether `bytes` of frame need no fragments, or not too many and no offset past 16 bits.
fn can_be_fragmented(plan: &Plan, bytes: u32) -> bool {
    let fragments = fragments_of(plan, bytes);
    fragments == 1 || (bytes <= FRAGMENTED_FRAME_MAX && fragments <= FRAGMENTS_MAX)
}
