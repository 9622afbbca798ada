//! classify: for each frame from a TAP, where it goes and under which key. The frame's checks, then VLAN, source,
//! destination. Never changes a frame.

use crate::engine::Engine;
use crate::flow_hash::flow_hash;
use crate::frame_view::{FrameView, parse};
use crate::layout::*;
use crate::learn::mac_words;
use crate::tables::{Slot, bytes_of};
use core::mem::offset_of;

/// Two VLAN tags may stand between the Ethernet header and a full MTU.
const TAG_ALLOWANCE_BYTES: u32 = 8;
/// A super-frame: an IP packet of 65,535 bytes behind an Ethernet header and a tag.
const SUPER_FRAME_BYTES: u32 = 65_535 + 18;

/// What a destination means for a frame.
struct Decision {
    verdict: u32,
    epoch: u32,
    frame_key: u32,
    destination: u32,
    token: [u32; 4],
    datagram_mtu_bytes: u32,
}

/// Decides for frames 0 … count-1; fills `seen`.
pub fn classify(engine: &mut Engine, count: u32) {
    engine.arena.header.set(offset_of!(ArenaHeader, seen_count), 0);
    for index in 0..count as usize {
        match classify_one(engine, index) {
            Ok((decision, view, hash)) => {
                let frame = &mut engine.arena.batch.frames[index];
                frame.verdict = decision.verdict;
                frame.epoch = decision.epoch;
                frame.frame_key = decision.frame_key;
                frame.destination = decision.destination;
                frame.token = bytes_of(&decision.token);
                frame.datagram_mtu_bytes = decision.datagram_mtu_bytes;
                frame.flow_hash = hash;
                frame.class = class_of(&view);
                if decision.verdict == FRAME_FLOOD {
                    engine.arena.counters.add(COUNTER_FRAMES_FLOODED, 1);
                }
            }
            Err(code) => {
                engine.arena.batch.frames[index].verdict = FRAME_DROPPED;
                engine.arena.counters.drop(code);
            }
        }
    }
}

/// 802.1p priority, or the DSCP's upper three bits.
fn class_of(view: &FrameView) -> u32 {
    u32::from(view.priority.unwrap_or(view.traffic_class >> 5))
}

fn classify_one(engine: &mut Engine, index: usize) -> Result<(Decision, FrameView, u32), u32> {
    let frame = &engine.arena.batch.frames[index];
    let (slot, offset, length) = (frame.vlan, frame.offset, frame.length);
    let gso = frame.virtio_flags >> 8 & 0xff != 0;
    let vlan = engine.tables.vlan(slot).ok_or(DROP_VLAN_DOWN)?;
    if length < 14 {
        return Err(DROP_FRAME_SHORT);
    }
    if length > SUPER_FRAME_BYTES
        || (!gso && length > vlan.get(offset_of!(Vlan, mtu_bytes)) + 14 + TAG_ALLOWANCE_BYTES)
    {
        return Err(DROP_FRAME_OVERSIZE);
    }
    let epoch = vlan.get(offset_of!(Vlan, tx_epoch));
    let keyed = engine
        .tables
        .epoch(epoch)
        .is_some_and(|slot| is_live(slot, offset_of!(Epoch, state)));
    if !is_live(vlan, offset_of!(Vlan, state)) || !keyed {
        return Err(DROP_VLAN_DOWN);
    }
    let bytes = &*engine.arena.data.at(offset, length);
    let (destination, source) = (mac_words(&bytes[..6]), mac_words(&bytes[6..12]));
    let view = parse(bytes);
    let hash = flow_hash(bytes, &view);
    note_source(engine, slot, source);
    let decision = destine(engine, slot, vlan, epoch, destination)?;
    Ok((decision, view, hash))
}

/// Whether a slot is live and not being written.
#[inline]
fn is_live(slot: Slot<'static>, state: usize) -> bool {
    slot.version() & 1 == 0 && slot.get(state) == 1
}

