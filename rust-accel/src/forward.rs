//! forward: what an open link header means here: its token's entry, the window, hops and kind.
//! One rule forwards all traffic: a token names a set of trunks, and possibly this node.

use crate::engine::Engine;
use crate::layout::*;
use crate::link::{body_aad, body_nonce, control_bytes};
use crate::open_link::{lane_window, link_drop};
use crate::tables::words_of;
use crate::window::Seen;
use core::mem::offset_of;

/// Where the token block and a probe's body lie.
const TOKEN_AT: u32 = 16;
const BODY_AT: u32 = 32;

/// Decides for datagrams 0 … count-1 that are RX_OPEN; adds to `punts`.
pub fn forward(engine: &mut Engine, count: u32) {
    engine.last_token.clear();
    for index in 0..count {
        if engine.arena.batch.rx[index as usize].verdict != RX_OPEN {
            continue;
        }
        match decide(engine, index as usize) {
            Ok(verdict) => {
                engine.arena.batch.rx[index as usize].verdict = verdict;
                if verdict == RX_PUNTED {
                    engine.punt(index);
                }
            }
            Err(code) => {
                engine.arena.batch.rx[index as usize].verdict = RX_DROPPED;
                engine.arena.counters.drop(code);
            }
        }
    }
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
    let datagram = &mut engine.arena.batch.rx[index];
    datagram.epoch = entry.get(offset_of!(Token, epoch));
    datagram.set = entry.get(offset_of!(Token, set));
    if control >> 8 & 0xff == 0 {
        return Err(DROP_HOPS_EXCEEDED);
    }
    let flags = entry.get(offset_of!(Token, flags));
    match control & 0xf {
        KIND_FRAME..=KIND_ECHO if flags & (TOKEN_LOCAL | TOKEN_CONTROL) == 0 => Err(DROP_NOT_FORWARDING),
        KIND_FRAME | KIND_FRAGMENT if flags & TOKEN_LOCAL != 0 => Ok(RX_LOCAL),
        KIND_CONTROL if flags & TOKEN_CONTROL != 0 => {
            show_token(engine, index);
            Ok(RX_PUNTED)
        }
        _ => Err(DROP_KIND_INVALID),
    }
}

/// A control datagram is told as token ‖ masked sender ‖ sealed body ‖ tag: the opened token takes its block's place.
fn show_token(engine: &mut Engine, index: usize) {
    let datagram = &mut engine.arena.batch.rx[index];
    datagram.frame_offset = datagram.offset + TOKEN_AT;
    datagram.frame_length = datagram.length - TOKEN_AT;
    let place = engine.arena.data.at(datagram.frame_offset, 16);
    place.copy_from_slice(&datagram.token);
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
