//! The three AES layers of a link header (protocol section 3), for a run of datagrams under one lane's keys. Pure.
//!
//!   mask   control ⊕= AES(k3, 0⁴ ‖ receiver ‖ counter)[0‥3]
//!   tweak  T = AES(k2, type ‖ control ‖ length u16 ‖ 0² ‖ counter)
//!   block  AES(k1, token ⊕ T) ⊕ T

use crate::ecb::{Block, xor};
use crate::keys::{LaneRx, LaneTx};

/// Version 1, type 1.
pub const VERSION_TYPE: u8 = 0x11;
/// A lane neither seals nor opens from this counter on.
pub const COUNTER_LIMIT: u64 = 1 << 40;
/// Datagrams that go through AES together.
pub const RUN: usize = 64;

/// One header on its way through the layers.
#[derive(Clone, Copy, Default)]
pub struct Header {
    pub receiver: u32,
    pub counter: u64,
    /// Whole datagram.
    pub length: u16,
    /// Three bytes: unmasked before closing, masked before opening.
    pub control: [u8; 3],
}

/// Blocks of a run, made once for each engine.
pub struct Blocks {
    mask: [Block; RUN],
    tweak: [Block; RUN],
    pub token: [Block; RUN],
    pub headers: [Header; RUN],
}

impl Blocks {
    pub fn new() -> Blocks {
        Blocks {
            mask: [Block::default(); RUN],
            tweak: [Block::default(); RUN],
            token: [Block::default(); RUN],
            headers: [Header::default(); RUN],
        }
    }

    /// Turns tokens 0 … count-1 into token blocks and masks the controls.
    #[inline]
    pub fn close(&mut self, keys: &LaneTx, count: usize) {
        self.masks(count);
        keys.mask.encrypt(&mut self.mask[..count]);
        self.tweaks(count);
        keys.tweak.encrypt(&mut self.tweak[..count]);
        self.unmask(count);
        self.whiten(count);
        keys.token.encrypt(&mut self.token[..count]);
        self.whiten(count);
    }

    /// Turns token blocks 0 … count-1 into tokens and unmasks the controls.
    #[inline]
    pub fn open(&mut self, keys: &LaneRx, count: usize) {
        self.masks(count);
        keys.mask.encrypt(&mut self.mask[..count]);
        self.unmask(count);
        self.tweaks(count);
        keys.tweak.encrypt(&mut self.tweak[..count]);
        self.whiten(count);
        keys.token.decrypt(&mut self.token[..count]);
        self.whiten(count);
    }

    #[inline]
    fn masks(&mut self, count: usize) {
        for (block, header) in self.mask[..count].iter_mut().zip(&self.headers) {
            let input = u128::from(header.receiver) << 32 | u128::from(header.counter) << 64;
            block.0 = input.to_le_bytes();
        }
    }

    #[inline]
    fn tweaks(&mut self, count: usize) {
        for (block, header) in self.tweak[..count].iter_mut().zip(&self.headers) {
            let [kind, hops, class] = header.control;
            let first =
                u64::from(u32::from_le_bytes([VERSION_TYPE, kind, hops, class])) | u64::from(header.length) << 32;
            block.0 = (u128::from(first) | u128::from(header.counter) << 64).to_le_bytes();
        }
    }

    #[inline]
    fn unmask(&mut self, count: usize) {
        for (header, mask) in self.headers[..count].iter_mut().zip(&self.mask) {
            for (byte, key) in header.control.iter_mut().zip(mask.0) {
                *byte ^= key;
            }
        }
    }

    #[inline]
    fn whiten(&mut self, count: usize) {
        for (block, tweak) in self.token[..count].iter_mut().zip(&self.tweak) {
            xor(block, tweak);
        }
    }
}

/// The control word's three bytes: kind and flags, hops, class.
#[inline]
pub fn control_bytes(word: u32) -> [u8; 3] {
    [word as u8, (word >> 8) as u8, (word >> 16) as u8]
}

/// The inverse of [`control_bytes`].
#[inline]
pub fn control_word(bytes: [u8; 3]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}

/// The nonce of a lane's probe body: 0⁴ ‖ counter.
#[inline]
pub fn body_nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

/// A probe's AAD: bytes 0‥15 with the control unmasked.
#[inline]
pub fn body_aad(control: [u8; 3], receiver: u32, counter: u64) -> [u8; 16] {
    let mut aad = [0; 16];
    aad[0] = VERSION_TYPE;
    aad[1..4].copy_from_slice(&control);
    aad[4..8].copy_from_slice(&receiver.to_le_bytes());
    aad[8..].copy_from_slice(&counter.to_le_bytes());
    aad
}