/// Ages a local station, or reports a source that is none. No station has a group address.
fn note_source(engine: &mut Engine, vlan: u32, (low, high): (u32, u32)) {
    if low & 1 == 1 {
        return;
    }
    if let Some(slot) = engine.tables.find_station(vlan, low, high) {
        let station = engine.tables.station(slot);
        if station.get(offset_of!(Station, flags)) & STATION_LOCAL != 0 {
            station.set(offset_of!(Station, last_seen_ms), engine.arena.now_ms());
            return;
        }
    }
    let header = engine.arena.header;
    let count = header.get(offset_of!(ArenaHeader, seen_count)) as usize;
    let seen = &mut engine.arena.batch.seen;
    let known = seen[..count]
        .iter()
        .any(|entry| entry.vlan == vlan && entry.mac_low == low && entry.mac_high == high);
    if known || count == BATCH_SEEN {
        return;
    }
    seen[count].vlan = vlan;
    seen[count].mac_low = low;
    seen[count].mac_high = high;
    header.set(offset_of!(ArenaHeader, seen_count), count as u32 + 1);
}

fn destine(
    engine: &mut Engine,
    vlan_slot: u32,
    vlan: Slot<'static>,
    epoch: u32,
    (low, high): (u32, u32),
) -> Result<Decision, u32> {
    if low & 1 == 0
        && let Some(slot) = engine.tables.find_station(vlan_slot, low, high)
    {
        return unicast(engine, slot);
    }
    flood(engine, vlan, epoch)
}

/// To a member's station, in the epoch that the member has: another than the VLAN's, perhaps.
fn unicast(engine: &mut Engine, slot: u32) -> Result<Decision, u32> {
    let station = engine.tables.station(slot);
    if station.get(offset_of!(Station, flags)) & STATION_LOCAL != 0 {
        return Err(DROP_DESTINATION_LOCAL);
    }
    let trunk = station.get(offset_of!(Station, trunk));
    let datagram_mtu_bytes = path_bytes(engine, trunk).ok_or(DROP_NO_TRUNK)?;
    let route = station.get(offset_of!(Station, route));
    let epoch = route >> 16;
    let token = engine
        .tables
        .epoch(epoch)
        .filter(|&slot| route != NONE && is_live(slot, offset_of!(Epoch, state)))
        .and_then(|secrets| engine.tokens.station((slot, station), secrets))
        .ok_or(DROP_NO_KEY)?;
    Ok(Decision {
        verdict: FRAME_UNICAST,
        epoch,
        frame_key: (route & 0xffff) + engine.worker,
        destination: trunk,
        token,
        datagram_mtu_bytes,
    })
}

/// A trunk's path size, when it carries anything.
fn path_bytes(engine: &Engine, trunk: u32) -> Option<u32> {
    let trunk = engine.tables.trunk(trunk)?;
    let bytes = trunk.get(offset_of!(Trunk, datagram_mtu_bytes));
    (is_live(trunk, offset_of!(Trunk, state)) && bytes >= PATH_MIN_BYTES).then_some(bytes)
}

fn flood(engine: &mut Engine, vlan: Slot<'static>, epoch: u32) -> Result<Decision, u32> {
    let set_slot = vlan.get(offset_of!(Vlan, flood_set));
    let set = engine
        .tables
        .set(set_slot)
        .filter(|set| set.version() & 1 == 0)
        .ok_or(DROP_NO_MEMBER)?;
    let count = set.get(offset_of!(ForwardSet, count));
    let least = (0..count)
        .filter_map(|member| path_bytes(engine, set_trunk(set, member)))
        .min()
        .ok_or(DROP_NO_MEMBER)?;
    let slot = engine.tables.epoch(epoch).ok_or(DROP_VLAN_DOWN)?;
    let frame_key = slot.get(offset_of!(Epoch, group_keys) + 4 * engine.worker as usize);
    let token = engine.tokens.broadcast(epoch, slot);
    let Some(token) = token.filter(|_| frame_key != NONE) else {
        return Err(DROP_NO_KEY);
    };
    Ok(Decision {
        verdict: FRAME_FLOOD,
        epoch,
        frame_key,
        destination: set_slot,
        token,
        datagram_mtu_bytes: least,
    })
}

/// A set's trunk by its position.
#[inline]
pub fn set_trunk(set: Slot<'static>, member: u32) -> u32 {
    let word = set.get((offset_of!(ForwardSet, trunks) + 2 * member as usize) & !3);
    if member & 1 == 0 { word & 0xffff } else { word >> 16 }
}
