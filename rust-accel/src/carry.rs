//! Whole batches by one call: the stages in the order of dataplane/workers/batches.ts, which is the reference.
//!
//!   carryOut   readTap → classify → { segment → seal → train → sendTrains } until all frames are laid
//!   carryIn    openLink → forward → relay → sendTrains → openFrame → learn → coalesce → writeTap
//!
//! Both stop where sendTrains holds a train back, and carryOn goes on once the graph has taken it.

use crate::classify::classify;
use crate::close_link::close_link;
use crate::coalesce::coalesce;
use crate::engine::Engine;
use crate::forward::forward;
use crate::layout::*;
use crate::learn::learn;
use crate::open_frame::open_frame;
use crate::open_link::open_link;
use crate::relay::relay;
use crate::seal::seal;
use crate::segment::segment;
use crate::send::send;
use crate::tap::{read_tap, write_tap};
use crate::train::train;
use core::mem::offset_of;

/// Where a batch stopped.
#[derive(Clone, Copy, Default)]
pub struct Rest {
    /// Frames `next` … of `frames` are still to be laid.
    next: u32,
    frames: u32,
    /// Datagrams still to be delivered.
    datagrams: u32,
}

/// Carries a batch of a TAP queue; returns the frames read.
pub fn carry_out(engine: &mut Engine, queue: u32) -> u32 {
    let frames = read_tap(engine, queue);
    engine.rest = Rest {
        frames,
        ..Rest::default()
    };
    if frames > 0 {
        classify(engine, frames);
    }
    carry_on(engine);
    frames
}

/// Carries datagrams 0 … count-1 that were received by `carrier`.
pub fn carry_in(engine: &mut Engine, count: u32, carrier: u32) {
    engine.rest = Rest {
        datagrams: count,
        ..Rest::default()
    };
    open_link(engine, count, carrier);
    let whole = forward(engine, count) == 0 || {
        let trains = relay(engine, count);
        send_all(engine, trains)
    };
    if whole {
        carry_on(engine);
    }
}

/// Goes on where a batch stopped.
pub fn carry_on(engine: &mut Engine) {
    engine.arena.header.set(offset_of!(ArenaHeader, held_trains), 0);
    lay_rest(engine);
    deliver_rest(engine);
}

/// Lays and sends what a batch of a TAP still has, up to a train that is held.
fn lay_rest(engine: &mut Engine) {
    let mut goes_on = true;
    while goes_on && engine.rest.next < engine.rest.frames {
        let next = segment(engine, engine.rest.next, engine.rest.frames);
        assert!(next > engine.rest.next, "a frame does not fit an empty buffer");
        engine.rest.next = next;
        let datagrams = engine.arena.header.get(offset_of!(ArenaHeader, tx_datagram_count));
        if datagrams > 0 {
            seal(engine, datagrams);
            let trains = train(engine, datagrams);
            goes_on = send_all(engine, trains);
        }
    }
}

/// Delivers what a batch of datagrams has for this node.
fn deliver_rest(engine: &mut Engine) {
    let count = core::mem::take(&mut engine.rest.datagrams);
    if count == 0 || engine.arena.header.get(offset_of!(ArenaHeader, local_count)) == 0 {
        return;
    }
    open_frame(engine, count);
    learn(engine, count);
    let writes = coalesce(engine, count);
    write_tap(engine, writes);
}

/// Sends trains; false when some are held, whose place is then in the header.
fn send_all(engine: &mut Engine, trains: u32) -> bool {
    let held = send_trains(engine, trains);
    let place = if held == 0 { 0 } else { trains };
    engine.arena.header.set(offset_of!(ArenaHeader, held_trains), place);
    held == 0
}

/// Closes and sends trains 0 … count-1 that go by UDP; returns how many are held for the graph.
pub fn send_trains(engine: &mut Engine, count: u32) -> u32 {
    let mut held = 0;
    for index in 0..count {
        let Some(&Train {
            lane, count: datagrams, ..
        }) = engine.arena.batch.trains.get(index as usize)
        else {
            break;
        };
        if !goes_by_udp(engine, lane) {
            held += 1;
            continue;
        }
        let code = close_link(engine, index);
        if code == DROP_NONE {
            send(engine, index);
        } else {
            engine.arena.counters.drops(code, datagrams);
        }
        engine.arena.batch.trains[index as usize].count = 0;
    }
    held
}

/// NONE is no lane.
#[inline]
fn goes_by_udp(engine: &Engine, lane: u32) -> bool {
    engine
        .tables
        .lane(lane)
        .is_some_and(|lane| lane.get(offset_of!(Lane, carrier)) != CARRIER_STREAM)
}
