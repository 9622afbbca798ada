//! seal: the frame AEAD, from where the plaintext lies into the datagram's place; then the senders' masks, a run of one
//! epoch at a time (protocol section 4).

use crate::aead::TAG;
use crate::ecb::{Block, xor};
use crate::engine::{Engine, Plaintext};
use crate::layout::*;
use crate::tables::bytes_of;

/// Senders that are masked together.
const RUN: usize = 64;

/// AAD of a sealed frame: token ‖ kind and flags ‖ class ‖ sender unmasked.
#[inline]
pub fn frame_aad(token: &[u8; 16], control: u32, sender: &[u8; 16]) -> [u8; 34] {
    let mut aad = [0; 34];
    aad[..16].copy_from_slice(token);
    aad[16] = control as u8;
    aad[17] = (control >> 16) as u8;
    aad[18..].copy_from_slice(sender);
    aad
}

/// Nonce of a sealed frame: 6 zero bytes ‖ the sender field's counter.
#[inline]
pub fn frame_nonce(sender: &[u8; 16]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[6..].copy_from_slice(&sender[10..]);
    nonce
}

/// Seals datagrams 0 … count-1; those without a key are dropped.
pub fn seal(engine: &mut Engine, count: u32) {
    let mut tags = [Block::default(); RUN];
    let mut start = 0;
    while start < count {
        let end = run_end(engine, start, count);
        for index in start..end {
            tags[(index - start) as usize].0 = seal_one(engine, index as usize);
        }
        mask_run(engine, start as usize..end as usize, &mut tags);
        start = end;
    }
}

fn run_end(engine: &Engine, start: u32, count: u32) -> u32 {
    let epoch = engine.arena.batch.tx[start as usize].epoch;
    let limit = count.min(start + RUN as u32);
    let mut end = start + 1;
    while end < limit && engine.arena.batch.tx[end as usize].epoch == epoch {
        end += 1;
    }
    end
}

/// Seals one datagram and returns its tag.
#[inline]
fn seal_one(engine: &mut Engine, index: usize) -> [u8; 16] {
    let datagram = &mut engine.arena.batch.tx[index];
    let mut tag = [0; 16];
    if datagram.verdict == FRAME_DROPPED {
        return tag;
    }
    let Some(key) = engine.keys.frame(&engine.tables, datagram.frame_key) else {
        datagram.verdict = FRAME_DROPPED;
        engine.arena.counters.drop(DROP_NO_KEY);
        return tag;
    };
    let sender = bytes_of(&datagram.sender);
    let place = (datagram.offset + LINK_HEADER_BYTES, datagram.length - LINK_HEADER_BYTES);
    let (nonce, aad) = (
        frame_nonce(&sender),
        frame_aad(&datagram.token, datagram.control, &sender),
    );
    let data = &mut engine.arena.data;
    match engine.plaintexts[index] {
        Plaintext::Laid => key.seal(nonce, &aad, data.at(place.0, place.1)),
        Plaintext::Tap { at, headers } => {
            // Over the end of the piece before, which is sealed already.
            data.copy(place.0, at, headers);
            let (plaintext, text) = data.pair((at, place.1 - TAG as u32), place);
            key.seal_into(nonce, &aad, plaintext, text);
        }
    }
    tag.copy_from_slice(data.at(place.0 + place.1 - TAG as u32, TAG as u32));
    engine.arena.counters.add(COUNTER_FRAMES_SEALED, 1);
    tag
}

fn mask_run(engine: &mut Engine, range: core::ops::Range<usize>, masks: &mut [Block; RUN]) {
    let datagrams = &mut engine.arena.batch.tx[range];
    let Some(mask) = engine.keys.mask(&engine.tables, datagrams[0].epoch) else {
        for datagram in datagrams {
            if datagram.verdict != FRAME_DROPPED {
                datagram.verdict = FRAME_DROPPED;
                engine.arena.counters.drop(DROP_NO_KEY);
            }
        }
        return;
    };
    mask.encrypt(&mut masks[..datagrams.len()]);
    for (datagram, block) in datagrams.iter().zip(masks) {
        if datagram.verdict != FRAME_DROPPED {
            let mut sender = Block::default();
            sender.0 = bytes_of(&datagram.sender);
            xor(block, &sender);
            engine.arena.data.at(datagram.offset + 32, 16).copy_from_slice(&block.0);
        }
    }
}
