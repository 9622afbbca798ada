//! Lays TapWrites: a frame as it is, or a flow's datagrams as one super-frame. Mirrors dataplane/pipeline/tap-write.ts.
//!
//!   single       │ frame │                                        virtio: plain, or the checksum left to the kernel
//!   super-frame  │ first frame │ payload │ payload │ … │          virtio: TCP segmentation, gso_size = first payload

use crate::checksum::{add_sums, pseudo_header_sum, write_ip_length, write_ipv4_checksum};
use crate::engine::Engine;
use crate::flow_hash::flow_hash;
use crate::flows::Flow;
use crate::frame_view::*;
use crate::layout::*;
use crate::plan::checksum_offset;

const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;

/// Writes the frame of RxDatagram `index` as it is.
pub fn write_single(engine: &mut Engine, index: usize) {
    let datagram = &mut engine.arena.batch.rx[index];
    let (at, length, vlan) = (datagram.frame_offset, datagram.frame_length, datagram.vlan);
    let mut virtio = [0; 12];
    let frame = engine.arena.data.at(at, length);
    let view = parse(frame);
    let hash = flow_hash(frame, &view);
    if datagram.control >> 4 & FLAG_CHECKSUM_LEFT != 0 {
        if view.protocol == 0 {
            datagram.verdict = RX_DROPPED;
            engine.arena.counters.drop(DROP_FRAME_OFFLOAD_INVALID);
            return;
        }
        let sum = pseudo_header_sum(frame, &view, view.protocol, view.payload_end - view.transport);
        set_u16(frame, view.transport + checksum_offset(&view), sum);
        leave_checksum(&mut virtio, &view);
    }
    let write = begin(engine, (vlan, hash), virtio, 1);
    add_piece(engine, write, at, length);
}

/// Writes an open flow's datagrams and closes it.
pub fn write_flow(engine: &mut Engine, row: usize) {
    engine.flows.rows[row].open = false;
    let flow = engine.flows.rows[row];
    if flow.datagrams == 1 {
        return write_single(engine, flow.head);
    }
    let headers = flow.view.payload as u32;
    let hash = flow_hash(engine.arena.data.look(flow.frame, headers), &flow.view);
    let write = begin(engine, (flow.vlan, hash), super_virtio(&flow), flow.datagrams);
    add_piece(engine, write, flow.frame, headers + flow.segment_bytes as u32);
    let mut index = flow.head;
    let mut left = flow.payload_bytes - flow.segment_bytes;
    for _ in 1..flow.datagrams {
        index = engine.flows.next[index] as usize;
        let bytes = left.min(flow.segment_bytes);
        let at = engine.arena.batch.rx[index].frame_offset + headers;
        add_piece(engine, write, at, bytes as u32);
        left -= bytes;
    }
    let last = engine.arena.batch.rx[index].frame_offset;
    let last_flags = engine.arena.data.at(last + (flow.view.transport + TCP_FLAGS) as u32, 1)[0];
    adjust_headers(engine.arena.data.at(flow.frame, headers), &flow, last_flags);
    engine.arena.counters.add(COUNTER_FRAMES_COALESCED, flow.datagrams - 1);
}

/// The first frame's headers become the super-frame's; the last datagram's PSH is its PSH.
fn adjust_headers(headers: &mut [u8], flow: &Flow, last_flags: u8) {
    let view = &flow.view;
    let end = view.payload + flow.payload_bytes;
    write_ip_length(headers, view, end);
    if view.ip_version == 4 {
        write_ipv4_checksum(headers, view.network, IPV4_HEADER);
    }
    headers[view.transport + TCP_FLAGS] |= last_flags & TCP_PSH;
    let pseudo = pseudo_header_sum(headers, view, TCP, 0);
    let sum = add_sums(pseudo, (end - view.transport) as u16);
    set_u16(headers, view.transport + TCP_CHECKSUM, sum);
}

/// flags u8 │ gso_type u8 │ hdr_len u16 │ gso_size u16 │ csum_start u16 │ csum_offset u16 (Virtio 1.3 §5.1.6)
fn leave_checksum(virtio: &mut [u8; 12], view: &FrameView) {
    virtio[0] = NEEDS_CSUM;
    virtio[6..8].copy_from_slice(&(view.transport as u16).to_le_bytes());
    virtio[8..10].copy_from_slice(&(checksum_offset(view) as u16).to_le_bytes());
}

fn super_virtio(flow: &Flow) -> [u8; 12] {
    let mut virtio = [0; 12];
    leave_checksum(&mut virtio, &flow.view);
    virtio[1] = if flow.view.ip_version == 4 {
        GSO_TCPV4
    } else {
        GSO_TCPV6
    };
    virtio[2..4].copy_from_slice(&(flow.view.payload as u16).to_le_bytes());
    virtio[4..6].copy_from_slice(&(flow.segment_bytes as u16).to_le_bytes());
    virtio
}

/// Begins a write; returns its index.
#[inline]
fn begin(engine: &mut Engine, (vlan, flow_hash): (u32, u32), virtio: [u8; 12], datagrams: u32) -> usize {
    let index = engine.flows.writes;
    engine.flows.writes += 1;
    let write = &mut engine.arena.batch.writes[index];
    write.vlan = vlan;
    write.iovec_first = engine.flows.iovecs as u32;
    write.iovec_count = 0;
    write.length = 0;
    write.virtio = virtio;
    write.datagrams = datagrams;
    write.flow_hash = flow_hash;
    index
}

#[inline]
fn add_piece(engine: &mut Engine, write: usize, offset: u32, length: u32) {
    let iovec = &mut engine.arena.batch.iovecs[engine.flows.iovecs];
    engine.flows.iovecs += 1;
    iovec.offset = offset;
    iovec.length = length;
    let write = &mut engine.arena.batch.writes[write];
    write.iovec_count += 1;
    write.length += length;
}
