//! segment: lays each frame's datagrams end to end into the transmit buffer: their headers and descriptors. What need
//! not change stays in the TAP buffer, for seal to read it there: one copy less of every byte.
//!
//!   parse → plan → room → sender counters → whole │ cut │ fragments
//!
//!   cursor → │ 48 bytes for header and sender │ plaintext │ 16 for the tag │ ← cursor after

use crate::arena::Data;
use crate::checksum::sum_bytes;
use crate::cut::cut_frame;
use crate::engine::{Engine, Plaintext};
use crate::frame_view::{FrameView, parse, set_u16};
use crate::layout::*;
use crate::plan::{Checksum, Method, Offload, Plan, checksum_offset, plan_frame};
use core::mem::offset_of;

/// A salt's last counter (protocol section 4); its successor is announced before that.
const SALT_COUNTERS: u64 = 0xffff_ffff;

/// The frame that is being laid, and how far the output has come.
pub struct Laying {
    pub plan: Plan,
    pub view: FrameView,
    /// Arena offset of the frame.
    pub offset: u32,
    /// Index of its descriptor.
    frame: usize,
    token: [u8; 16],
    sender: [u32; 3],
    counter: u32,
    laid: usize,
    pub cursor: u32,
}

/// Lays datagrams for frames `from` … count-1; returns the first frame that did not fit.
pub fn segment(engine: &mut Engine, from: u32, count: u32) -> u32 {
    let mut laid = 0;
    let mut cursor = ARENA_TX_BUFFER as u32;
    let mut index = from;
    while index < count {
        match lay(engine, index as usize, laid, cursor) {
            Outcome::Laid(next, at) => (laid, cursor) = (next, at),
            Outcome::Nothing => {}
            Outcome::Dropped(code) => {
                engine.arena.batch.frames[index as usize].verdict = FRAME_DROPPED;
                engine.arena.counters.drop(code);
            }
            Outcome::NoRoom => break,
        }
        index += 1;
    }
    let header = engine.arena.header;
    header.set(offset_of!(ArenaHeader, tx_datagram_count), laid as u32);
    header.set(offset_of!(ArenaHeader, tx_bytes), cursor - ARENA_TX_BUFFER as u32);
    index
}

enum Outcome {
    /// Datagrams laid so far, and the cursor behind the last.
    Laid(usize, u32),
    /// A frame that was dropped before.
    Nothing,
    Dropped(u32),
    NoRoom,
}

fn lay(engine: &mut Engine, index: usize, laid: usize, cursor: u32) -> Outcome {
    let frame = &engine.arena.batch.frames[index];
    if frame.verdict == FRAME_DROPPED {
        return Outcome::Nothing;
    }
    let (offset, offload, token) = (frame.offset, offload_of(frame), frame.token);
    let bytes = &*engine.arena.data.at(offset, frame.length);
    let view = parse(bytes);
    let plan = plan_frame(bytes, &view, &offload);
    if let Err(code) = acceptable(&plan) {
        return Outcome::Dropped(code);
    }
    let room = (ARENA_TX_BUFFER + MAP_TX_BUFFER_BYTES) as u32 - cursor;
    if laid + plan.datagrams as usize > BATCH_TX_DATAGRAMS || plan.bytes > room {
        return Outcome::NoRoom;
    }
    let (sender, counter) = match take_counters(engine, index, plan.datagrams) {
        Ok(taken) => taken,
        Err(code) => return Outcome::Dropped(code),
    };
    let mut laying = Laying {
        plan,
        view,
        offset,
        frame: index,
        token,
        sender,
        counter,
        laid,
        cursor,
    };
    lay_frame(engine, &mut laying);
    Outcome::Laid(laying.laid, laying.cursor)
}

fn offload_of(frame: &FrameDescriptor) -> Offload {
    Offload {
        virtio_flags: frame.virtio_flags,
        gso_size: frame.gso_size,
        csum_start: frame.csum_start,
        csum_offset: frame.csum_offset,
        datagram_mtu_bytes: frame.datagram_mtu_bytes,
    }
}

/// Whether the plan can be carried out at all.
fn acceptable(plan: &Plan) -> Result<(), u32> {
    if plan.method == Method::Oversize {
        return Err(DROP_FRAME_OVERSIZE);
    }
    // A super-frame of a few bytes a segment would be more datagrams than a batch holds.
    let too_many = plan.datagrams as usize > BATCH_TX_DATAGRAMS || plan.bytes as usize > MAP_TX_BUFFER_BYTES;
    if plan.method == Method::Invalid || too_many {
        return Err(DROP_FRAME_OFFLOAD_INVALID);
    }
    Ok(())
}

/// Draws a frame's counters from its key's salt, all or none: a counter is never used twice, whatever happens to the
/// datagrams afterwards.
fn take_counters(engine: &Engine, index: usize, count: u32) -> Result<([u32; 3], u32), u32> {
    let tables = &engine.tables;
    let live = |slot: u32| {
        let key = tables.frame_key(slot)?;
        (key.version() & 1 == 0 && key.get(offset_of!(FrameKey, state)) == 1).then_some(key)
    };
    let key = live(engine.arena.batch.frames[index].frame_key).ok_or(DROP_NO_KEY)?;
    let salt = tables
        .salt(key.get(offset_of!(FrameKey, salt)))
        .filter(|salt| salt.version() & 1 == 0 && salt.get(offset_of!(Salt, worker)) == engine.worker)
        .ok_or(DROP_NO_KEY)?;
    let counter = salt.get(offset_of!(Salt, counter));
    if u64::from(counter) + u64::from(count) > SALT_COUNTERS {
        return Err(DROP_SALT_EXHAUSTED);
    }
    salt.set(offset_of!(Salt, counter), counter + count);
    let sender = [
        salt.get(offset_of!(Salt, leaf_lane)),
        salt.get(offset_of!(Salt, salt_low)),
        salt.get(offset_of!(Salt, salt_high)) & 0xffff,
    ];
    Ok((sender, counter))
}

