//! relay: lays what forward found to be for others as datagrams to be sent, and groups them into trains.
//!
//! Nothing is copied, and nothing behind the header is touched: the token is the same on every hop, its block is made anew
//! under the next lane's keys, with one hop less. A run is a row of neighbours of one lane, one segment and one set, end
//! to end in the receive buffer; it becomes a train for each trunk of the set but the one that it came from, unless that trunk
//! has had its share (fair_shares.rs) or its quota (relay_quota.rs).

use crate::classify::set_trunk;
use crate::engine::Engine;
use crate::layout::*;
use crate::relay_quota::take_credits;
use crate::tables::{Slot, Tables};
use crate::train::{Run, TRAIN_MAX_BYTES, add_train};
use core::mem::offset_of;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;

/// One hop, in a control word.
const HOP: u32 = 1 << 8;

/// What was passed on and is not yet added to the totals of its trunk and segment.
#[derive(Default)]
struct Relayed {
    trunk: u32,
    segment: u32,
    datagrams: u32,
    bytes: u32,
}

/// Lays trains of what leaves again among datagrams 0 … count-1; returns the number of trains.
pub fn relay(engine: &mut Engine, count: u32) -> u32 {
    let count = (count as usize).min(BATCH_RX_DATAGRAMS);
    let standing = engine.arena.header.get(offset_of!(ArenaHeader, standing_bytes));
    let overloaded = engine.shares.begin(standing, engine.arena.now_ms());
    let mut relayed = Relayed::default();
    let mut trains = 0;
    let mut laid = 0;
    let mut index = 0;
    while index < count {
        if !leaves(&engine.arena.batch.rx[index]) {
            index += 1;
            continue;
        }
        let run = index..run_end(engine, index, count);
        index = run.end;
        let copies = other_trunks(engine, run.start);
        if copies == 0 {
            drop_undelivered(engine, run);
        } else if may_leave(engine, run.clone(), copies, overloaded) {
            let sent = Run {
                first: laid,
                end: laid + run.len(),
            };
            lay(engine, run.clone(), sent);
            add_trains(engine, &mut trains, run, sent, &mut relayed);
            laid = sent.end;
        }
    }
    note(&engine.tables, &mut relayed);
    trains as u32
}

/// How many trunks a run's set has beside the one that it came from.
fn other_trunks(engine: &Engine, index: usize) -> u32 {
    let RxDatagram { set, trunk, .. } = engine.arena.batch.rx[index];
    let Some(set) = engine.tables.set(set).filter(|set| set.version() & 1 == 0) else {
        return 0;
    };
    let members = 0..set.get(offset_of!(ForwardSet, count));
    members.filter(|&member| set_trunk(set, member) != trunk).count() as u32
}

/// Fairness, then quotas; a copy for each trunk counts. What is refused is counted, a datagram each.
fn may_leave(engine: &mut Engine, run: Range<usize>, copies: u32, overloaded: bool) -> bool {
    let RxDatagram { trunk, segment, .. } = engine.arena.batch.rx[run.start];
    let datagrams = run.len() as u32;
    let bytes = copies * run_bytes(engine, &run);
    let code = if overloaded && !engine.shares.admits(trunk, bytes) {
        DROP_RELAY_UNFAIR
    } else if !take_credits(&engine.tables, segment, trunk, (copies * datagrams, bytes)) {
        DROP_RELAY_QUOTA
    } else {
        return true;
    };
    engine.arena.counters.drops(code, datagrams);
    if let (Some(trunk), Some(segment)) = (engine.tables.trunk(trunk), engine.tables.segment(segment)) {
        add(trunk, offset_of!(Trunk, refused_datagrams), datagrams);
        add(segment, offset_of!(Segment, refused_datagrams), datagrams);
    }
    false
}

/// They lie end to end.
fn run_bytes(engine: &Engine, run: &Range<usize>) -> u32 {
    let (first, last) = (&engine.arena.batch.rx[run.start], &engine.arena.batch.rx[run.end - 1]);
    last.offset + last.length - first.offset
}

fn add(slot: Slot<'static>, field: usize, amount: u32) {
    slot.atomic(field).fetch_add(amount, Relaxed);
}

/// The main thread reads these totals, and other workers add to them.
fn note(tables: &Tables, relayed: &mut Relayed) {
    let Relayed {
        trunk,
        segment,
        datagrams,
        bytes,
    } = core::mem::take(relayed);
    if datagrams == 0 {
        return;
    }
    if let (Some(trunk), Some(segment)) = (tables.trunk(trunk), tables.segment(segment)) {
        add(trunk, offset_of!(Trunk, relayed_datagrams), datagrams);
        add(trunk, offset_of!(Trunk, relayed_bytes), bytes);
        add(segment, offset_of!(Segment, relayed_datagrams), datagrams);
        add(segment, offset_of!(Segment, relayed_bytes), bytes);
    }
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
        let along = next.offset == head.offset + bytes
            && next.lane == head.lane
            && next.set == head.set
            && next.segment == head.segment;
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
fn add_trains(engine: &mut Engine, trains: &mut usize, run: Range<usize>, sent: Run, relayed: &mut Relayed) {
    let RxDatagram {
        set,
        segment,
        trunk: origin,
        length,
        ..
    } = engine.arena.batch.rx[run.start];
    let Some(set) = engine.tables.set(set) else {
        return;
    };
    let datagrams = run.len() as u32;
    let before = *trains;
    for member in 0..set.get(offset_of!(ForwardSet, count)) {
        let trunk = set_trunk(set, member);
        if trunk == origin {
            continue;
        }
        if fits(&engine.tables, trunk, length) {
            add_train(engine, trains, sent, trunk);
        } else {
            engine.arena.counters.drops(DROP_PATH_TOO_SMALL, datagrams);
        }
    }
    let copies = (*trains - before) as u32;
    if copies == 0 {
        return;
    }
    engine
        .arena
        .counters
        .add(COUNTER_DATAGRAMS_FORWARDED, copies * datagrams);
    if (relayed.trunk, relayed.segment) != (origin, segment) {
        note(&engine.tables, relayed);
        (relayed.trunk, relayed.segment) = (origin, segment);
    }
    relayed.datagrams += copies * datagrams;
    relayed.bytes += copies * run_bytes(engine, &run);
}

/// Its only others are where it came from. What is delivered here as well is not lost.
fn drop_undelivered(engine: &mut Engine, run: Range<usize>) {
    let lost = engine.arena.batch.rx[run]
        .iter()
        .filter(|datagram| datagram.verdict == RX_FORWARDED);
    engine.arena.counters.drops(DROP_NOT_FORWARDING, lost.count() as u32);
}

/// A trunk without a carrier takes none, but has no size either: what goes there is counted as without a lane.
fn fits(tables: &Tables, trunk: u32, length: u32) -> bool {
    let mtu = tables
        .trunk(trunk)
        .map_or(0, |trunk| trunk.get(offset_of!(Trunk, datagram_mtu_bytes)));
    mtu == 0 || length <= mtu
}
