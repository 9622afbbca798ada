//! train: groups sealed datagrams into trains, which one system call sends.
//!
//! A run is a row of neighbours for one destination, of one size but the last, within the kernel's limits for a GSO
//! send. A run to one trunk is one train. A run to a set becomes one train for each of its trunks: the same datagrams,
//! closed and sent once for each.

use crate::classify::set_trunk;
use crate::engine::Engine;
use crate::layout::*;
use crate::tables::{Slot, Tables};
use core::mem::offset_of;

/// One send takes at most 64 KiB less the headers around it.
pub const TRAIN_MAX_BYTES: u32 = 65_400;

/// A run of datagrams, which lie end to end.
#[derive(Clone, Copy)]
pub struct Run {
    pub first: usize,
    pub end: usize,
}

/// Groups datagrams 0 … count-1; returns the number of trains.
pub fn train(engine: &mut Engine, count: u32) -> u32 {
    let mut trains = 0;
    let mut first = 0;
    while first < count as usize {
        let datagram = &engine.arena.batch.tx[first];
        let (verdict, destination) = (datagram.verdict, datagram.destination);
        if verdict == FRAME_DROPPED {
            first += 1;
            continue;
        }
        let run = Run {
            first,
            end: run_end(engine, first, count as usize),
        };
        if verdict == FRAME_UNICAST {
            add_train(engine, &mut trains, run, destination);
        } else {
            add_for_set(engine, &mut trains, run, destination);
        }
        first = run.end;
    }
    trains as u32
}

/// One past the last datagram of the run that begins at `first`.
fn run_end(engine: &Engine, first: usize, count: usize) -> usize {
    let tx = &engine.arena.batch.tx;
    let most = engine.arena.header.get(offset_of!(ArenaHeader, gso_segments)).max(1) as usize;
    let size = tx[first].length;
    let mut bytes = size;
    let mut end = first + 1;
    while end < count.min(first + most) {
        let next = tx[end].length;
        if next > size || bytes + next > TRAIN_MAX_BYTES || !goes_along(engine, &tx[first], &tx[end]) {
            break;
        }
        bytes += next;
        end += 1;
        if next < size {
            break;
        }
    }
    end
}

/// Whether a neighbour has the same destination and lane. A run to a set has a lane for each trunk, so one flow only.
#[inline]
fn goes_along(engine: &Engine, datagram: &TxDatagram, next: &TxDatagram) -> bool {
    if next.verdict != datagram.verdict || next.destination != datagram.destination {
        return false;
    }
    next.flow_hash == datagram.flow_hash
        || (datagram.verdict == FRAME_UNICAST
            && choose_lane(engine, datagram.destination, datagram.flow_hash)
                == choose_lane(engine, datagram.destination, next.flow_hash))
}

fn add_for_set(engine: &mut Engine, trains: &mut usize, run: Run, set: u32) {
    let Some(set) = engine.tables.set(set).filter(|set| set.version() & 1 == 0) else {
        engine
            .arena
            .counters
            .drops(DROP_NO_MEMBER, (run.end - run.first) as u32);
        return;
    };
    for member in 0..set.get(offset_of!(ForwardSet, count)) {
        add_train(engine, trains, run, set_trunk(set, member));
    }
}

/// Appends a train, unless nobody can take it.
pub fn add_train(engine: &mut Engine, trains: &mut usize, run: Run, trunk: u32) {
    let lane = choose_lane(engine, trunk, engine.arena.batch.tx[run.first].flow_hash);
    let owner = if lane.is_some() {
        Some(engine.worker)
    } else {
        lane_owner(&engine.tables, trunk)
    };
    let code = match owner {
        _ if *trains == BATCH_TRAINS => DROP_SEND_FULL,
        None => DROP_LANE_DOWN,
        Some(_) => DROP_NONE,
    };
    if code != DROP_NONE {
        engine.arena.counters.drops(code, (run.end - run.first) as u32);
        return;
    }
    let last = &engine.arena.batch.tx[run.end - 1];
    let bytes = last.offset + last.length - engine.arena.batch.tx[run.first].offset;
    let train = &mut engine.arena.batch.trains[*trains];
    train.first = run.first as u32;
    train.count = (run.end - run.first) as u32;
    train.trunk = trunk;
    train.lane = lane.unwrap_or(NONE);
    train.owner = owner.unwrap_or(NONE);
    train.bytes = bytes;
    *trains += 1;
}

/// The lane for a flow among this worker's lanes of a trunk that may send.
fn choose_lane(engine: &Engine, trunk: u32, flow_hash: u32) -> Option<u32> {
    let (trunk, count) = live_trunk(&engine.tables, trunk)?;
    let lanes = || {
        (engine.worker..count)
            .step_by(engine.tables.worker_count as usize)
            .filter_map(|lane| sending_lane(&engine.tables, trunk, lane))
    };
    let usable = lanes().count() as u32;
    if usable == 0 {
        return None;
    }
    lanes().nth((flow_hash % usable) as usize)
}

/// The worker of a trunk's first lane that may send: it takes what this worker cannot send.
fn lane_owner(tables: &Tables, trunk: u32) -> Option<u32> {
    let (trunk, count) = live_trunk(tables, trunk)?;
    (0..count)
        .find(|&lane| sending_lane(tables, trunk, lane).is_some())
        .map(|lane| lane % tables.worker_count)
}

/// A live trunk and its number of lanes.
#[inline]
fn live_trunk(tables: &Tables, trunk: u32) -> Option<(Slot<'static>, u32)> {
    let trunk = tables.trunk(trunk)?;
    let live = trunk.version() & 1 == 0 && trunk.get(offset_of!(Trunk, state)) == 1;
    let count = trunk
        .get(offset_of!(Trunk, lane_count))
        .min(LIMIT_LANES_PER_TRUNK as u32);
    live.then_some((trunk, count))
}

/// Slot of a trunk's lane number `lane`, when it may send.
#[inline]
fn sending_lane(tables: &Tables, trunk: Slot<'static>, lane: u32) -> Option<u32> {
    let slot = trunk.get(offset_of!(Trunk, lanes) + 4 * lane as usize);
    let sends = tables.lane(slot)?.get(offset_of!(Lane, state)) == LANE_SENDS;
    sends.then_some(slot)
}
