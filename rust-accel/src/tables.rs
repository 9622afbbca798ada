//! Views of the tables, made once for each engine. They are read and written as atomic words, because the main thread
//! and other workers write them meanwhile.

use crate::hash::table_hash;
use crate::layout::*;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// One slot of a shared table, as words.
#[derive(Clone, Copy)]
pub struct Slot<'a> {
    pub words: &'a [AtomicU32],
}

impl<'a> Slot<'a> {
    /// The word at a field's byte offset.
    #[inline(always)]
    pub fn get(self, offset: usize) -> u32 {
        self.words[offset >> 2].load(Relaxed)
    }

    #[inline(always)]
    pub fn set(self, offset: usize, value: u32) {
        self.words[offset >> 2].store(value, Relaxed);
    }

    /// The slot's version, before anything else is read from it.
    #[inline(always)]
    pub fn version(self) -> u32 {
        self.words[0].load(Acquire)
    }

    /// Reads while nobody writes the slot: `read` runs between two looks at an even, unchanged version.
    #[inline]
    pub fn stable<T>(self, read: impl FnOnce() -> T) -> Option<T> {
        let before = self.version();
        if before & 1 == 1 {
            return None;
        }
        let value = read();
        core::sync::atomic::fence(Acquire);
        (self.get(0) == before).then_some(value)
    }

    /// Copies a byte array out of the slot.
    #[inline]
    pub fn bytes<const N: usize>(self, offset: usize) -> [u8; N] {
        let mut out = [0; N];
        for (index, chunk) in out.chunks_exact_mut(4).enumerate() {
            chunk.copy_from_slice(&self.get(offset + 4 * index).to_le_bytes());
        }
        out
    }

    /// The word itself, for compare-and-swap.
    #[inline]
    pub fn atomic(self, offset: usize) -> &'a AtomicU32 {
        &self.words[offset >> 2]
    }

    /// A number kept as f64 by its one writer.
    #[inline]
    pub fn f64(self, offset: usize) -> f64 {
        let low = u64::from(self.get(offset));
        let high = u64::from(self.get(offset + 4));
        f64::from_bits(high << 32 | low)
    }

    #[inline]
    pub fn set_f64(self, offset: usize, value: f64) {
        let word = &self.words[offset >> 2];
        // SAFETY: an f64 field is 8-aligned within its structure (checked by the layout), structures start on
        // cache lines, and the following word belongs to the same slice.
        let wide = unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) };
        wide.store(value.to_bits(), Relaxed);
    }

    /// Adds to an f64 field that only this worker writes.
    #[inline]
    pub fn add_f64(self, offset: usize, amount: f64) {
        self.set_f64(offset, self.f64(offset) + amount);
    }
}

/// A slot over words of a test's own.
#[cfg(test)]
pub fn test_slot(words: &[AtomicU32]) -> Slot<'_> {
    Slot { words }
}

/// The daemon's tables.
#[derive(Clone, Copy)]
pub struct Tables {
    words: &'static [AtomicU32],
    token_mask: u32,
    hash_key: (u32, u32),
    pub worker_count: u32,
}

