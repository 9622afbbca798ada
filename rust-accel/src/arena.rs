//! Views of one worker's arena, made once for each engine. Its descriptors and data belong to this worker alone while it
//! runs, so they are plain slices; its header and its counters are shared with the main thread, which only reads what
//! the worker writes.

use crate::layout::*;
use crate::tables::Slot;
use core::mem::{offset_of, size_of};
use core::sync::atomic::{AtomicU32, Ordering::*};

/// Queues of each VLAN's TAP, and VLANs: where the table of TAP queues ends.
pub const TAP_QUEUE_SLOTS: usize = LIMIT_VLANS * LIMIT_TAP_QUEUES;
const QUEUE_HASH_SHIFT: u32 = 16;

/// The arena's data regions: from `scratch` to the end. Descriptors lie before it, so no range can reach them.
pub struct Data {
    base: *mut u8,
}

impl Data {
    /// The bytes of a range; offsets count from the arena's start.
    ///
    /// Panics when the range leaves the data regions, which only a bug can cause.
    #[inline]
    pub fn at(&mut self, offset: u32, length: u32) -> &mut [u8] {
        let pointer = self.pointer(offset, length);
        // SAFETY: `pointer` has checked the range; `&mut self` keeps other ranges from being borrowed meanwhile.
        unsafe { core::slice::from_raw_parts_mut(pointer, length as usize) }
    }

    /// The bytes of a range, to be read only.
    #[inline]
    pub fn look(&self, offset: u32, length: u32) -> &[u8] {
        let pointer = self.address(offset, length);
        // SAFETY: as in `at`; `&self` lets other ranges be read, but none be written, meanwhile.
        unsafe { core::slice::from_raw_parts(pointer, length as usize) }
    }

    /// Copies between two ranges that do not overlap.
    #[inline]
    pub fn copy(&mut self, from: u32, to: u32, length: u32) {
        let source = self.pointer(from, length);
        let target = self.pointer(to, length);
        assert!(from.abs_diff(to) >= length, "ranges overlap");
        // SAFETY: both ranges are checked and do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(source, target, length as usize) };
    }

    /// Two ranges that do not overlap: one to be read, one to be written.
    #[inline]
    pub fn pair(&mut self, (from, from_bytes): (u32, u32), (to, to_bytes): (u32, u32)) -> (&[u8], &mut [u8]) {
        let source = self.address(from, from_bytes);
        let target = self.address(to, to_bytes);
        assert!(from + from_bytes <= to || to + to_bytes <= from, "ranges overlap");
        // SAFETY: both ranges are checked and do not overlap; `&mut self` keeps others from being borrowed meanwhile.
        unsafe {
            (
                core::slice::from_raw_parts(source, from_bytes as usize),
                core::slice::from_raw_parts_mut(target, to_bytes as usize),
            )
        }
    }

    /// The address of a range, for the kernel.
    #[inline]
    pub fn pointer(&mut self, offset: u32, length: u32) -> *mut u8 {
        self.address(offset, length)
    }

    #[inline]
    fn address(&self, offset: u32, length: u32) -> *mut u8 {
        let end = u64::from(offset) + u64::from(length);
        assert!(
            offset as usize >= ARENA_SCRATCH && end <= MAP_ARENA_BYTES as u64,
            "range {offset}+{length} leaves the arena"
        );
        // SAFETY: the offset lies within the arena's mapping.
        unsafe { self.base.add(offset as usize) }
    }
}

/// The arena's descriptors.
pub struct Batch {
    pub frames: &'static mut [FrameDescriptor],
    pub tx: &'static mut [TxDatagram],
    pub trains: &'static mut [Train],
    pub messages: &'static mut [RxMessage],
    pub rx: &'static mut [RxDatagram],
    pub writes: &'static mut [TapWrite],
    pub iovecs: &'static mut [Iovec],
    pub punts: &'static mut [u32],
    pub seen: &'static mut [Seen],
    pub snooped: &'static mut [Snooped],
    pub reassemblies: &'static mut [Reassembly],
    pub ready_taps: &'static mut [u32],
}

/// The worker's counters: drops first, then the others.
pub struct Counters {
    values: &'static mut [f64],
}

impl Counters {
    #[inline]
    pub fn drop(&mut self, code: u32) {
        self.values[code as usize] += 1.0;
    }

    #[inline]
    pub fn drops(&mut self, code: u32, amount: u32) {
        self.values[code as usize] += f64::from(amount);
    }

    #[inline]
    pub fn add(&mut self, counter: usize, amount: u32) {
        self.values[MAP_COUNTER_BASE + counter] += f64::from(amount);
    }
}

