//! classify: for each frame from a TAP, where it goes and under which key. The frame's checks, then VLAN, source,
//! destination. Never changes a frame.

use crate::engine::Engine;
use crate::flow_hash::flow_hash;
use crate::frame_view::{FrameView, parse};
use crate::layout::*;
use crate::learn::mac_words;
use crate::snoop::{self, Role, snoop};
use crate::tables::{Slot, bytes_of};
use core::mem::offset_of;

/// Two VLAN tags may stand between the Ethernet header and a full MTU.
const TAG_ALLOWANCE_BYTES: u32 = 8;
/// A super-frame: an IP packet of 65,535 bytes behind an Ethernet header and a tag.
const SUPER_FRAME_BYTES: u32 = 65_535 + 18;

/// The address 01:00:00:00:00:00, which no frame has: its entry says who wants all groups.
const ALL_GROUPS: (u32, u32) = (1, 0);

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
    engine.arena.header.set(offset_of!(ArenaHeader, snooped_count), 0);
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
                frame.hops = INITIAL_HOPS;
                frame.flow_hash = hash;
                frame.class = class_of(&view);
                if decision.verdict == FRAME_FLOOD {
                    note_flood(engine, index);
                }
            }
            Err(code) => {
                engine.arena.batch.frames[index].verdict = FRAME_DROPPED;
                engine.arena.counters.drop(code);
            }
        }
    }
}

/// A flood has the hops that its VLAN says, and is counted.
fn note_flood(engine: &mut Engine, index: usize) {
    let frame = &mut engine.arena.batch.frames[index];
    let vlan = engine.tables.vlan(frame.vlan);
    frame.hops = vlan.map_or(INITIAL_HOPS, |vlan| vlan.get(offset_of!(Vlan, flood_hops)));
    engine.arena.counters.add(COUNTER_FRAMES_FLOODED, 1);
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
    let decision = if destination.0 & 1 == 0 {
        destine(engine, slot, vlan, epoch, destination)?
    } else if vlan.get(offset_of!(Vlan, flags)) & VLAN_SNOOP == 0 {
        flood(engine, vlan, epoch)?
    } else {
        to_group(engine, index, epoch, destination, &view)?
    };
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
    report_seen(engine, vlan, (low, high), SEEN_STATION);
}

/// Each address once a batch, at most BATCH_SEEN of them: what is left out shows up again with its next frame.
fn report_seen(engine: &mut Engine, vlan: u32, (low, high): (u32, u32), kind: u32) {
    let header = engine.arena.header;
    let count = header.get(offset_of!(ArenaHeader, seen_count)) as usize;
    let seen = &mut engine.arena.batch.seen;
    let known = seen[..count]
        .iter()
        .any(|entry| (entry.vlan, entry.mac_low, entry.mac_high, entry.kind) == (vlan, low, high, kind));
    if known || count == BATCH_SEEN {
        return;
    }
    seen[count].vlan = vlan;
    seen[count].mac_low = low;
    seen[count].mac_high = high;
    seen[count].kind = kind;
    header.set(offset_of!(ArenaHeader, seen_count), count as u32 + 1);
}

fn destine(
    engine: &mut Engine,
    vlan_slot: u32,
    vlan: Slot<'static>,
    epoch: u32,
    (low, high): (u32, u32),
) -> Result<Decision, u32> {
    match engine.tables.find_station(vlan_slot, low, high) {
        Some(slot) => unicast(engine, slot),
        None => flood(engine, vlan, epoch),
    }
}

/// To a group address in a VLAN that snoops: everywhere, unless it is known who wants it.
fn to_group(
    engine: &mut Engine,
    index: usize,
    epoch: u32,
    address: (u32, u32),
    view: &FrameView,
) -> Result<Decision, u32> {
    let frame = &engine.arena.batch.frames[index];
    let slot = frame.vlan;
    let bytes = engine.arena.data.look(frame.offset, frame.length);
    let (role, pruned) = (snoop::role(bytes, view), snoop::is_pruned(bytes, view, address));
    let vlan = engine.tables.vlan(slot).ok_or(DROP_VLAN_DOWN)?;
    if role != Role::Data {
        snoop(engine, index);
    }
    if role == Role::Report {
        let all = engine.tables.find_station(slot, ALL_GROUPS.0, ALL_GROUPS.1);
        return to_subscribers(engine, all.ok_or(DROP_NO_SUBSCRIBER)?, epoch);
    }
    if !pruned {
        return flood(engine, vlan, epoch);
    }
    if let Some(station) = engine.tables.find_station(slot, address.0, address.1) {
        return to_subscribers(engine, station, epoch);
    }
    report_seen(engine, slot, address, SEEN_GROUP);
    flood(engine, vlan, epoch)
}

