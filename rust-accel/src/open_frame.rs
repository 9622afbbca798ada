//! openFrame: opens RX_LOCAL frames in place and puts fragments together (protocol section 4).
//! Order: unmask → sender → announced counter → key → window test → AEAD → window entry.

use crate::ecb::{Block, xor};
use crate::engine::Engine;
use crate::layout::*;
use crate::reassemble;
use crate::seal::{frame_aad, frame_nonce};
use crate::tables::words_of;
use crate::window::{Seen, insert_sender, test_sender};
use core::mem::offset_of;

const RUN: usize = 64;

/// Opens datagrams 0 … count-1 that are RX_LOCAL.
pub fn open_frame(engine: &mut Engine, count: u32) {
    reassemble::expire(engine);
    engine.last_sender.clear();
    let mut masks = [Block::default(); RUN];
    let mut run = [0u32; RUN];
    let mut length = 0;
    let mut epoch = NONE;
    for index in 0..count {
        let datagram = &engine.arena.batch.rx[index as usize];
        if datagram.verdict != RX_LOCAL {
            continue;
        }
        if length == RUN || datagram.epoch != epoch {
            open_run(engine, epoch, &run[..length], &mut masks);
            length = 0;
            epoch = engine.arena.batch.rx[index as usize].epoch;
        }
        let datagram = &engine.arena.batch.rx[index as usize];
        let tag = datagram.offset + datagram.length - 16;
        masks[length].0.copy_from_slice(engine.arena.data.at(tag, 16));
        run[length] = index;
        length += 1;
    }
    open_run(engine, epoch, &run[..length], &mut masks);
}

/// Opens a run of one epoch; `masks` holds their tags.
fn open_run(engine: &mut Engine, epoch: u32, run: &[u32], masks: &mut [Block; RUN]) {
    if run.is_empty() {
        return;
    }
    let live = engine
        .tables
        .epoch(epoch)
        .filter(|slot| slot.get(offset_of!(Epoch, state)) == 1)
        .map(|slot| slot.get(offset_of!(Epoch, vlan)));
    let key = engine.keys.mask(&engine.tables, epoch);
    let (Some(vlan), Some(key)) = (live, key) else {
        for &index in run {
            refuse(engine, index, DROP_VLAN_DOWN);
        }
        return;
    };
    key.encrypt(&mut masks[..run.len()]);
    for (&index, mask) in run.iter().zip(masks.iter_mut()) {
        let opened = open_one(engine, index as usize, mask).and_then(|()| accept(engine, index as usize, vlan));
        match opened {
            Ok(verdict) => engine.arena.batch.rx[index as usize].verdict = verdict,
            Err(code) => {
                refuse(engine, index, code);
                if code == DROP_SENDER_UNKNOWN {
                    engine.punt(index);
                }
            }
        }
    }
}

fn refuse(engine: &mut Engine, index: u32, code: u32) {
    engine.arena.batch.rx[index as usize].verdict = RX_DROPPED;
    engine.arena.counters.drop(code);
}

/// Unmasks, checks and opens one datagram.
#[inline]
fn open_one(engine: &mut Engine, index: usize, mask: &mut Block) -> Result<(), u32> {
    let datagram = &mut engine.arena.batch.rx[index];
    let mut masked = Block::default();
    masked.0.copy_from_slice(engine.arena.data.at(datagram.offset + 32, 16));
    xor(mask, &masked);
    let sender = mask.0;
    datagram.sender = words_of(&sender);
    let [leaf_lane, salt_low, word2, word3] = datagram.sender;
    if word3 > 0xffff {
        return Err(DROP_FRAME_FORGED);
    }
    let counter = word2 >> 16 | word3 << 16;
    let (tables, epoch, salt_high) = (&engine.tables, datagram.epoch, word2 & 0xffff);
    let slot = engine
        .last_sender
        .get([epoch, leaf_lane, salt_low, salt_high], || {
            tables.find_rx_sender(epoch, [leaf_lane, salt_low, salt_high])
        })
        .ok_or(DROP_SENDER_UNKNOWN)?;
    let entry = engine.tables.rx_sender(slot);
    if counter < entry.get(offset_of!(RxSender, first_counter)) {
        return Err(DROP_FRAME_BEFORE_ANNOUNCEMENT);
    }
    let pairwise = datagram.control >> 4 & FLAG_PAIRWISE;
    let key_slot = entry.get(if pairwise == 1 {
        offset_of!(RxSender, pair_key)
    } else {
        offset_of!(RxSender, group_key)
    });
    let key = engine.keys.frame(&engine.tables, key_slot).ok_or(DROP_NO_KEY)?;
    let window = engine.tables.sender_window(slot, pairwise);
    refuse_seen(test_sender(window, counter))?;
    let text = engine
        .arena
        .data
        .at(datagram.offset + LINK_HEADER_BYTES, datagram.length - LINK_HEADER_BYTES);
    let aad = frame_aad(&datagram.token, datagram.control, &sender);
    if !key.open(frame_nonce(&sender), &aad, text) {
        return Err(DROP_FRAME_FORGED);
    }
    refuse_seen(insert_sender(window, counter))?;
    datagram.member = entry.get(offset_of!(RxSender, member));
    Ok(())
}

#[inline]
fn refuse_seen(seen: Seen) -> Result<(), u32> {
    match seen {
        Seen::New => Ok(()),
        Seen::Replay => Err(DROP_FRAME_REPLAY),
        Seen::TooOld => Err(DROP_FRAME_TOO_OLD),
    }
}

/// What opened is a member's own: a whole frame, or a part of one.
#[inline]
fn accept(engine: &mut Engine, index: usize, vlan: u32) -> Result<u32, u32> {
    engine.arena.counters.add(COUNTER_FRAMES_OPENED, 1);
    let datagram = &mut engine.arena.batch.rx[index];
    let (at, bytes) = (
        datagram.offset + LINK_HEADER_BYTES,
        datagram.length - LINK_OVERHEAD_BYTES,
    );
    datagram.vlan = vlan;
    if datagram.control & 0xf != KIND_FRAME {
        return reassemble::reassemble(engine, index, at, bytes);
    }
    if bytes < 14 {
        return Err(DROP_FRAME_SHORT);
    }
    datagram.frame_offset = at;
    datagram.frame_length = bytes;
    Ok(RX_FRAME)
}
