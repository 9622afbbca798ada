//! Cuts super-frames: a TCP segment that is too large for the path becomes several, a UDP super-frame the datagrams
//! that its sender made (protocol section 10). Mirrors dataplane/pipeline/cut.ts.
//!
//! Every piece gets a copy of all headers. What differs: IP length, IPv4 ID and header checksum, TCP sequence, CWR on
//! the first piece only, FIN and PSH on the last only, UDP length, the transport checksum.

use crate::checksum::{add_sums, pseudo_header_sum, sum_bytes, write_ip_length, write_ipv4_checksum};
use crate::engine::{Engine, Plaintext};
use crate::frame_view::*;
use crate::layout::*;
use crate::plan::{Checksum, Plan, checksum_offset};
use crate::segment::{Laying, fragment};

/// Where a piece is put together that must be fragmented afterwards: behind the scratch region's endpoint.
const SCRATCH_BODY: u32 = ARENA_SCRATCH as u32 + 48;

/// Lays the pieces of the parsed frame as planned.
pub fn cut_frame(engine: &mut Engine, laying: &mut Laying) {
    let (plan, view) = (laying.plan, laying.view);
    let payload = (view.payload_end - view.payload) as u32;
    let left = plan.checksum == Checksum::Left;
    for piece in 0..plan.pieces {
        let part = plan.piece_bytes.min(payload - piece * plan.piece_bytes);
        let bytes = view.payload as u32 + part;
        let target = laying.cursor + LINK_HEADER_BYTES;
        if bytes > plan.capacity {
            write_piece(engine, laying, piece, (SCRATCH_BODY, bytes));
            fragment(engine, laying, SCRATCH_BODY, bytes);
        } else if left {
            write_headers(engine, laying, piece, (target, bytes));
            let plaintext = Plaintext::Tap {
                at: laying.offset + piece * plan.piece_bytes,
                headers: view.payload as u32,
            };
            laying.describe(engine, (plaintext, bytes), KIND_FRAME, FLAG_CHECKSUM_LEFT);
        } else {
            write_piece(engine, laying, piece, (target, bytes));
            laying.describe(engine, (Plaintext::Laid, bytes), KIND_FRAME, 0);
        }
    }
    engine.arena.counters.add(COUNTER_SEGMENTS_CUT, plan.pieces);
}

/// Writes piece number `piece`, of `bytes` in all, at `target`, with its checksum complete.
#[inline]
fn write_piece(engine: &mut Engine, laying: &Laying, piece: u32, (target, bytes): (u32, u32)) {
    let (plan, view) = (&laying.plan, &laying.view);
    let headers = view.payload as u32;
    write_headers(engine, laying, piece, (target, bytes));
    let data = &mut engine.arena.data;
    data.copy(
        laying.offset + headers + piece * plan.piece_bytes,
        target + headers,
        bytes - headers,
    );
    let place = data.at(target, bytes);
    let sum = add_sums(
        pseudo_header_sum(place, view, view.protocol, bytes as usize - view.transport),
        sum_bytes(&place[view.transport..]),
    );
    set_u16(
        place,
        view.transport + checksum_offset(view),
        if sum == 0xffff { 0xffff } else { !sum },
    );
}

/// Writes the headers of piece number `piece`, of `bytes` in all, at `target`; the transport checksum is left zero.
#[inline]
fn write_headers(engine: &mut Engine, laying: &Laying, piece: u32, (target, bytes): (u32, u32)) {
    let (plan, view) = (&laying.plan, &laying.view);
    let data = &mut engine.arena.data;
    data.copy(laying.offset, target, view.payload as u32);
    let place = data.at(target, view.payload as u32);
    write_ip_length(place, view, bytes as usize);
    if view.ip_version == 4 {
        let id = u16_at(place, view.network + IPV4_ID).wrapping_add(piece as u16);
        set_u16(place, view.network + IPV4_ID, id);
        write_ipv4_checksum(place, view.network, usize::from(place[view.network] & 0x0f) * 4);
    }
    if view.protocol == TCP {
        adjust_tcp(&mut place[view.transport..], piece, plan);
    } else {
        let length = (bytes as usize - view.transport) as u16;
        set_u16(place, view.transport + UDP_LENGTH, length);
    }
    set_u16(place, view.transport + checksum_offset(view), 0);
}

/// RFC 9293 §3.1; RFC 3168 §6.1.2: CWR tells of one window reduction, so one segment carries it.
#[inline]
fn adjust_tcp(header: &mut [u8], piece: u32, plan: &Plan) {
    let sequence = u32_at(header, TCP_SEQUENCE).wrapping_add(piece * plan.piece_bytes);
    set_u32(header, TCP_SEQUENCE, sequence);
    let mut flags = header[TCP_FLAGS];
    if piece > 0 {
        flags &= !TCP_CWR;
    }
    if piece + 1 < plan.pieces {
        flags &= !(TCP_FIN | TCP_PSH);
    }
    header[TCP_FLAGS] = flags;
}
