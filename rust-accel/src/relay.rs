//! relay: lays what forward found to be for others as datagrams to be sent, and groups them into trains.
//!
//! Nothing is copied, and nothing behind the header is touched: the token is the same on every hop, its block is made anew
//! under the next lane's keys, with one hop less. A run is a row of neighbours of one lane and one set, end to end in the
//! receive buffer; it becomes a train for each trunk of the set but the one that it came from.

use crate::classify::set_trunk;
use crate::engine::Engine;
use crate::layout::*;
use crate::tables::Tables;
use crate::train::{Run, TRAIN_MAX_BYTES, add_train};
use core::mem::offset_of;
use core::ops::Range;

/// One hop, in a control word.
const HOP: u32 = 1 << 8;

/// Lays trains of what leaves again among datagrams 0 … count-1; returns the number of trains.
pub fn relay(engine: &mut Engine, count: u32) -> u32 {
    let count = (count as usize).min(BATCH_RX_DATAGRAMS);
    let mut trains = 0;
    let mut laid = 0;
    let mut index = 0;
    while index < count {
        if !leaves(&engine.arena.batch.rx[index]) {
            index += 1;
            continue;
        }
        let run = index..run_end(engine, index, count);
        let sent = Run {
            first: laid,
            end: laid + run.len(),
        };
        lay(engine, run.clone(), sent);
        add_trains(engine, &mut trains, run.clone(), sent);
        laid = sent.end;
        index = run.end;
    }
    trains as u32
}

#[inline]
fn leaves(datagram: &RxDatagram) -> bool {
    datagram.verdict != RX_DROPPED && datagram.set != NONE
}

/// One past the last datagram of the run that begins at `first`.
fn run_end(engine: &Engine, first: usize, count: usize) -> usize {
    let rx = &engine.arena.batch.rx;
    let most = engine.arena.header.get(offset_of!(ArenaHeader, gso_segments)).max(1) as usize;
    let head = &rx[first];
    let mut bytes = head.length;
    let mut end = first + 1;
    while end < count.min(first + most) {
        let next = &rx[end];
        if next.length > head.length || bytes + next.length > TRAIN_MAX_BYTES {
            break;
        }
        let along = next.offset == head.offset + bytes && next.lane == head.lane && next.set == head.set;
        if !along || !leaves(next) {
            break;
        }
        bytes += next.length;
        end += 1;
        if next.length < head.length {
            break;
        }
    }
    end
}

/// A relay does not see flows: what came by one lane leaves by one lane, which keeps the order of all of them.
fn lay(engine: &mut Engine, run: Range<usize>, sent: Run) {
    let batch = &mut engine.arena.batch;
    for (datagram, place) in batch.rx[run].iter().zip(&mut batch.tx[sent.first..sent.end]) {
        place.offset = datagram.offset;
        place.length = datagram.length;
        place.token = datagram.token;
        place.control = datagram.control - HOP;
        place.verdict = FRAME_UNICAST;
        place.destination = datagram.set;
        place.flow_hash = datagram.lane;
    }
}

/// A train for each trunk of the run's set, but the one that it came from.
fn add_trains(engine: &mut Engine, trains: &mut usize, run: Range<usize>, sent: Run) {
    let RxDatagram {
        set,
        trunk: origin,
        length,
        ..
    } = engine.arena.batch.rx[run.start];
    let datagrams = run.len() as u32;
    let mut others = 0;
    if let Some(set) = engine.tables.set(set).filter(|set| set.version() & 1 == 0) {
        for member in 0..set.get(offset_of!(ForwardSet, count)) {
            let trunk = set_trunk(set, member);
            if trunk == origin {
                continue;
            }
            others += 1;
            if !fits(&engine.tables, trunk, length) {
                engine.arena.counters.drops(DROP_PATH_TOO_SMALL, datagrams);
                continue;
            }
            let before = *trains;
            add_train(engine, trains, sent, trunk);
            if *trains != before {
                engine.arena.counters.add(COUNTER_DATAGRAMS_FORWARDED, datagrams);
            }
        }
    }
    if others == 0 {
        // Its only others are where it came from. What is delivered here as well is not lost.
        let lost = engine.arena.batch.rx[run]
            .iter()
            .filter(|datagram| datagram.verdict == RX_FORWARDED);
        engine.arena.counters.drops(DROP_NOT_FORWARDING, lost.count() as u32);
    }
}

/// A trunk without a carrier takes none, but has no size either: what goes there is counted as without a lane.
fn fits(tables: &Tables, trunk: u32, length: u32) -> bool {
    let mtu = tables
        .trunk(trunk)
        .map_or(0, |trunk| trunk.get(offset_of!(Trunk, datagram_mtu_bytes)));
    mtu == 0 || length <= mtu
}