impl Tables {
    /// Views tables that the main thread made.
    ///
    /// # Safety
    /// `base` must be 8-aligned and stay mapped for the engine's life, and every other thread must treat its words
    /// as atomics.
    pub unsafe fn new(base: *mut u8, bytes: usize) -> Result<Tables, &'static str> {
        if bytes < TABLE_TOKENS || !(base as usize).is_multiple_of(8) {
            return Err("the tables buffer is too small or misaligned");
        }
        // SAFETY: by this function's contract; AtomicU32 has the size and alignment of u32.
        let words = unsafe { core::slice::from_raw_parts(base.cast::<AtomicU32>(), bytes / 4) };
        let header = |offset: usize| words[offset >> 2].load(Acquire);
        if header(offset_of!(TablesHeader, magic)) != TABLES_MAGIC {
            return Err("not a tables buffer");
        }
        if header(offset_of!(TablesHeader, digest)) != LAYOUT_DIGEST {
            return Err("the tables have another layout");
        }
        let capacity = header(offset_of!(TablesHeader, token_capacity));
        if !capacity.is_power_of_two() || TABLE_TOKENS + capacity as usize * size_of::<Token>() > bytes {
            return Err("the token table does not fit");
        }
        Ok(Tables {
            words,
            token_mask: capacity - 1,
            hash_key: (
                header(offset_of!(TablesHeader, hash_key0)),
                header(offset_of!(TablesHeader, hash_key1)),
            ),
            worker_count: header(offset_of!(TablesHeader, worker_count)).max(1),
        })
    }

    #[inline(always)]
    fn slot(&self, table: usize, size: usize, slot: u32) -> Slot<'static> {
        let first = (table + slot as usize * size) >> 2;
        Slot {
            words: &self.words[first..first + (size >> 2)],
        }
    }

    #[inline]
    fn limited(&self, table: usize, size: usize, limit: usize, slot: u32) -> Option<Slot<'static>> {
        ((slot as usize) < limit).then(|| self.slot(table, size, slot))
    }

    pub fn header(&self) -> Slot<'static> {
        self.slot(TABLE_HEADER, size_of::<TablesHeader>(), 0)
    }

    /// Keys of the hashes that peers must not predict.
    pub fn hash_key(&self) -> (u32, u32) {
        self.hash_key
    }

    /// An entry of the recent frames: hash, time and tag.
    pub fn recent_frame(&self, place: u32) -> [&'static AtomicU32; 2] {
        let entry = self.slot(TABLE_RECENT_FRAMES, size_of::<RecentFrame>(), place);
        [
            entry.atomic(offset_of!(RecentFrame, hash)),
            entry.atomic(offset_of!(RecentFrame, time_and_tag)),
        ]
    }

    pub fn vlan(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_VLANS, size_of::<Vlan>(), LIMIT_VLANS, slot)
    }

    pub fn epoch(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_EPOCHS, size_of::<Epoch>(), LIMIT_EPOCHS, slot)
    }

    pub fn set(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_SETS, size_of::<ForwardSet>(), LIMIT_SETS, slot)
    }

    pub fn segment(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_SEGMENTS, size_of::<Segment>(), LIMIT_SEGMENTS, slot)
    }

    pub fn trunk(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_TRUNKS, size_of::<Trunk>(), LIMIT_TRUNKS, slot)
    }

    pub fn lane(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_LANES, size_of::<Lane>(), LIMIT_LANES, slot)
    }

    /// The replay window of a lane, u32\[LANE_WINDOW_WORDS\].
    pub fn lane_window(&self, slot: u32) -> &'static [AtomicU32] {
        let first = (TABLE_LANE_WINDOWS >> 2) + slot as usize * LANE_WINDOW_WORDS as usize;
        &self.words[first..first + LANE_WINDOW_WORDS as usize]
    }

    pub fn frame_key(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_FRAME_KEYS, size_of::<FrameKey>(), LIMIT_FRAME_KEYS, slot)
    }

    pub fn salt(&self, slot: u32) -> Option<Slot<'static>> {
        self.limited(TABLE_SALTS, size_of::<Salt>(), LIMIT_SALTS, slot)
    }

    pub fn rx_sender(&self, slot: u32) -> Slot<'static> {
        self.slot(TABLE_RX_SENDERS, size_of::<RxSender>(), slot)
    }

    /// A sender's window: 0 for group-sealed frames, 1 for pairwise ones.
    pub fn sender_window(&self, sender: u32, pairwise: u32) -> Slot<'static> {
        self.slot(
            TABLE_SENDER_WINDOWS,
            size_of::<SenderWindow>(),
            sender * WINDOWS_PER_SENDER + pairwise,
        )
    }

    pub fn station(&self, slot: u32) -> Slot<'static> {
        self.slot(TABLE_STATIONS, size_of::<Station>(), slot)
    }

    pub fn token(&self, slot: u32) -> Slot<'static> {
        self.slot(TABLE_TOKENS, size_of::<Token>(), slot)
    }

    /// Walks an open-addressed table from a key's home until `matches` holds.
    #[inline]
    fn find(
        &self,
        (table, size, mask): (usize, usize, u32),
        home: u32,
        matches: impl Fn(Slot<'static>) -> bool,
    ) -> Option<u32> {
        let mut slot = home & mask;
        for _ in 0..LIMIT_PROBES {
            let entry = self.slot(table, size, slot);
            match entry.atomic(4).load(Acquire) {
                SLOT_EMPTY => return None,
                SLOT_LIVE if matches(entry) => {
                    return (entry.version() & 1 == 0).then_some(slot);
                }
                _ => slot = (slot + 1) & mask,
            }
        }
        None
    }

    /// Finds a station by its VLAN and MAC.
    pub fn find_station(&self, vlan: u32, mac_low: u32, mac_high: u32) -> Option<u32> {
        self.find(
            (TABLE_STATIONS, size_of::<Station>(), LIMIT_STATIONS as u32 - 1),
            table_hash(self.hash_key, &[vlan, mac_low, mac_high]),
            |entry| {
                entry.get(offset_of!(Station, mac_low)) == mac_low
                    && entry.get(offset_of!(Station, mac_high)) == mac_high
                    && entry.get(offset_of!(Station, vlan)) == vlan
            },
        )
    }

    /// Finds a token; all sixteen bytes are compared.
    #[inline]
    pub fn find_token(&self, token: &[u8; 16]) -> Option<u32> {
        let words = words_of(token);
        self.find(
            (TABLE_TOKENS, size_of::<Token>(), self.token_mask),
            table_hash(self.hash_key, &words),
            |entry| (0..4).all(|index| entry.get(offset_of!(Token, token) + 4 * index) == words[index]),
        )
    }

    /// Finds an announced sender of an epoch; `sender` is leafLane, saltLow, saltHigh.
    pub fn find_rx_sender(&self, epoch: u32, sender: [u32; 3]) -> Option<u32> {
        let [leaf_lane, salt_low, salt_high] = sender;
        self.find(
            (TABLE_RX_SENDERS, size_of::<RxSender>(), LIMIT_RX_SENDERS as u32 - 1),
            table_hash(self.hash_key, &[epoch, leaf_lane, salt_low, salt_high]),
            |entry| {
                entry.get(offset_of!(RxSender, epoch)) == epoch
                    && entry.get(offset_of!(RxSender, leaf_lane)) == leaf_lane
                    && entry.get(offset_of!(RxSender, salt_low)) == salt_low
                    && entry.get(offset_of!(RxSender, salt_high)) == salt_high
            },
        )
    }
}

const _: () = assert!(offset_of!(Station, state) == 4);
const _: () = assert!(offset_of!(Token, state) == 4);
const _: () = assert!(offset_of!(RxSender, state) == 4);

/// A token as four little-endian words.
#[inline]
pub fn words_of(bytes: &[u8; 16]) -> [u32; 4] {
    core::array::from_fn(|index| {
        u32::from_le_bytes([
            bytes[4 * index],
            bytes[4 * index + 1],
            bytes[4 * index + 2],
            bytes[4 * index + 3],
        ])
    })
}

/// The inverse of [`words_of`].
#[inline]
pub fn bytes_of(words: &[u32; 4]) -> [u8; 16] {
    let mut out = [0; 16];
    for (chunk, word) in out.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    out
}
