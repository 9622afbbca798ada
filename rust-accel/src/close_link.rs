//! closeLink: writes bytes 0‥31 of each datagram of a train under its lane's keys; sendLink: seals and sends a probe.
//! Never seals under a counter twice, never at or past 2^40, never past the lane's hard stop.

use crate::engine::Engine;
use crate::layout::*;
use crate::link::{COUNTER_LIMIT, Header, RUN, VERSION_TYPE, body_aad, body_nonce, control_bytes};
use crate::send::send_to;
use crate::tables::Slot;
use core::mem::offset_of;
use core::ops::Range;

/// Bytes of an endpoint before a probe's body (contract/ring-message.ts).
const ENDPOINT: u32 = 48;
/// Bytes of a probe before its body: link header up to the token block.
const PROBE_HEADER: u32 = 32;
/// The tweak's length field has 16 bits.
const DATAGRAM_MAX: u32 = 65_535;
/// A probe ends at the trunk's other side: one hop, no flags.
const PROBE_CONTROL: u32 = KIND_LINK | 1 << 8;

/// Closes a train; returns 0 or the drop code of the whole train.
pub fn close_link(engine: &mut Engine, train: u32) -> u32 {
    let Some(train) = engine.arena.batch.trains.get(train as usize) else {
        return DROP_LANE_DOWN;
    };
    let (first, count, slot, bytes) = (train.first as usize, train.count as usize, train.lane, train.bytes);
    let (lane, counter) = match draw(engine, slot, LANE_SENDS, count as u64) {
        Ok(drawn) => drawn,
        Err(code) => return code,
    };
    for start in (0..count).step_by(RUN) {
        let end = count.min(start + RUN);
        if !close_run(engine, slot, first + start..first + end, counter + start as u64) {
            return DROP_LANE_DOWN;
        }
    }
    note_sent(engine, lane, count as u32, bytes);
    DROP_NONE
}

/// Takes `count` counters of a lane that is at least in state `least`; returns it and the first counter. Whatever fails
/// later, they are spent.
fn draw(engine: &mut Engine, slot: u32, least: u32, count: u64) -> Result<(Slot<'static>, u64), u32> {
    let lane = engine.tables.lane(slot).ok_or(DROP_LANE_DOWN)?;
    let may_send = lane.version() & 1 == 0
        && lane.get(offset_of!(Lane, state)) >= least
        && lane.get(offset_of!(Lane, worker)) == engine.worker;
    if !may_send {
        return Err(DROP_LANE_DOWN);
    }
    let not_after = lane.get(offset_of!(Lane, not_after_ms));
    let counter = u64::from(lane.get(offset_of!(Lane, tx_counter_high))) << 32
        | u64::from(lane.get(offset_of!(Lane, tx_counter_low)));
    let next = counter + count;
    if (not_after.wrapping_sub(engine.arena.now_ms()) as i32) < 0 || next > COUNTER_LIMIT {
        return Err(DROP_LANE_EXHAUSTED);
    }
    engine.keys.tx(&engine.tables, slot).ok_or(DROP_LANE_DOWN)?;
    lane.set(offset_of!(Lane, tx_counter_low), next as u32);
    lane.set(offset_of!(Lane, tx_counter_high), (next >> 32) as u32);
    Ok((lane, counter))
}

fn note_sent(engine: &Engine, lane: Slot<'static>, datagrams: u32, bytes: u32) {
    lane.add_f64(offset_of!(Lane, tx_datagrams), f64::from(datagrams));
    lane.add_f64(offset_of!(Lane, tx_bytes), f64::from(bytes));
    lane.set(offset_of!(Lane, last_tx_ms), engine.arena.now_ms());
}

/// Closes up to RUN datagrams together; false when the keys are being replaced.
fn close_run(engine: &mut Engine, slot: u32, range: Range<usize>, counter: u64) -> bool {
    let Some(lane) = engine.tables.lane(slot) else {
        return false;
    };
    let receiver = lane.get(offset_of!(Lane, peer_index));
    let Some(keys) = engine.keys.tx(&engine.tables, slot) else {
        return false;
    };
    let (blocks, datagrams) = (&mut engine.blocks, &engine.arena.batch.tx[range]);
    for (index, datagram) in datagrams.iter().enumerate() {
        blocks.token[index].0 = datagram.token;
        blocks.headers[index] = Header {
            receiver,
            counter: counter + index as u64,
            length: datagram.length as u16,
            control: control_bytes(datagram.control),
        };
    }
    blocks.close(keys, datagrams.len());
    for (index, datagram) in datagrams.iter().enumerate() {
        let place = engine.arena.data.at(datagram.offset, PROBE_HEADER);
        write_header(place, &blocks.headers[index], &blocks.token[index].0);
    }
    true
}

/// Writes bytes 0‥31.
#[inline]
fn write_header(place: &mut [u8], header: &Header, token_block: &[u8; 16]) {
    place[0] = VERSION_TYPE;
    place[1..4].copy_from_slice(&header.control);
    place[4..8].copy_from_slice(&header.receiver.to_le_bytes());
    place[8..16].copy_from_slice(&header.counter.to_le_bytes());
    place[16..32].copy_from_slice(token_block);
}

/// Seals the probe whose endpoint and body lie at the scratch region, and sends it; on a stream lane it is left at
/// txBuffer and its length returned.
pub fn send_link(engine: &mut Engine, slot: u32, body_bytes: u32) -> u32 {
    match seal_link(engine, slot, body_bytes) {
        Err(code) => {
            engine.arena.counters.drop(code);
            0
        }
        Ok((lane, length)) => {
            if lane.get(offset_of!(Lane, carrier)) == CARRIER_STREAM {
                return length;
            }
            let mut endpoint = [0; ENDPOINT as usize];
            endpoint.copy_from_slice(engine.arena.data.at(ARENA_SCRATCH as u32, ENDPOINT));
            send_to(engine, lane, &endpoint, ARENA_TX_BUFFER as u32, length);
            0
        }
    }
}

fn seal_link(engine: &mut Engine, slot: u32, body_bytes: u32) -> Result<(Slot<'static>, u32), u32> {
    let length = PROBE_HEADER.saturating_add(body_bytes).saturating_add(TAG_BYTES);
    if !(LINK_OVERHEAD_BYTES..=DATAGRAM_MAX).contains(&length) {
        return Err(DROP_INJECTION_INVALID);
    }
    let (lane, counter) = draw(engine, slot, LANE_RECEIVES, 1)?;
    let offset = ARENA_TX_BUFFER as u32;
    let header = Header {
        receiver: lane.get(offset_of!(Lane, peer_index)),
        counter,
        length: length as u16,
        control: control_bytes(PROBE_CONTROL),
    };
    let keys = engine.keys.tx(&engine.tables, slot).ok_or(DROP_LANE_DOWN)?;
    let data = &mut engine.arena.data;
    data.copy(ARENA_SCRATCH as u32 + ENDPOINT, offset + PROBE_HEADER, body_bytes);
    keys.body.seal(
        body_nonce(counter),
        &body_aad(header.control, header.receiver, counter),
        data.at(offset + PROBE_HEADER, body_bytes + TAG_BYTES),
    );
    engine.blocks.headers[0] = header;
    engine.blocks.token[0].0 = lane.bytes(offset_of!(Lane, tx_link_token));
    engine.blocks.close(keys, 1);
    let place = data.at(offset, PROBE_HEADER);
    write_header(place, &engine.blocks.headers[0], &engine.blocks.token[0].0);
    note_sent(engine, lane, 1, length);
    Ok((lane, length))
}
