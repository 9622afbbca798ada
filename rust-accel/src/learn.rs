//! learn: port rules on frames from outside, and the ages of stations.

use crate::engine::Engine;
use crate::layout::*;
use core::mem::offset_of;

/// Checks datagrams 0 … count-1 that are RX_FRAME.
pub fn learn(engine: &mut Engine, count: u32) {
    engine.last_source.clear();
    for index in 0..count as usize {
        if engine.arena.batch.rx[index].verdict != RX_FRAME {
            continue;
        }
        if let Err(code) = check(engine, index) {
            engine.arena.batch.rx[index].verdict = RX_DROPPED;
            engine.arena.counters.drop(code);
        }
    }
}

/// A MAC's first four bytes and its last two, as words.
#[inline]
pub fn mac_words(bytes: &[u8]) -> (u32, u32) {
    (
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        u32::from(u16::from_le_bytes([bytes[4], bytes[5]])),
    )
}

/// Whether a frame may come from a station that another member holds.
#[cold]
fn hosts_move(engine: &Engine, vlan: u32) -> bool {
    engine
        .tables
        .vlan(vlan)
        .is_some_and(|vlan| vlan.get(offset_of!(Vlan, flags)) & VLAN_HOSTS_MOVE != 0)
}

#[inline]
fn check(engine: &mut Engine, index: usize) -> Result<(), u32> {
    let datagram = &engine.arena.batch.rx[index];
    let (vlan, control, member) = (datagram.vlan, datagram.control, datagram.member);
    let bytes = engine.arena.data.at(datagram.frame_offset, 12);
    let (destination, source) = (mac_words(&bytes[..6]), mac_words(&bytes[6..]));
    if source.0 & 1 == 1 {
        return Err(DROP_SOURCE_INVALID);
    }
    let tables = &engine.tables;
    let known = engine.last_source.get([vlan, source.0, source.1, 0], || {
        tables.find_station(vlan, source.0, source.1)
    });
    if let Some(slot) = known {
        let station = engine.tables.station(slot);
        if station.get(offset_of!(Station, flags)) & STATION_LOCAL != 0 {
            return Err(DROP_SOURCE_IS_LOCAL);
        }
        if station.get(offset_of!(Station, member)) == member {
            station.set(offset_of!(Station, last_seen_ms), engine.arena.now_ms());
        } else if !hosts_move(engine, vlan) {
            return Err(DROP_SOURCE_CLAIMED);
        }
    }
    if destination.0 & 1 == 1 || control >> 4 & FLAG_PAIRWISE != 0 {
        return Ok(());
    }
    let enforced = engine
        .tables
        .find_station(vlan, destination.0, destination.1)
        .is_some_and(|slot| engine.tables.station(slot).get(offset_of!(Station, flags)) & STATION_ENFORCED != 0);
    if enforced { Err(DROP_GROUP_TO_CLAIMED) } else { Ok(()) }
}
