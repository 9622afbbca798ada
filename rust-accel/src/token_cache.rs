//! The tokens that one worker sends under, derived when a station is first sent to in a period and kept; the reasons are in
//! dataplane/pipeline/token-cache.ts. One engine's alone.

use crate::layout::*;
use crate::tables::{Slot, words_of};
use crate::token;
use core::mem::offset_of;

/// Of what a token was derived, and the token: epoch's serial, period, the MAC's two words, token. Words rather than a
/// structure, so that a fresh cache is zero pages which are not touched before they are used.
type Line = [u32; 8];

/// See the module.
pub struct TokenCache(Vec<Line>);

impl TokenCache {
    pub fn new() -> TokenCache {
        TokenCache(vec![[0; 8]; LIMIT_STATIONS + LIMIT_EPOCHS])
    }

    /// The token of a station under a live epoch; None while main writes the epoch's slot.
    #[inline]
    pub fn station(&mut self, place: (u32, Slot<'static>), epoch: Slot<'static>) -> Option<[u32; 4]> {
        self.of_address(place, epoch, TOKEN_KIND_STATION)
    }

    /// The token of a multicast group, likewise.
    #[inline]
    pub fn group(&mut self, place: (u32, Slot<'static>), epoch: Slot<'static>) -> Option<[u32; 4]> {
        self.of_address(place, epoch, TOKEN_KIND_GROUP)
    }

    /// A slot's address says of which kind it is: a group's has its lowest bit set, so a line need not name the kind.
    #[inline]
    fn of_address(&mut self, place: (u32, Slot<'static>), epoch: Slot<'static>, kind: u32) -> Option<[u32; 4]> {
        let (slot, station) = place;
        let mac = [
            station.get(offset_of!(Station, mac_low)),
            station.get(offset_of!(Station, mac_high)),
        ];
        self.get(slot as usize, mac, epoch, kind)
    }

    /// The token of everything that is flooded under an epoch.
    #[inline]
    pub fn broadcast(&mut self, slot: u32, epoch: Slot<'static>) -> Option<[u32; 4]> {
        self.get(LIMIT_STATIONS + slot as usize, [0; 2], epoch, TOKEN_KIND_BROADCAST)
    }

    #[inline]
    fn get(&mut self, line: usize, mac: [u32; 2], epoch: Slot<'static>, kind: u32) -> Option<[u32; 4]> {
        let line = &mut self.0[line];
        let serial = epoch.get(offset_of!(Epoch, serial));
        let name = [serial, epoch.get(offset_of!(Epoch, period)), mac[0], mac[1]];
        if line[..4] != name || serial == 0 {
            derive(line, name, epoch, kind)?;
        }
        Some([line[4], line[5], line[6], line[7]])
    }
}

/// Fills a line anew; it stays as it was when main writes the slot meanwhile.
#[cold]
fn derive(line: &mut Line, name: [u32; 4], epoch: Slot<'static>, kind: u32) -> Option<()> {
    let (serial, key, segment) = epoch.stable(|| {
        (
            epoch.get(offset_of!(Epoch, serial)),
            epoch.bytes::<32>(offset_of!(Epoch, token_key)),
            epoch.bytes::<16>(offset_of!(Epoch, segment)),
        )
    })?;
    if serial == 0 || serial != name[0] {
        return None;
    }
    let mut mac = [0; 6];
    mac[..4].copy_from_slice(&name[2].to_le_bytes());
    mac[4..].copy_from_slice(&name[3].to_le_bytes()[..2]);
    let value = if kind == TOKEN_KIND_BROADCAST { &[] } else { &mac[..] };
    line[..4].copy_from_slice(&name);
    line[4..].copy_from_slice(&words_of(&token::token((&key, &segment), (name[1], kind as u8), value)));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{MACS, pair, token};

    #[test]
    fn a_token_is_that_of_the_station_until_the_period_changes_and_absent_while_the_epoch_is_written() {
        let [mut engine, _] = pair();
        let epoch = engine.tables.epoch(0).unwrap();
        let (low, high) = crate::learn::mac_words(&MACS[1]);
        let slot = engine.tables.find_station(0, low, high).unwrap();
        let station = engine.tables.station(slot);
        let mut look = || engine.tokens.station((slot, station), epoch);
        let first = look().unwrap();
        assert_eq!(first, words_of(&token(TOKEN_KIND_STATION, &MACS[1])));
        assert_eq!(look(), Some(first));
        let period = epoch.get(offset_of!(Epoch, period));
        epoch.set(offset_of!(Epoch, version), 1);
        assert_eq!(look(), Some(first), "kept tokens need no look at the secrets");
        epoch.set(offset_of!(Epoch, period), period + 1);
        assert_eq!(look(), None);
        epoch.set(offset_of!(Epoch, version), 2);
        assert_ne!(look().unwrap(), first);
        epoch.set(offset_of!(Epoch, period), period);
        assert_eq!(look(), Some(first));
    }

    #[test]
    fn an_epoch_without_a_serial_has_no_tokens() {
        let [mut engine, _] = pair();
        let epoch = engine.tables.epoch(9).unwrap();
        assert_eq!(engine.tokens.broadcast(9, epoch), None);
    }
}
