//! What may be relayed for others, run by run: credits that the main thread gives to trunks, and to all of them together; see
//! dataplane/pipeline/relay-quota.ts.

use crate::layout::*;
use crate::tables::{Slot, Tables};
use core::mem::offset_of;
use core::sync::atomic::Ordering::Relaxed;

/// Takes the credits for a run of so many datagrams and bytes; false when there are none, and nothing was taken.
#[inline]
pub fn take_credits(tables: &Tables, segment: u32, trunk: u32, run: (u32, u32)) -> bool {
    let foreign = tables
        .segment(segment)
        .is_some_and(|segment| segment.get(offset_of!(Segment, flags)) & SEGMENT_FOREIGN != 0);
    !foreign || take_foreign(tables, trunk, run)
}

fn take_foreign(tables: &Tables, trunk: u32, run: (u32, u32)) -> bool {
    let Some(trunk) = tables.trunk(trunk) else {
        return false;
    };
    let own = offset_of!(Trunk, relay_datagram_credits);
    let limited = trunk.get(offset_of!(Trunk, relay_flags)) & RELAY_LIMITED != 0;
    if limited && !take_both(trunk, own, run) {
        return false;
    }
    let all = tables.header();
    if all.get(offset_of!(TablesHeader, relay_flags)) & RELAY_LIMITED == 0
        || take_both(all, offset_of!(TablesHeader, relay_datagram_credits), run)
    {
        return true;
    }
    if limited {
        give_both(trunk, own, run);
    }
    false
}

/// The credits of datagrams lie at `at`; those of bytes follow.
fn take_both(slot: Slot<'static>, at: usize, (datagrams, bytes): (u32, u32)) -> bool {
    if slot.atomic(at).fetch_sub(datagrams, Relaxed) as i32 <= 0 {
        slot.atomic(at).fetch_add(datagrams, Relaxed);
        return false;
    }
    if slot.atomic(at + 4).fetch_sub(bytes, Relaxed) as i32 > 0 {
        return true;
    }
    give_both(slot, at, (datagrams, bytes));
    false
}

fn give_both(slot: Slot<'static>, at: usize, (datagrams, bytes): (u32, u32)) {
    slot.atomic(at).fetch_add(datagrams, Relaxed);
    slot.atomic(at + 4).fetch_add(bytes, Relaxed);
}

const _: () = assert!(offset_of!(Trunk, relay_byte_credits) == offset_of!(Trunk, relay_datagram_credits) + 4);
const _: () =
    assert!(offset_of!(TablesHeader, relay_byte_credits) == offset_of!(TablesHeader, relay_datagram_credits) + 4);
