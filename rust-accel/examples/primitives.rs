//! What the frame path's primitives cost by themselves, in a loop like `openssl speed`: the limits beside which the
//! bench shows the engines (bench/micro). One thread; prints a line of JSON for each figure and measures nothing else.
//!
//!   primitives MILLISECONDS SIZES BLOCKS ENTRIES      lists of numbers, separated by commas
//!
//! SIZES: bytes of a frame. BLOCKS: AES blocks at once. ENTRIES: slots of 64 bytes that are read at random.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit, consts::U16};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// As a sealed frame has it: token, kind and flags, class, sender.
const AAD_BYTES: usize = 34;
/// As a token is derived: period, kind and MAC under a key, then segment id and r.
const ROUTE_INPUT_BYTES: usize = 11;
const TOKEN_INPUT_BYTES: usize = 32;
const SLOT_BYTES: usize = 64;
/// Rounds between two looks at the clock take about this long.
const STRIDE: Duration = Duration::from_micros(50);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [millis, sizes, blocks, entries] = arguments.as_slice() else {
        eprintln!("usage: primitives MILLISECONDS SIZES BLOCKS ENTRIES");
        return ExitCode::from(2);
    };
    let (Ok(millis), Some(sizes), Some(blocks), Some(entries)) =
        (millis.parse(), numbers(sizes), numbers(blocks), numbers(entries))
    else {
        eprintln!("primitives: milliseconds and lists of numbers above 0 are wanted");
        return ExitCode::from(2);
    };
    let time = Duration::from_millis(millis);
    for size in sizes {
        report("aes-256-gcm", size, aead(&AES_256_GCM, size, time));
        report("chacha20-poly1305", size, aead(&CHACHA20_POLY1305, size, time));
        report("memcpy", size, copy(size, time));
    }
    for count in blocks {
        report("aes-256-blocks", count, encipher(count, time));
    }
    report("blake3-token", 1, token(time));
    for count in entries {
        report("random-read", count, random_reads(count, time));
    }
    ExitCode::SUCCESS
}

/// A list of numbers above 0; empty text is an empty list.
fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok().filter(|&number| number > 0))
        .collect()
}

/// Time of one round; `x` is what the primitive is given: bytes, blocks or slots.
fn report(primitive: &str, x: usize, ns: f64) {
    println!("{{\"primitive\":\"{primitive}\",\"x\":{x},\"ns\":{ns:.3}}}");
}

/// Time of one round in nanoseconds: the median of many strides of rounds, which an interruption does not move, over
/// at least `time`, after a fifth of it to warm up.
fn measure(time: Duration, mut round: impl FnMut()) -> f64 {
    let rough_ns = strides(time / 5, 1, &mut round);
    let stride = (STRIDE.as_nanos() as f64 / rough_ns).max(1.0);
    strides(time, stride as u32, &mut round)
}

fn strides(time: Duration, stride: u32, round: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut taken = Vec::new();
    while taken.is_empty() || start.elapsed() < time {
        let stride_start = Instant::now();
        for _ in 0..stride {
            round();
        }
        taken.push(stride_start.elapsed());
    }
    taken.sort_unstable();
    // Never 0, whatever the clock says: the length of a stride is divided by it.
    (taken[taken.len() / 2].as_nanos() as f64 / f64::from(stride)).max(0.1)
}

/// Seals one text in place over and over, each time under the next nonce.
fn aead(algorithm: &'static Algorithm, size: usize, time: Duration) -> f64 {
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &[7; 32]).expect("32 bytes are a key"));
    let aad = [3; AAD_BYTES];
    let mut text = vec![5; size];
    let mut counter = 0u64;
    measure(time, || {
        counter += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&counter.to_le_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&aad), black_box(&mut text));
        let _ = black_box(tag.expect("far below the cipher's limit"));
    })
}

fn copy(size: usize, time: Duration) -> f64 {
    let from = vec![5u8; size];
    let mut to = vec![0u8; size];
    measure(time, || black_box(&mut to).copy_from_slice(black_box(&from)))
}

fn encipher(count: usize, time: Duration) -> f64 {
    let key = aes::Aes256Enc::new(&Array::from([7; 32]));
    let mut blocks: Vec<Array<u8, U16>> = vec![Array::from([5; 16]); count];
    measure(time, || key.encrypt_blocks(black_box(&mut blocks)))
}

/// Both hashes of a station's token.
fn token(time: Duration) -> f64 {
    let key = [7; 32];
    let mut route_input = [0; ROUTE_INPUT_BYTES];
    let mut token_input = [0; TOKEN_INPUT_BYTES];
    measure(time, || {
        let route = blake3::keyed_hash(&key, black_box(&route_input));
        token_input[16..].copy_from_slice(&route.as_bytes()[..16]);
        let token = blake3::hash(black_box(&token_input));
        route_input[5..].copy_from_slice(&token.as_bytes()[..6]);
    })
}

/// Independent reads of whole slots, as look-ups of different tokens are: what the memory allows a table of that size.
fn random_reads(count: usize, time: Duration) -> f64 {
    let slots = vec![[1u64; SLOT_BYTES / 8]; count];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    measure(time, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let slot = &slots[((u128::from(state) * count as u128) >> 64) as usize];
        black_box(slot[0] ^ slot[2]);
    })
}
