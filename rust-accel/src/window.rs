//! Replay windows of 8,192 counters: a lane's, which one worker owns, and a sender's, which several workers touch.
//! Pure over atomic words. RFC 6479's ring of bits, and protocol section 11's tagged words for the shared one.

use crate::layout::*;
use crate::tables::Slot;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering::*};

/// What a window says of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    New,
    Replay,
    TooOld,
}

/// A lane's window: `highest` is the highest accepted counter plus one (0: none), bits lie by counter mod 8,192.
/// Advancing clears whole words, so between 8,161 and 8,192 counters are remembered.
pub struct LaneWindow<'a> {
    pub highest: u64,
    pub bits: &'a [AtomicU32],
}

const WORDS: u64 = LANE_WINDOW_WORDS as u64;

impl LaneWindow<'_> {
    /// Whether a counter would be accepted now.
    #[inline]
    pub fn test(&self, counter: u64) -> Seen {
        if counter >= self.highest {
            return Seen::New;
        }
        if (self.highest - 1) / 32 - counter / 32 >= WORDS {
            return Seen::TooOld;
        }
        if self.word(counter / 32).load(Relaxed) >> (counter % 32) & 1 == 1 {
            Seen::Replay
        } else {
            Seen::New
        }
    }

    /// Enters a counter once; the window moves on when it is the highest.
    #[inline]
    pub fn insert(&mut self, counter: u64) -> Seen {
        let seen = self.test(counter);
        if seen != Seen::New {
            return seen;
        }
        if counter >= self.highest {
            self.advance(counter);
        }
        let word = self.word(counter / 32);
        word.store(word.load(Relaxed) | 1 << (counter % 32), Relaxed);
        Seen::New
    }

    /// Clears the words that the window moves into.
    #[inline]
    fn advance(&mut self, counter: u64) {
        let last = counter / 32;
        let next = self.highest.div_ceil(32); // the first word that holds no accepted counter's neighbour
        for word in next.max((last + 1).saturating_sub(WORDS))..=last {
            self.word(word).store(0, Relaxed);
        }
        self.highest = counter + 1;
    }

    #[inline]
    fn word(&self, word: u64) -> &AtomicU32 {
        &self.bits[(word % WORDS) as usize]
    }
}

/// Counters in a block of a sender's window.
const BLOCK: u32 = 16;
const BLOCKS: u32 = LIMIT_WINDOW_COUNTERS as u32 / BLOCK;

#[inline]
fn highest_of(window: Slot<'static>) -> &'static AtomicU32 {
    window.atomic(offset_of!(SenderWindow, highest))
}

#[inline]
fn word_of(window: Slot<'static>, block: u32) -> &'static AtomicU32 {
    window.atomic(offset_of!(SenderWindow, words) + 4 * (block % BLOCKS) as usize)
}

/// Which block a word holds: its lap of the ring in 16 bits, so it comes again after 2^29 counters; the highest block
/// tells such words apart.
#[inline]
fn tag_of(block: u32) -> u32 {
    (block / BLOCKS) & 0xffff
}

/// Whether a sender's window would accept a counter now; another worker may change the answer.
#[inline]
pub fn test_sender(window: Slot<'static>, counter: u32) -> Seen {
    let block = counter / BLOCK;
    let highest = highest_of(window).load(SeqCst);
    if block >= highest {
        return Seen::New;
    }
    if block + BLOCKS < highest {
        return Seen::TooOld;
    }
    let word = word_of(window, block).load(SeqCst);
    if word >> 16 == tag_of(block) && word >> (counter % BLOCK) & 1 == 1 {
        Seen::Replay
    } else {
        Seen::New
    }
}

/// Enters a counter once among all workers.
///
/// The highest block is raised before its word is changed. Whoever meets another block's tag therefore looks at the
/// highest again: either that block is newer and this counter too old by now, or it is stale and may be replaced.
#[inline]
pub fn insert_sender(window: Slot<'static>, counter: u32) -> Seen {
    let block = counter / BLOCK;
    let mut highest = highest_of(window).load(SeqCst);
    if highest <= block {
        highest = highest_of(window).fetch_max(block + 1, SeqCst);
    }
    if block + BLOCKS < highest {
        return Seen::TooOld;
    }
    let (word, tag, bit) = (word_of(window, block), tag_of(block), 1 << (counter % BLOCK));
    let mut present = word.load(SeqCst);
    loop {
        let mut bits = bit;
        if present >> 16 == tag {
            if present & bit != 0 {
                return Seen::Replay;
            }
            bits |= present & 0xffff;
        } else if block + BLOCKS < highest_of(window).load(SeqCst) {
            return Seen::TooOld;
        }
        match word.compare_exchange(present, tag << 16 | bits, SeqCst, SeqCst) {
            Ok(_) => return Seen::New,
            Err(now) => present = now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::test_slot;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn lane_bits() -> Vec<AtomicU32> {
        (0..LANE_WINDOW_WORDS).map(|_| AtomicU32::new(0)).collect()
    }

    /// Counters that run ahead, fall behind, and jump.
    fn counters() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![
            8 => -40i64..64,
            2 => -9_000i64..9_000,
            1 => Just(100_000i64),
        ];
        proptest::collection::vec(step, 1..400).prop_map(|steps| {
            let mut at = 20_000i64;
            steps
                .into_iter()
                .map(|step| {
                    at = (at + step).max(0);
                    at as u64
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_lane_window_accepts_each_counter_once_and_none_that_is_too_old(counters in counters()) {
            let bits = lane_bits();
            let mut window = LaneWindow { highest: 0, bits: &bits };
            let mut model = BTreeSet::new();
            for counter in counters {
                let highest = model.last().copied().unwrap_or(0u64);
                let seen = window.insert(counter);
                match seen {
                    Seen::New => prop_assert!(model.insert(counter)),
                    Seen::Replay => prop_assert!(model.contains(&counter)),
                    Seen::TooOld => prop_assert!(highest - counter > 8_160),
                }
                if highest < counter || highest - counter < 8_160 {
                    prop_assert!(seen != Seen::TooOld);
                }
                prop_assert_eq!(window.highest, model.last().unwrap() + 1);
            }
        }

        #[test]
        fn a_sender_window_accepts_each_counter_once_and_none_that_is_too_old(counters in counters()) {
            let words: &'static [AtomicU32] = (0..528).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
            let window = test_slot(words);
            let mut model = BTreeSet::new();
            for counter in counters {
                let counter = counter as u32;
                let highest = model.last().copied().unwrap_or(0u32);
                let expected = test_sender(window, counter);
                let seen = insert_sender(window, counter);
                prop_assert_eq!(seen, expected);
                match seen {
                    Seen::New => prop_assert!(model.insert(counter)),
                    Seen::Replay => prop_assert!(model.contains(&counter)),
                    Seen::TooOld => prop_assert!(highest - counter > 8_176),
                }
            }
        }
    }

    #[test]
    fn several_threads_accept_each_counter_once_between_them() {
        let words: &'static [AtomicU32] = (0..528).map(|_| AtomicU32::new(0)).collect::<Vec<_>>().leak();
        let accepted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..40_000u32)
                            .filter(|&counter| insert_sender(test_slot(words), counter) == Seen::New)
                            .count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(accepted <= 40_000, "{accepted} acceptances of 40,000 counters");
        assert!(accepted >= 8_192);
    }
}