fn lay_frame(engine: &mut Engine, laying: &mut Laying) {
    let length = laying.view.end as u32;
    match (laying.plan.method, laying.plan.checksum) {
        (Method::CutTcp | Method::CutUdp, _) => return cut_frame(engine, laying),
        (Method::Fragment, checksum) => {
            if checksum != Checksum::Kept {
                complete_virtio_checksum(engine, laying);
            }
            return fragment(engine, laying, laying.offset, length);
        }
        (_, Checksum::Completed) => complete_virtio_checksum(engine, laying),
        _ => {}
    }
    let left = laying.plan.checksum == Checksum::Left;
    if left {
        let field = laying.view.transport + checksum_offset(&laying.view);
        set_u16(engine.arena.data.at(laying.offset, length), field, 0);
    }
    let plaintext = Plaintext::Tap {
        at: laying.offset,
        headers: 0,
    };
    let flag = if left { FLAG_CHECKSUM_LEFT } else { 0 };
    laying.describe(engine, (plaintext, length), KIND_FRAME, flag);
}

/// Completes a frame's checksum in place as a network card would: the field holds the pseudo-header's sum, and
/// everything from csumStart to the frame's end is summed into it (Virtio 1.3 §5.1.6.2).
fn complete_virtio_checksum(engine: &mut Engine, laying: &Laying) {
    let frame = &engine.arena.batch.frames[laying.frame];
    let start = frame.csum_start as usize;
    let field = start + frame.csum_offset as usize;
    let bytes = engine.arena.data.at(frame.offset, frame.length);
    let checksum = !sum_bytes(&bytes[start..]);
    set_u16(bytes, field, if checksum == 0 { 0xffff } else { checksum });
}

/// Lays the fragments of a frame with its checksum complete.
///
/// plaintext of a fragment: │ frame id u32 │ offset u16 │ total u16 │ piece … │
pub fn fragment(engine: &mut Engine, laying: &mut Laying, source: u32, length: u32) {
    let header = engine.arena.header;
    let id = header.get(offset_of!(ArenaHeader, next_fragment_id));
    header.set(offset_of!(ArenaHeader, next_fragment_id), id.wrapping_add(1));
    let piece = laying.plan.capacity - FRAGMENT_PREFIX_BYTES;
    let mut offset = 0;
    while offset < length {
        let bytes = piece.min(length - offset);
        let target = laying.cursor + LINK_HEADER_BYTES;
        write_prefix(&mut engine.arena.data, target, id, (offset, length));
        engine
            .arena
            .data
            .copy(source + offset, target + FRAGMENT_PREFIX_BYTES, bytes);
        let plaintext = (Plaintext::Laid, FRAGMENT_PREFIX_BYTES + bytes);
        laying.describe(engine, plaintext, KIND_FRAGMENT, 0);
        engine.arena.counters.add(COUNTER_FRAGMENTS_SENT, 1);
        offset += bytes;
    }
}

fn write_prefix(data: &mut Data, target: u32, id: u32, (offset, total): (u32, u32)) {
    let prefix = data.at(target, FRAGMENT_PREFIX_BYTES);
    prefix[..4].copy_from_slice(&id.to_le_bytes());
    prefix[4..6].copy_from_slice(&(offset as u16).to_le_bytes());
    prefix[6..8].copy_from_slice(&(total as u16).to_le_bytes());
}

impl Laying {
    /// Describes the datagram whose place is at the cursor, and moves on behind it.
    #[inline]
    pub fn describe(
        &mut self,
        engine: &mut Engine,
        (plaintext, plain_bytes): (Plaintext, u32),
        kind: u32,
        checksum_flag: u32,
    ) {
        engine.plaintexts[self.laid] = plaintext;
        let frame = &engine.arena.batch.frames[self.frame];
        let datagram = &mut engine.arena.batch.tx[self.laid];
        let pairwise = if frame.verdict != FRAME_FLOOD { FLAG_PAIRWISE } else { 0 };
        let flags = checksum_flag | pairwise;
        let [leaf_lane, salt_low, salt_high] = self.sender;
        datagram.offset = self.cursor;
        datagram.length = plain_bytes + LINK_OVERHEAD_BYTES;
        datagram.frame_key = frame.frame_key;
        datagram.epoch = frame.epoch;
        datagram.sender = [leaf_lane, salt_low, salt_high | self.counter << 16, self.counter >> 16];
        datagram.token = self.token;
        datagram.control = kind | flags << 4 | frame.hops << 8 | frame.class << 16;
        datagram.verdict = frame.verdict;
        datagram.destination = frame.destination;
        datagram.flow_hash = frame.flow_hash;
        self.counter += 1;
        self.laid += 1;
        self.cursor += plain_bytes + LINK_OVERHEAD_BYTES;
    }
}
