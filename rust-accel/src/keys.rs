//! Key schedules, built when first used. One engine's alone. A line is chosen by the key's slot in the tables and
//! names the incarnation (serial) that it holds; a changed serial or another slot on the line builds the schedule anew.
//! So what an engine holds is bounded whatever the tables hold, and a key that was replaced is not used once more.

use crate::aead::AeadKey;
use crate::ecb::{BlockOpener, BlockSealer};
use crate::layout::*;
use crate::tables::{Slot, Tables};
use core::mem::offset_of;

const LANE_LINES: usize = 1024;
const FRAME_LINES: usize = 4096;
const MASK_LINES: usize = LIMIT_EPOCHS;

/// Receiving keys of a lane.
pub struct LaneRx {
    pub token: BlockOpener,
    pub tweak: BlockSealer,
    pub mask: BlockSealer,
    pub body: AeadKey,
}

/// Sending keys of a lane.
pub struct LaneTx {
    pub token: BlockSealer,
    pub tweak: BlockSealer,
    pub mask: BlockSealer,
    pub body: AeadKey,
}

/// A schedule, and whose it is.
struct Kept<T> {
    slot: u32,
    serial: u32,
    key: T,
}

/// Lines of schedules; a power of two of them.
struct Lines<T>(Vec<Option<Box<Kept<T>>>>);

impl<T> Lines<T> {
    fn new(count: usize) -> Lines<T> {
        let mut lines = Vec::new();
        lines.resize_with(count, || None);
        Lines(lines)
    }

    /// The schedule of a slot's incarnation; `build` makes it when the line holds another.
    #[inline]
    fn get(&mut self, slot: u32, serial: u32, build: impl FnOnce() -> Option<T>) -> Option<&T> {
        let line = slot as usize & (self.0.len() - 1);
        let place = &mut self.0[line];
        let stands = place
            .as_ref()
            .is_some_and(|kept| kept.slot == slot && kept.serial == serial);
        if !stands {
            *place = None;
            *place = Some(Box::new(Kept {
                slot,
                serial,
                key: build()?,
            }));
        }
        place.as_deref().map(|kept| &kept.key)
    }
}

/// All schedules that an engine holds.
pub struct KeyCache {
    rx: Lines<LaneRx>,
    tx: Lines<LaneTx>,
    frames: Lines<AeadKey>,
    masks: Lines<BlockSealer>,
}

fn part(keys: &[u8; 128], index: usize) -> [u8; 32] {
    core::array::from_fn(|byte| keys[32 * index + byte])
}

impl KeyCache {
    pub fn new() -> KeyCache {
        KeyCache {
            rx: Lines::new(LANE_LINES),
            tx: Lines::new(LANE_LINES),
            frames: Lines::new(FRAME_LINES),
            masks: Lines::new(MASK_LINES),
        }
    }

    /// The receiving keys of a lane; None while main writes the slot.
    #[inline]
    pub fn rx(&mut self, tables: &Tables, slot: u32) -> Option<&LaneRx> {
        let lane = unwritten(tables.lane(slot)?)?;
        self.rx.get(slot, lane.get(offset_of!(Lane, key_serial)), || {
            let keys: [u8; 128] = lane.stable(|| lane.bytes(offset_of!(Lane, rx_keys)))?;
            Some(LaneRx {
                token: BlockOpener::new(&part(&keys, 0)),
                tweak: BlockSealer::new(&part(&keys, 1)),
                mask: BlockSealer::new(&part(&keys, 2)),
                body: AeadKey::new(CIPHER_AES_256_GCM, &part(&keys, 3)),
            })
        })
    }

    /// The sending keys of a lane; None while main writes the slot.
    #[inline]
    pub fn tx(&mut self, tables: &Tables, slot: u32) -> Option<&LaneTx> {
        let lane = unwritten(tables.lane(slot)?)?;
        self.tx.get(slot, lane.get(offset_of!(Lane, key_serial)), || {
            let keys: [u8; 128] = lane.stable(|| lane.bytes(offset_of!(Lane, tx_keys)))?;
            Some(LaneTx {
                token: BlockSealer::new(&part(&keys, 0)),
                tweak: BlockSealer::new(&part(&keys, 1)),
                mask: BlockSealer::new(&part(&keys, 2)),
                body: AeadKey::new(CIPHER_AES_256_GCM, &part(&keys, 3)),
            })
        })
    }

    /// A live frame key's AEAD; None when the slot is free or being written.
    #[inline]
    pub fn frame(&mut self, tables: &Tables, slot: u32) -> Option<&AeadKey> {
        let entry = unwritten(tables.frame_key(slot)?)?;
        if entry.get(offset_of!(FrameKey, state)) == 0 {
            return None;
        }
        self.frames.get(slot, entry.get(offset_of!(FrameKey, key_serial)), || {
            let (cipher, key) = entry.stable(|| {
                (
                    entry.get(offset_of!(FrameKey, cipher)),
                    entry.bytes::<32>(offset_of!(FrameKey, key)),
                )
            })?;
            Some(AeadKey::new(cipher, &key))
        })
    }

    /// A live epoch's mask key.
    #[inline]
    pub fn mask(&mut self, tables: &Tables, slot: u32) -> Option<&BlockSealer> {
        let epoch = unwritten(tables.epoch(slot)?)?;
        if epoch.get(offset_of!(Epoch, state)) == 0 {
            return None;
        }
        self.masks.get(slot, epoch.get(offset_of!(Epoch, serial)), || {
            let key: [u8; 32] = epoch.stable(|| epoch.bytes(offset_of!(Epoch, mask_key)))?;
            Some(BlockSealer::new(&key))
        })
    }
}

/// The slot, unless main is writing it.
#[inline]
fn unwritten(slot: Slot<'static>) -> Option<Slot<'static>> {
    (slot.version() & 1 == 0).then_some(slot)
}
