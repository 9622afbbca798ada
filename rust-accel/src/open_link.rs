//! openLink: checks a batch's link headers and opens their blocks, a run of one lane at a time. Changes no window.

use crate::engine::Engine;
use crate::layout::*;
use crate::link::{COUNTER_LIMIT, Header, RUN, VERSION_TYPE, control_word};
use crate::tables::Slot;
use crate::window::{LaneWindow, Seen};
use core::mem::offset_of;

/// The tweak's length field has 16 bits.
const LARGEST: u32 = 65_535;

/// A header that passed the checks before the blocks.
struct Candidate {
    lane: u32,
    header: Header,
    token_block: [u8; 16],
}

/// Opens datagrams 0 … count-1 that came by `carrier`.
pub fn open_link(engine: &mut Engine, count: u32, carrier: u32) {
    engine.arena.header.set(offset_of!(ArenaHeader, punt_count), 0);
    let mut run_lane = NONE;
    let mut run = [0u32; RUN];
    let mut length = 0;
    for index in 0..count {
        match check(engine, index, carrier) {
            Err(code) => {
                engine.arena.batch.rx[index as usize].verdict = RX_DROPPED;
                engine.arena.counters.drop(code);
            }
            Ok(candidate) => {
                if length == RUN || candidate.lane != run_lane {
                    open_run(engine, run_lane, &run[..length]);
                    length = 0;
                    run_lane = candidate.lane;
                }
                engine.blocks.headers[length] = candidate.header;
                engine.blocks.token[length].0 = candidate.token_block;
                run[length] = index;
                length += 1;
            }
        }
    }
    open_run(engine, run_lane, &run[..length]);
}

/// Everything that can be said before a key is used.
#[inline]
fn check(engine: &mut Engine, index: u32, carrier: u32) -> Result<Candidate, u32> {
    let datagram = &engine.arena.batch.rx[index as usize];
    let (offset, length) = (datagram.offset, datagram.length);
    if length < LINK_OVERHEAD_BYTES {
        return Err(DROP_DATAGRAM_SHORT);
    }
    if length > LARGEST {
        return Err(DROP_FRAME_OVERSIZE);
    }
    let bytes = engine.arena.data.at(offset, 32);
    if bytes[0] != VERSION_TYPE {
        return Err(DROP_DATAGRAM_VERSION);
    }
    let receiver = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let mut counter = [0; 8];
    counter.copy_from_slice(&bytes[8..16]);
    let counter = u64::from_le_bytes(counter);
    let header = Header {
        receiver,
        counter,
        length: length as u16,
        control: [bytes[1], bytes[2], bytes[3]],
    };
    let mut token_block = [0; 16];
    token_block.copy_from_slice(&bytes[16..32]);
    let lane = receiver & (LIMIT_LANES as u32 - 1);
    let entry = owned_lane(engine, lane, receiver)?;
    admit(engine, entry, lane, counter, carrier)?;
    Ok(Candidate {
        lane,
        header,
        token_block,
    })
}

/// The lane that a receiver index names, if it is live and this worker's.
#[inline]
fn owned_lane(engine: &Engine, lane: u32, receiver: u32) -> Result<Slot<'static>, u32> {
    let entry = engine.tables.lane(lane).ok_or(DROP_RECEIVER_UNKNOWN)?;
    let known = entry.version() & 1 == 0
        && entry.get(offset_of!(Lane, state)) != LANE_FREE
        && entry.get(offset_of!(Lane, local_index)) == receiver
        && entry.get(offset_of!(Lane, worker)) == engine.worker;
    if known { Ok(entry) } else { Err(DROP_RECEIVER_UNKNOWN) }
}

#[inline]
fn admit(engine: &Engine, entry: Slot<'static>, lane: u32, counter: u64, carrier: u32) -> Result<(), u32> {
    let left = entry
        .get(offset_of!(Lane, not_after_ms))
        .wrapping_sub(engine.arena.now_ms());
    if (left as i32) < 0 || entry.f64(offset_of!(Lane, rx_opened)) >= COUNTER_LIMIT as f64 {
        return Err(DROP_LANE_EXPIRED);
    }
    if entry.get(offset_of!(Lane, carrier)) != carrier {
        return Err(DROP_CARRIER_MISMATCH);
    }
    if counter >= COUNTER_LIMIT {
        return Err(DROP_COUNTER_LIMIT);
    }
    match lane_window(engine, entry, lane).test(counter) {
        Seen::New => {}
        seen => return Err(link_drop(seen)),
    }
    // Counted before its blocks are opened, so that a batch cannot carry the lane past its limit.
    entry.add_f64(offset_of!(Lane, rx_opened), 1.0);
    Ok(())
}

/// A lane's window as it stands.
#[inline]
pub fn lane_window(engine: &Engine, entry: Slot<'static>, lane: u32) -> LaneWindow<'static> {
    LaneWindow {
        highest: u64::from(entry.get(offset_of!(Lane, rx_highest_high))) << 32
            | u64::from(entry.get(offset_of!(Lane, rx_highest_low))),
        bits: engine.tables.lane_window(lane),
    }
}

/// The drop code of a counter that a lane's window refuses.
#[inline]
pub fn link_drop(seen: Seen) -> u32 {
    if seen == Seen::TooOld {
        DROP_LINK_TOO_OLD
    } else {
        DROP_LINK_REPLAY
    }
}

/// Opens the blocks of a run and writes what they say.
fn open_run(engine: &mut Engine, slot: u32, run: &[u32]) {
    let (Some(lane), false) = (engine.tables.lane(slot), run.is_empty()) else {
        return;
    };
    let Some(keys) = engine.keys.rx(&engine.tables, slot) else {
        for &index in run {
            engine.arena.batch.rx[index as usize].verdict = RX_DROPPED;
            engine.arena.counters.drop(DROP_RECEIVER_UNKNOWN);
        }
        return;
    };
    engine.blocks.open(keys, run.len());
    let trunk = lane.get(offset_of!(Lane, trunk));
    for (position, &index) in run.iter().enumerate() {
        let header = &engine.blocks.headers[position];
        let datagram = &mut engine.arena.batch.rx[index as usize];
        datagram.verdict = RX_OPEN;
        datagram.lane = slot;
        datagram.trunk = trunk;
        datagram.control = control_word(header.control);
        datagram.counter_low = header.counter as u32;
        datagram.counter_high = (header.counter >> 32) as u32;
        datagram.token = engine.blocks.token[position].0;
        // A probe's AAD is over the plain control field.
        engine
            .arena
            .data
            .at(datagram.offset + 1, 3)
            .copy_from_slice(&header.control);
    }
}
