//! The frame's and the probe's AEAD: AES-256-GCM or ChaCha20-Poly1305, in place, tag behind the ciphertext. Pure.
//! Nonces are counters that their callers never repeat under one key.

use crate::layout::CIPHER_CHACHA20_POLY1305;
use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

/// Bytes of the tag.
pub const TAG: usize = 16;

/// One AEAD key with its schedule.
pub struct AeadKey(LessSafeKey);

impl AeadKey {
    /// Builds the schedule for CIPHER_*; anything but ChaCha20-Poly1305 is AES-256-GCM.
    pub fn new(cipher: u32, key: &[u8; 32]) -> AeadKey {
        let algorithm = if cipher == CIPHER_CHACHA20_POLY1305 {
            &CHACHA20_POLY1305
        } else {
            &AES_256_GCM
        };
        let unbound = UnboundKey::new(algorithm, key).expect("32 bytes are a key of both ciphers");
        AeadKey(LessSafeKey::new(unbound))
    }

    /// Seals `text`'s all but last 16 bytes in place and writes the tag into these.
    #[inline]
    pub fn seal(&self, nonce: [u8; 12], aad: &[u8], text: &mut [u8]) {
        if cfg!(feature = "null-crypto") {
            return;
        }
        let (plaintext, tag_place) = text.split_at_mut(text.len() - TAG);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), plaintext)
            .expect("a datagram is far below the cipher's limit");
        tag_place.copy_from_slice(tag.as_ref());
    }

    /// Seals `plaintext` into `text`, which is longer by the tag.
    #[inline]
    pub fn seal_into(&self, nonce: [u8; 12], aad: &[u8], plaintext: &[u8], text: &mut [u8]) {
        let (ciphertext, tag_place) = text.split_at_mut(plaintext.len());
        if cfg!(feature = "null-crypto") {
            return ciphertext.copy_from_slice(plaintext);
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, ciphertext, &[], tag_place)
            .expect("a datagram is far below the cipher's limit");
    }

    /// Opens ciphertext ‖ tag in place. On failure the text is unspecified.
    #[inline]
    pub fn open(&self, nonce: [u8; 12], aad: &[u8], text: &mut [u8]) -> bool {
        if cfg!(feature = "null-crypto") {
            return true;
        }
        self.0
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
            .is_ok()
    }
}

#[cfg(all(test, not(feature = "null-crypto")))]
mod tests {
    use super::*;
    use crate::layout::CIPHER_AES_256_GCM;

    #[test]
    fn what_is_sealed_opens_once_nothing_is_changed() {
        for cipher in [CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305] {
            let key = AeadKey::new(cipher, &[7; 32]);
            let mut text: Vec<u8> = (0..116).collect();
            let plain = text.clone();
            key.seal([1; 12], b"aad", &mut text);
            assert_ne!(text[..100], plain[..100]);
            let mut elsewhere = [0; 116];
            key.seal_into([1; 12], b"aad", &plain[..100], &mut elsewhere);
            assert_eq!(elsewhere[..], text);
            let mut forged = text.clone();
            forged[3] ^= 1;
            assert!(!key.open([1; 12], b"aad", &mut forged));
            assert!(!key.open([1; 12], b"aae", &mut text.clone()));
            assert!(key.open([1; 12], b"aad", &mut text));
            assert_eq!(text[..100], plain[..100]);
        }
    }
}
