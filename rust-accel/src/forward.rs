//! forward: what an open link header means here: its token's entry, the window, hops and kind.
//! One rule forwards all traffic: a token names a set of trunks, and possibly this node. And one keeps it safe: what came
//! from a trunk that is no forwarding port of the segment is delivered here at most.

use crate::classify::set_trunk;
use crate::engine::Engine;
use crate::layout::*;
use crate::link::{body_aad, body_nonce, control_bytes};
use crate::open_link::{lane_window, link_drop};
use crate::recent_frames::is_repeated;
use crate::tables::{Slot, words_of};
use crate::window::Seen;
use core::mem::offset_of;
use core::sync::atomic::Ordering::Relaxed;

/// Where the token block and a probe's body lie.
const TOKEN_AT: u32 = 16;
const BODY_AT: u32 = 32;
/// Where what is the same on every hop begins.
const SENDER_AT: u32 = 32;

/// The last answer to "is this trunk a port of that segment", for a batch: segment, trunk, answer.
pub type LastPort = Option<(u32, u32, bool)>;

/// Decides for datagrams 0 … count-1 that are RX_OPEN; adds to `punts`. Returns how many relay has work with.
pub fn forward(engine: &mut Engine, count: u32) -> u32 {
    engine.last_token.clear();
    engine.last_port = None;
    let mut local = 0;
    let mut leaving = 0;
    for index in 0..count {
        let datagram = &mut engine.arena.batch.rx[index as usize];
        if datagram.verdict != RX_OPEN {
            continue;
        }
        datagram.set = NONE;
        match decide(engine, index as usize) {
            Ok(verdict) => {
                let datagram = &mut engine.arena.batch.rx[index as usize];
                datagram.verdict = verdict;
                leaving += u32::from(datagram.set != NONE);
                match verdict {
                    RX_LOCAL => local += 1,
                    RX_PUNTED => engine.punt(index),
                    _ => {}
                }
            }
            Err(code) => {
                engine.arena.batch.rx[index as usize].verdict = RX_DROPPED;
                engine.arena.counters.drop(code);
            }
        }
    }
    engine.arena.header.set(offset_of!(ArenaHeader, local_count), local);
    leaving
}

#[inline]
fn decide(engine: &mut Engine, index: usize) -> Result<u32, u32> {
    let control = engine.arena.batch.rx[index].control;
    if control & 0xf == KIND_LINK {
        open_body(engine, index)?;
        enter(engine, index)?;
        return Ok(RX_PUNTED);
    }
    let token = engine.arena.batch.rx[index].token;
    let tables = &engine.tables;
    let slot = engine
        .last_token
        .get(words_of(&token), || tables.find_token(&token))
        .ok_or(DROP_TOKEN_UNKNOWN)?;
    enter(engine, index)?;
    let entry = engine.tables.token(slot);
    engine.arena.batch.rx[index].epoch = entry.get(offset_of!(Token, epoch));
    if control >> 8 & 0xff == 0 {
        return Err(DROP_HOPS_EXCEEDED);
    }
    deliver(engine, index, entry)
}

/// Here, onwards, or both. What is delivered here with its last hop is no loss: a sender may mean it for us alone.
#[inline]
fn deliver(engine: &mut Engine, index: usize, entry: Slot<'static>) -> Result<u32, u32> {
    let kind = engine.arena.batch.rx[index].control & 0xf;
    if !(KIND_FRAME..=KIND_ECHO).contains(&kind) {
        return Err(DROP_KIND_INVALID);
    }
    let (flags, set) = (entry.get(offset_of!(Token, flags)), entry.get(offset_of!(Token, set)));
    let refusal = if set == NONE {
        DROP_NOT_FORWARDING
    } else {
        refusal(engine, index, entry)
    };
    if refusal == DROP_NONE {
        if flags & TOKEN_SEVERAL != 0 && is_copy(engine, index) {
            return Err(DROP_DUPLICATE);
        }
        engine.arena.batch.rx[index].set = set;
    }
    if flags & TOKEN_LOCAL != 0 && matches!(kind, KIND_FRAME | KIND_FRAGMENT) {
        Ok(RX_LOCAL)
    } else if for_main(flags, kind) {
        describe_control(engine, index);
        Ok(RX_PUNTED)
    } else if refusal == DROP_NONE {
        Ok(RX_FORWARDED)
    } else if set == NONE && flags & (TOKEN_LOCAL | TOKEN_CONTROL) != 0 {
        Err(DROP_KIND_INVALID)
    } else {
        Err(refusal)
    }
}

/// Members' control, and echoes to whatever is received here.
fn for_main(flags: u32, kind: u32) -> bool {
    match kind {
        KIND_ECHO => flags & (TOKEN_LOCAL | TOKEN_CONTROL) != 0,
        KIND_CONTROL => flags & TOKEN_CONTROL != 0,
        _ => false,
    }
}

