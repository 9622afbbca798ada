//! HalfSipHash-1-3, 32 bits, keyed per process: what places tokens, stations and senders in their tables. Pure;
//! mirrors dataplane/shm/table-hash.ts. Peers choose tokens and MAC addresses, so it must not be predictable to them.

/// Hashes `words.len()` (1 to 4) words under the process's key.
#[inline]
pub fn table_hash(key: (u32, u32), words: &[u32]) -> u32 {
    let mut v = [key.0, key.1, 0x6c79_6765 ^ key.0, 0x7465_6462 ^ key.1];
    for &word in words {
        compress(&mut v, word);
    }
    compress(&mut v, (words.len() as u32) << 26);
    v[2] ^= 0xff;
    finish(&mut v)
}

/// One round of compression a word.
#[inline(always)]
pub fn compress(v: &mut [u32; 4], word: u32) {
    v[3] ^= word;
    round(v);
    v[0] ^= word;
}

/// Three rounds of finalisation, and 32 bits of the result.
#[inline(always)]
pub fn finish(v: &mut [u32; 4]) -> u32 {
    for _ in 0..3 {
        round(v);
    }
    v[1] ^ v[3]
}

#[inline(always)]
fn round(v: &mut [u32; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(5) ^ v[0];
    v[0] = v[0].rotate_left(16);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(8) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(7) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[2];
    v[2] = v[2].rotate_left(16);
}

#[cfg(test)]
mod tests {
    use super::table_hash;

    #[test]
    fn the_order_and_number_of_words_count() {
        let key = (0x0302_0100, 0x0706_0504);
        assert_ne!(table_hash(key, &[1, 2]), table_hash(key, &[2, 1]));
        assert_ne!(table_hash(key, &[1]), table_hash(key, &[1, 0]));
        assert_ne!(table_hash(key, &[1]), table_hash((0, 0), &[1]));
    }
}
