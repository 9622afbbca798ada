//! Puts fragments together (protocol section 10). A frame's fragments come over one lane, hence to one worker.
//!
//!   slot n        Reassembly record: whose fragments they are, when the first came, bytes so far
//!   ranges n      128 × { start u32, end u32 }, in order of arrival
//!   buffer n      64 KiB
//!
//! A slot is free, in use, or done: its frame is on the way to the TAP in this batch, and is free in the next. Fragments
//! never overlap: one that does shows that somebody lies, and its whole reassembly goes.

use crate::engine::Engine;
use crate::layout::*;

const TIMEOUT_MS: u32 = 500;
const RANGES: u32 = 128;
const RANGE_BYTES: u32 = 8;

const FREE: u32 = 0;
const IN_USE: u32 = 1;
const DONE: u32 = 2;

/// A fragment that was opened.
struct Fragment {
    /// Arena offset of its piece.
    at: u32,
    frame_id: u32,
    start: u32,
    end: u32,
    total: u32,
}

/// How many slots are not free; the arena may come from an earlier incarnation of the worker.
pub fn slots_held(slots: &[Reassembly]) -> u32 {
    slots.iter().filter(|slot| slot.state != FREE).count() as u32
}

/// At each batch's start: slots that are done become free, and those that waited too long are given up.
pub fn expire(engine: &mut Engine) {
    if engine.reassemblies_held == 0 {
        return;
    }
    let now = engine.arena.now_ms();
    for slot in engine.arena.batch.reassemblies.iter_mut() {
        if slot.state == FREE {
            continue;
        }
        if slot.state == IN_USE {
            let deadline = slot.started_ms.wrapping_add(TIMEOUT_MS);
            if deadline.wrapping_sub(now) as i32 >= 0 {
                continue;
            }
            engine.arena.counters.drop(DROP_FRAGMENT_TIMEOUT);
        }
        slot.state = FREE;
        engine.reassemblies_held -= 1;
    }
}

/// Takes the opened fragment of a datagram, `bytes` at `plain_at`, prefix first; says what becomes of the datagram.
pub fn reassemble(engine: &mut Engine, index: usize, plain_at: u32, bytes: u32) -> Result<u32, u32> {
    let fragment = read_prefix(engine, plain_at, bytes)?;
    let slot = match find(engine, index, fragment.frame_id) {
        Some(slot) => slot,
        None => take(engine, index, &fragment).ok_or(DROP_FRAGMENT_LIMIT)?,
    };
    if !add_range(engine, slot, &fragment) {
        engine.arena.batch.reassemblies[slot].state = FREE;
        engine.reassemblies_held -= 1;
        return Err(DROP_FRAGMENT_INVALID);
    }
    let buffer = (ARENA_REASSEMBLY_BUFFER + slot * BATCH_REASSEMBLY_BYTES) as u32;
    engine
        .arena
        .data
        .copy(fragment.at, buffer + fragment.start, fragment.end - fragment.start);
    let record = &mut engine.arena.batch.reassemblies[slot];
    if record.received_bytes < fragment.total {
        return Ok(RX_HELD);
    }
    record.state = DONE;
    let datagram = &mut engine.arena.batch.rx[index];
    datagram.frame_offset = buffer;
    datagram.frame_length = fragment.total;
    engine.arena.counters.add(COUNTER_FRAMES_REASSEMBLED, 1);
    Ok(RX_FRAME)
}

fn read_prefix(engine: &mut Engine, plain_at: u32, bytes: u32) -> Result<Fragment, u32> {
    if bytes <= FRAGMENT_PREFIX_BYTES {
        return Err(DROP_FRAGMENT_INVALID);
    }
    let prefix = engine.arena.data.at(plain_at, FRAGMENT_PREFIX_BYTES);
    let start = u32::from(u16::from_le_bytes([prefix[4], prefix[5]]));
    let fragment = Fragment {
        at: plain_at + FRAGMENT_PREFIX_BYTES,
        frame_id: u32::from_le_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]),
        start,
        end: start + bytes - FRAGMENT_PREFIX_BYTES,
        total: u32::from(u16::from_le_bytes([prefix[6], prefix[7]])),
    };
    if fragment.total < 14 || fragment.end > fragment.total {
        return Err(DROP_FRAGMENT_INVALID);
    }
    Ok(fragment)
}

/// The slot in use for a datagram's frame.
fn find(engine: &Engine, index: usize, frame_id: u32) -> Option<usize> {
    let datagram = &engine.arena.batch.rx[index];
    engine.arena.batch.reassemblies.iter().position(|slot| {
        slot.state == IN_USE
            && slot.frame_id == frame_id
            && slot.control == datagram.control & 0xff
            && same_sender(slot, datagram)
            && slot.token == datagram.token
    })
}

fn same_sender(slot: &Reassembly, datagram: &RxDatagram) -> bool {
    slot.epoch == datagram.epoch
        && slot.sender0 == datagram.sender[0]
        && slot.sender1 == datagram.sender[1]
        && slot.sender2 == datagram.sender[2] & 0xffff
}

/// A fresh slot; None when there is none or the sender has its share.
fn take(engine: &mut Engine, index: usize, fragment: &Fragment) -> Option<usize> {
    let datagram = &engine.arena.batch.rx[index];
    let slots = &mut engine.arena.batch.reassemblies;
    let free = slots.iter().position(|slot| slot.state == FREE)?;
    let of_sender = slots
        .iter()
        .filter(|slot| slot.state == IN_USE && same_sender(slot, datagram))
        .count();
    if of_sender >= BATCH_REASSEMBLIES_PER_SENDER {
        return None;
    }
    let slot = &mut slots[free];
    slot.state = IN_USE;
    slot.started_ms = engine.arena.header.get(core::mem::offset_of!(ArenaHeader, now_ms));
    slot.epoch = datagram.epoch;
    slot.frame_id = fragment.frame_id;
    slot.sender0 = datagram.sender[0];
    slot.sender1 = datagram.sender[1];
    slot.sender2 = datagram.sender[2] & 0xffff;
    slot.control = datagram.control & 0xff;
    slot.token = datagram.token;
    slot.total_bytes = fragment.total;
    slot.received_bytes = 0;
    slot.fragments = 0;
    engine.reassemblies_held += 1;
    Some(free)
}

/// False when the fragment overlaps a sibling, contradicts the total, or is one too many.
fn add_range(engine: &mut Engine, slot: usize, fragment: &Fragment) -> bool {
    let record = &mut engine.arena.batch.reassemblies[slot];
    if record.total_bytes != fragment.total || record.fragments == RANGES {
        return false;
    }
    let ranges = ARENA_REASSEMBLY_RANGES as u32 + slot as u32 * RANGES * RANGE_BYTES;
    let used = record.fragments * RANGE_BYTES;
    let table = engine.arena.data.at(ranges, used + RANGE_BYTES);
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let (taken, place) = table.split_at_mut(used as usize);
    let overlaps = taken
        .chunks_exact(RANGE_BYTES as usize)
        .any(|range| fragment.start < word(&range[4..]) && word(range) < fragment.end);
    if overlaps {
        return false;
    }
    place[..4].copy_from_slice(&fragment.start.to_le_bytes());
    place[4..].copy_from_slice(&fragment.end.to_le_bytes());
    record.fragments += 1;
    record.received_bytes += fragment.end - fragment.start;
    true
}