/// To those who want a group. That somebody sends to it is noted, whether or not anybody does.
fn to_subscribers(engine: &mut Engine, slot: u32, epoch: u32) -> Result<Decision, u32> {
    let group = engine.tables.station(slot);
    let (flags, set) = (
        group.get(offset_of!(Station, flags)),
        group.get(offset_of!(Station, trunk)),
    );
    group.set(offset_of!(Station, last_seen_ms), engine.arena.now_ms());
    if flags & STATION_GROUP == 0 || set == NONE {
        return Err(DROP_NO_SUBSCRIBER);
    }
    let announced = group.get(offset_of!(Station, path_mtu_bytes));
    let path = set_path_bytes(engine, set).ok_or(DROP_NO_TRUNK)?;
    let secrets = engine.tables.epoch(epoch).ok_or(DROP_VLAN_DOWN)?;
    let token = if flags & STATION_VIA_BROADCAST != 0 {
        engine.tokens.broadcast(epoch, secrets)
    } else {
        engine.tokens.group((slot, group), secrets)
    };
    to_set(engine, epoch, set, at_most(path, announced), token)
}

/// To a member's station, in the epoch that the member has: another than the VLAN's, perhaps.
fn unicast(engine: &mut Engine, slot: u32) -> Result<Decision, u32> {
    let station = engine.tables.station(slot);
    let flags = station.get(offset_of!(Station, flags));
    if flags & STATION_LOCAL != 0 {
        return Err(DROP_DESTINATION_LOCAL);
    }
    let to_set = flags & STATION_SET != 0;
    let trunk = station.get(offset_of!(Station, trunk));
    let path = if to_set {
        set_path_bytes(engine, trunk)
    } else {
        path_bytes(engine, trunk)
    };
    let announced = station.get(offset_of!(Station, path_mtu_bytes));
    let datagram_mtu_bytes = at_most(path.ok_or(DROP_NO_TRUNK)?, announced);
    let route = station.get(offset_of!(Station, route));
    let epoch = route >> 16;
    let token = engine
        .tables
        .epoch(epoch)
        .filter(|&slot| route != NONE && is_live(slot, offset_of!(Epoch, state)))
        .and_then(|secrets| engine.tokens.station((slot, station), secrets))
        .ok_or(DROP_NO_KEY)?;
    Ok(Decision {
        verdict: if to_set { FRAME_SET } else { FRAME_UNICAST },
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
    let set = vlan.get(offset_of!(Vlan, flood_set));
    let path = set_path_bytes(engine, set).ok_or(DROP_NO_MEMBER)?;
    let announced = vlan.get(offset_of!(Vlan, flood_path_bytes));
    let secrets = engine.tables.epoch(epoch).ok_or(DROP_VLAN_DOWN)?;
    let token = engine.tokens.broadcast(epoch, secrets);
    to_set(engine, epoch, set, at_most(path, announced), token)
}

/// Under this worker's group key.
fn to_set(
    engine: &Engine,
    epoch: u32,
    set: u32,
    datagram_mtu_bytes: u32,
    token: Option<[u32; 4]>,
) -> Result<Decision, u32> {
    let slot = engine.tables.epoch(epoch).ok_or(DROP_VLAN_DOWN)?;
    let frame_key = slot.get(offset_of!(Epoch, group_keys) + 4 * engine.worker as usize);
    let Some(token) = token.filter(|_| frame_key != NONE) else {
        return Err(DROP_NO_KEY);
    };
    Ok(Decision {
        verdict: FRAME_FLOOD,
        epoch,
        frame_key,
        destination: set,
        token,
        datagram_mtu_bytes,
    })
}

/// Least path size over a set's trunks that carry anything.
fn set_path_bytes(engine: &Engine, set: u32) -> Option<u32> {
    let set = engine.tables.set(set).filter(|set| set.version() & 1 == 0)?;
    (0..set.get(offset_of!(ForwardSet, count)))
        .filter_map(|member| path_bytes(engine, set_trunk(set, member)))
        .min()
}

/// What the trunks take, or less when a size was announced for the whole way.
fn at_most(path: u32, announced: u32) -> u32 {
    if announced == 0 { path } else { path.min(announced) }
}

/// A set's trunk by its position.
#[inline]
pub fn set_trunk(set: Slot<'static>, member: u32) -> u32 {
    let word = set.get((offset_of!(ForwardSet, trunks) + 2 * member as usize) & !3);
    if member & 1 == 0 { word & 0xffff } else { word >> 16 }
}
