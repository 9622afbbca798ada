//! coalesce: builds the writes to the TAPs, and merges TCP segments of one flow into super-frames on the way (protocol
//! section 10). Nothing is copied: a super-frame is the first frame, with its headers adjusted in place, and the
//! payloads of the others as further pieces of the write.
//!
//!   frame ─▶ same flow open? ─ joins ────────────────▶ appended; PSH or a shorter payload closes the flow
//!                 │ no          └ does not ─▶ flow closed ─┐
//!                 └────────────────────────────────────────┴▶ can be merged with what comes: opens a flow
//!                                                            otherwise: a write of its own
//!
//! So frames of a flow keep their order, and a batch leaves no flow open.

use crate::checksum::{ipv4_checksum_holds, transport_checksum_holds};
use crate::engine::Engine;
use crate::flows::OPEN_FLOWS;
use crate::frame_view::*;
use crate::layout::*;
use crate::tap_write::{write_flow, write_single};

/// Segments that begin, end or break off a connection, or mark a point in the stream, stay as they are: FIN, SYN, RST,
/// URG, CWR.
const NEVER_MERGED: u8 = TCP_FIN | 0x02 | 0x04 | 0x20 | TCP_CWR;

/// Builds writes for the frames among datagrams 0 … count-1; returns their number.
pub fn coalesce(engine: &mut Engine, count: u32) -> u32 {
    let merges = engine.arena.offloads() & OFFLOAD_TAP_TSO != 0;
    engine.flows.writes = 0;
    engine.flows.iovecs = 0;
    engine.flows.turn = 0;
    for index in 0..count as usize {
        if engine.arena.batch.rx[index].verdict != RX_FRAME {
            continue;
        }
        if merges {
            place_frame(engine, index);
        } else {
            write_single(engine, index);
        }
    }
    for row in 0..OPEN_FLOWS {
        if engine.flows.rows[row].open {
            write_flow(engine, row);
        }
    }
    engine.flows.writes as u32
}

fn place_frame(engine: &mut Engine, index: usize) {
    let datagram = &engine.arena.batch.rx[index];
    let (at, length, vlan) = (datagram.frame_offset, datagram.frame_length, datagram.vlan);
    let left = datagram.control >> 4 & FLAG_CHECKSUM_LEFT != 0;
    let data = &engine.arena.data;
    let frame = data.look(at, length);
    let view = parse(frame);
    if view.protocol != TCP {
        return write_single(engine, index);
    }
    let mergeable = can_merge(frame, &view, left);
    let push = frame[view.transport + TCP_FLAGS] & TCP_PSH != 0;
    if let Some(row) = engine.flows.find(data, vlan, frame, &view) {
        let flow = &engine.flows.rows[row];
        if mergeable && flow.joins(data, frame, &view) {
            let shorter = view.payload_end - view.payload < flow.segment_bytes;
            engine.flows.join(row, index, frame, &view);
            if shorter || push {
                write_flow(engine, row);
            }
            return;
        }
        write_flow(engine, row);
    }
    if !mergeable || push {
        return write_single(engine, index);
    }
    let row = engine.flows.row_to_open();
    if engine.flows.rows[row].open {
        write_flow(engine, row);
    }
    let frame = engine.arena.data.look(at, length);
    engine.flows.open(row, (vlan, index, at), frame, &view);
}

/// Whether a segment may be part of a super-frame: data, no tags, options or padding that the kernel would have to
/// restore, and checksums that hold. A merge writes new checksums, so it must not cover up a broken one.
#[inline]
fn can_merge(frame: &[u8], view: &FrameView, left: bool) -> bool {
    let flags = frame[view.transport + TCP_FLAGS];
    view.plain_ip
        && view.tags == 0
        && view.payload_end == view.end
        && view.payload != view.payload_end
        && flags & NEVER_MERGED == 0
        && flags & TCP_ACK != 0
        && (view.ip_version == 6 || ipv4_checksum_holds(frame, view.network))
        && (left || transport_checksum_holds(frame, view))
}