/// Whether a datagram came before by another way. A port that keeps bringing copies closes a loop: the main thread looks at
/// how many.
fn is_copy(engine: &Engine, index: usize) -> bool {
    let RxDatagram {
        offset, length, trunk, ..
    } = engine.arena.batch.rx[index];
    let bytes = engine.arena.data.look(offset + SENDER_AT, length - SENDER_AT);
    let repeated = is_repeated(&engine.tables, bytes, engine.arena.now_ms());
    if repeated && let Some(trunk) = engine.tables.trunk(trunk) {
        trunk.atomic(offset_of!(Trunk, copies)).fetch_add(1, Relaxed);
    }
    repeated
}

/// Why a datagram whose token names others goes no further, or DROP_NONE.
#[inline]
fn refusal(engine: &mut Engine, index: usize, entry: Slot<'static>) -> u32 {
    let segment = entry.get(offset_of!(Token, segment));
    let datagram = &mut engine.arena.batch.rx[index];
    datagram.segment = segment;
    let (trunk, hops) = (datagram.trunk, datagram.control >> 8 & 0xff);
    if !is_port(engine, segment, trunk) {
        DROP_NOT_FORWARDING
    } else if hops > 1 {
        DROP_NONE
    } else {
        DROP_HOPS_EXCEEDED
    }
}

/// Whether a trunk is among a segment's ports. Neighbours mostly ask the same.
#[inline]
fn is_port(engine: &mut Engine, segment: u32, trunk: u32) -> bool {
    if let Some((last_segment, last_trunk, answer)) = engine.last_port
        && (last_segment, last_trunk) == (segment, trunk)
    {
        return answer;
    }
    let answer = ports_of(engine, segment).is_some_and(|set| {
        (0..set.get(offset_of!(ForwardSet, count))).any(|member| set_trunk(set, member) == trunk)
    });
    engine.last_port = Some((segment, trunk, answer));
    answer
}

/// The set of a live segment's ports.
fn ports_of(engine: &Engine, segment: u32) -> Option<Slot<'static>> {
    let segment = engine.tables.segment(segment)?;
    let live = segment.version() & 1 == 0 && segment.get(offset_of!(Segment, state)) == 1;
    let ports = engine.tables.set(segment.get(offset_of!(Segment, ports)))?;
    (live && ports.version() & 1 == 0).then_some(ports)
}

/// A control datagram is told as token ‖ masked sender ‖ sealed body ‖ tag; the graph puts the token there last.
fn describe_control(engine: &mut Engine, index: usize) {
    let datagram = &mut engine.arena.batch.rx[index];
    datagram.frame_offset = datagram.offset + TOKEN_AT;
    datagram.frame_length = datagram.length - TOKEN_AT;
}

/// Opens a probe's body in place: its token must be the lane's own link token.
fn open_body(engine: &mut Engine, index: usize) -> Result<(), u32> {
    let datagram = &mut engine.arena.batch.rx[index];
    let lane = engine.tables.lane(datagram.lane).ok_or(DROP_TOKEN_UNKNOWN)?;
    if lane.bytes::<16>(offset_of!(Lane, rx_link_token)) != datagram.token {
        return Err(DROP_TOKEN_UNKNOWN);
    }
    let keys = engine
        .keys
        .rx(&engine.tables, datagram.lane)
        .ok_or(DROP_LINK_BODY_INVALID)?;
    let counter = u64::from(datagram.counter_high) << 32 | u64::from(datagram.counter_low);
    let receiver = lane.get(offset_of!(Lane, local_index));
    let aad = body_aad(control_bytes(datagram.control), receiver, counter);
    let body = engine
        .arena
        .data
        .at(datagram.offset + BODY_AT, datagram.length - BODY_AT);
    datagram.frame_offset = datagram.offset + BODY_AT;
    datagram.frame_length = datagram.length - BODY_AT - TAG_BYTES;
    if keys.body.open(body_nonce(counter), &aad, body) {
        Ok(())
    } else {
        Err(DROP_LINK_BODY_INVALID)
    }
}

/// Enters the window, once, and counts the lane's traffic.
#[inline]
fn enter(engine: &mut Engine, index: usize) -> Result<(), u32> {
    let datagram = &engine.arena.batch.rx[index];
    let lane = engine.tables.lane(datagram.lane).ok_or(DROP_RECEIVER_UNKNOWN)?;
    let counter = u64::from(datagram.counter_high) << 32 | u64::from(datagram.counter_low);
    let mut window = lane_window(engine, lane, datagram.lane);
    let before = window.highest;
    match window.insert(counter) {
        Seen::New => {}
        seen => return Err(link_drop(seen)),
    }
    if window.highest != before {
        lane.set(offset_of!(Lane, rx_highest_low), window.highest as u32);
        lane.set(offset_of!(Lane, rx_highest_high), (window.highest >> 32) as u32);
    }
    lane.add_f64(offset_of!(Lane, rx_accepted), 1.0);
    lane.add_f64(offset_of!(Lane, rx_bytes), f64::from(datagram.length));
    lane.set(offset_of!(Lane, last_rx_ms), engine.arena.now_ms());
    Ok(())
}
