//! AES-256 on single blocks, many at a time: the three layers of the link header and the mask of the sender field
//! (protocol sections 3 and 4). Pure. The crate picks VAES, AES-NI or constant-time software when it runs.

use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit, consts::U16};
use aes::{Aes256Dec, Aes256Enc};

/// One AES block.
pub type Block = Array<u8, U16>;

/// A key schedule that enciphers.
pub struct BlockSealer(Aes256Enc);

impl BlockSealer {
    pub fn new(key: &[u8; 32]) -> BlockSealer {
        BlockSealer(Aes256Enc::new(&Array::from(*key)))
    }

    #[inline]
    pub fn encrypt(&self, blocks: &mut [Block]) {
        if cfg!(not(feature = "null-crypto")) {
            self.0.encrypt_blocks(blocks);
        }
    }
}

/// A key schedule that deciphers.
pub struct BlockOpener(Aes256Dec);

impl BlockOpener {
    pub fn new(key: &[u8; 32]) -> BlockOpener {
        BlockOpener(Aes256Dec::new(&Array::from(*key)))
    }

    #[inline]
    pub fn decrypt(&self, blocks: &mut [Block]) {
        if cfg!(not(feature = "null-crypto")) {
            self.0.decrypt_blocks(blocks);
        }
    }
}

/// `to ⊕= with`.
#[inline(always)]
pub fn xor(to: &mut Block, with: &Block) {
    let word = u128::from_ne_bytes(to.0) ^ u128::from_ne_bytes(with.0);
    to.0 = word.to_ne_bytes();
}

#[cfg(all(test, not(feature = "null-crypto")))]
mod tests {
    use super::*;

    #[test]
    fn matches_fips_197_appendix_c3() {
        let key: [u8; 32] = core::array::from_fn(|index| index as u8);
        let plain: [u8; 16] = core::array::from_fn(|index| (index * 0x11) as u8);
        let wanted = [
            0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49, 0x60, 0x89,
        ];
        for count in [1, 7, 8, 9, 64] {
            let mut blocks = vec![Array::from(plain); count];
            BlockSealer::new(&key).encrypt(&mut blocks);
            assert!(blocks.iter().all(|block| block.0 == wanted));
            BlockOpener::new(&key).decrypt(&mut blocks);
            assert!(blocks.iter().all(|block| block.0 == plain));
        }
    }
}