/// One worker's arena.
pub struct Arena {
    pub header: Slot<'static>,
    taps: &'static [AtomicU32],
    pub batch: Batch,
    pub counters: Counters,
    pub data: Data,
}

impl Arena {
    /// Views the arena that the main thread made for this worker.
    ///
    /// # Safety
    /// `base` must be 8-aligned and stay mapped for the engine's life; this engine must be the only one that uses its
    /// descriptors and buffers, on one thread.
    pub unsafe fn new(base: *mut u8, bytes: usize) -> Result<Arena, &'static str> {
        if bytes < MAP_ARENA_BYTES || !(base as usize).is_multiple_of(8) {
            return Err("the arena is too small or misaligned");
        }
        // SAFETY: by this function's contract; the header and the TAP queues are read as atomics by both sides.
        let words = unsafe { core::slice::from_raw_parts(base.cast::<AtomicU32>(), ARENA_READY_TAPS / 4) };
        let header = Slot {
            words: &words[..size_of::<ArenaHeader>() / 4],
        };
        if header.get(offset_of!(ArenaHeader, magic)) != ARENA_MAGIC {
            return Err("not an arena");
        }
        if header.get(offset_of!(ArenaHeader, digest)) != LAYOUT_DIGEST {
            return Err("the arena has another layout");
        }
        // SAFETY: as above; the regions are disjoint (memory-map.ts) and lie within `bytes`.
        let batch = unsafe {
            Batch {
                frames: region(base, ARENA_FRAMES, BATCH_FRAMES),
                tx: region(base, ARENA_TX_DATAGRAMS, BATCH_TX_DATAGRAMS),
                trains: region(base, ARENA_TRAINS, BATCH_TRAINS),
                messages: region(base, ARENA_MESSAGES, BATCH_MESSAGES),
                rx: region(base, ARENA_RX_DATAGRAMS, BATCH_RX_DATAGRAMS),
                writes: region(base, ARENA_WRITES, BATCH_WRITES),
                iovecs: region(base, ARENA_IOVECS, BATCH_IOVECS),
                punts: region(base, ARENA_PUNTS, BATCH_PUNTS),
                seen: region(base, ARENA_SEEN, BATCH_SEEN),
                snooped: region(base, ARENA_SNOOPED, BATCH_SNOOPED),
                reassemblies: region(base, ARENA_REASSEMBLIES, BATCH_REASSEMBLIES),
                ready_taps: region(base, ARENA_READY_TAPS, TAP_QUEUE_SLOTS),
            }
        };
        Ok(Arena {
            header,
            taps: &words[ARENA_TAP_QUEUES / 4..],
            batch,
            counters: Counters {
                // SAFETY: as above.
                values: unsafe { region(base, ARENA_COUNTERS, MAP_COUNTER_SLOTS) },
            },
            data: Data { base },
        })
    }

    /// The descriptor of one of this worker's TAP queues, by its index, or None.
    #[inline]
    pub fn tap_fd(&self, queue: u32) -> Option<i32> {
        if queue as usize >= TAP_QUEUE_SLOTS {
            return None;
        }
        let word = queue as usize * size_of::<TapQueue>() / 4;
        let fd = self.taps[word + offset_of!(TapQueue, fd) / 4].load(Acquire) as i32;
        let attached = self.taps[word + offset_of!(TapQueue, attached) / 4].load(Acquire);
        (fd >= 0 && attached == 1).then_some(fd)
    }

    /// The TAP queue that a frame of a VLAN is written to. The kernel sends a flow's answers to the queue on which the flow
    /// was written, so flows that are kept apart here do not wait for each other there. The lower bits of the hash
    /// have chosen the lane.
    #[inline]
    pub fn queue_for(&self, vlan: u32, flow_hash: u32) -> u32 {
        let word = vlan as usize * size_of::<TapQueue>() / 4 + offset_of!(TapQueue, queues) / 4;
        let queues = self.taps[word].load(Acquire).max(1);
        (flow_hash >> QUEUE_HASH_SHIFT & (queues - 1)) * LIMIT_VLANS as u32 + vlan
    }

    #[inline]
    pub fn now_ms(&self) -> u32 {
        self.header.get(offset_of!(ArenaHeader, now_ms))
    }

    #[inline]
    pub fn offloads(&self) -> u32 {
        self.header.get(offset_of!(ArenaHeader, offloads))
    }
}

/// A region of the arena as a slice of its structure.
///
/// # Safety
/// The region must lie within the mapping, aligned for `T`, and be viewed once.
unsafe fn region<T>(base: *mut u8, offset: usize, count: usize) -> &'static mut [T] {
    // SAFETY: by this function's contract; every `T` here is made of plain numbers, valid for any bytes.
    unsafe { core::slice::from_raw_parts_mut(base.add(offset).cast::<T>(), count) }
}
