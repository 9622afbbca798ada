//! Which datagrams were passed on in the last two seconds, so that a copy goes no further; the reasons, and the format of
//! the table, are in dataplane/pipeline/recent-frames.ts. All workers share the table.

use crate::hash::{compress, finish};
use crate::layout::*;
use crate::tables::Tables;
use core::sync::atomic::Ordering::Relaxed;

const UNIT_MS_SHIFT: u32 = 4;
const TIME_MASK: u32 = 0xffff;
/// Two seconds in units of 16 ms.
const KEPT_UNITS: u32 = 125;

/// Notes a datagram by what is the same on every hop; true when it was noted less than two seconds ago already.
pub fn is_repeated(tables: &Tables, bytes: &[u8], now_ms: u32) -> bool {
    let [first, second] = hash(tables.hash_key(), bytes);
    let time = now_ms >> UNIT_MS_SHIFT & TIME_MASK;
    let tag = first >> 16;
    let [hash_word, time_word] = tables.recent_frame(first & (LIMIT_RECENT_FRAMES as u32 - 1));
    let hash = hash_word.swap(second, Relaxed);
    let before = time_word.swap(time << 16 | tag, Relaxed);
    hash == second && before & 0xffff == tag && time.wrapping_sub(before >> 16) & TIME_MASK <= KEPT_UNITS
}

/// HalfSipHash-1-3 of 64 bits.
fn hash(key: (u32, u32), bytes: &[u8]) -> [u32; 2] {
    let mut v = [key.0, key.1 ^ 0xee, 0x6c79_6765 ^ key.0, 0x7465_6462 ^ key.1];
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        compress(&mut v, u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    }
    let rest = words.remainder().iter().rev();
    let tail = rest.fold(0, |word, &byte| word << 8 | u32::from(byte));
    compress(&mut v, (bytes.len() as u32) << 24 | tail);
    v[2] ^= 0xee;
    let first = finish(&mut v);
    v[1] ^= 0xdd;
    [first, finish(&mut v)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::empty_engine;

    #[test]
    fn a_copy_is_known_for_two_seconds_and_a_change_of_any_byte_makes_another() {
        let tables = empty_engine(64).tables;
        for length in [32, 33, 34, 35, 1440] {
            let mut bytes: Vec<u8> = (0..length).map(|index| index as u8).collect();
            assert!(!is_repeated(&tables, &bytes, 1000));
            assert!(is_repeated(&tables, &bytes, 2000));
            assert!(is_repeated(&tables, &bytes, 4000), "kept alive by its copies");
            assert!(!is_repeated(&tables, &bytes, 6100));
            for at in 0..length {
                bytes[at] ^= 1;
                assert!(!is_repeated(&tables, &bytes, 6100));
                bytes[at] ^= 1;
            }
        }
    }

    #[test]
    fn the_clock_may_wrap() {
        let tables = empty_engine(64).tables;
        let bytes = [7; 40];
        assert!(!is_repeated(&tables, &bytes, u32::MAX - 500));
        assert!(is_repeated(&tables, &bytes, 500));
    }
}
