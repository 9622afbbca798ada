//! What a frame to a group address is, in a VLAN where multicast goes only to those who want it; the rules are in
//! dataplane/pipeline/snoop.ts.

use crate::engine::Engine;
use crate::frame_view::{FrameView, IPV6_DESTINATION, u16_at, upper_header};
use crate::layout::*;
use core::mem::offset_of;

/// What a frame to a group address speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A frame like any other.
    Data,
    /// Groups or routers: told to the main thread, and goes its way.
    Query,
    /// Who wants what: told to the main thread, and goes to those who want all groups.
    Report,
}

const IGMP: u8 = 2;
const ICMPV6: u8 = 58;
const PIM: u8 = 103;

/// First four bytes of an address, little-endian: 01:00:5e and 33:33 with what follows.
const IPV4_GROUP: u32 = 0x5e_0001;
const IPV4_GROUP_MASK: u32 = 0xff_ffff;
const IPV6_GROUP: u32 = 0x3333;
const IPV6_GROUP_MASK: u32 = 0xffff;
const IPV6_LINK_LOCAL: u16 = 0xff02;

/// The role of the frame that was parsed into `view`.
pub fn role(bytes: &[u8], view: &FrameView) -> Role {
    let Some((protocol, at)) = upper_header(bytes, view) else {
        return Role::Data;
    };
    if protocol == PIM {
        return Role::Query;
    }
    if at >= view.payload_end {
        return Role::Data;
    }
    match (view.ip_version, protocol, bytes[at]) {
        (4, IGMP, 0x11) | (6, ICMPV6, 130) => Role::Query,
        (4, IGMP, 0x12 | 0x16 | 0x17 | 0x22) | (6, ICMPV6, 131 | 132 | 143) => Role::Report,
        _ => Role::Data,
    }
}

/// Whether a frame goes only to those who want its group.
pub fn is_pruned(bytes: &[u8], view: &FrameView, (low, high): (u32, u32)) -> bool {
    match view.ip_version {
        4 => low & IPV4_GROUP_MASK == IPV4_GROUP && !(low >> 24 == 0 && high & 0xff == 0),
        6 => {
            low & IPV6_GROUP_MASK == IPV6_GROUP && u16_at(bytes, view.network + IPV6_DESTINATION) != IPV6_LINK_LOCAL
        }
        _ => false,
    }
}

/// Copies a frame for the main thread, unless the batch's room is used up: it speaks again.
pub fn snoop(engine: &mut Engine, index: usize) {
    let FrameDescriptor {
        vlan, offset, length, ..
    } = engine.arena.batch.frames[index];
    let header = engine.arena.header;
    let count = header.get(offset_of!(ArenaHeader, snooped_count)) as usize;
    let place = match count.checked_sub(1) {
        None => ARENA_SNOOP_BUFFER as u32,
        Some(last) => engine.arena.batch.snooped[last].offset + engine.arena.batch.snooped[last].length,
    };
    let room = (place + length) as usize <= ARENA_SNOOP_BUFFER + BATCH_SNOOPED_BYTES;
    if count == BATCH_SNOOPED || !room {
        return;
    }
    engine.arena.data.copy(offset, place, length);
    let entry = &mut engine.arena.batch.snooped[count];
    (entry.vlan, entry.offset, entry.length) = (vlan, place, length);
    header.set(offset_of!(ArenaHeader, snooped_count), count as u32 + 1);
    engine.arena.counters.add(COUNTER_FRAMES_SNOOPED, 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame_view::parse;

    /// An IPv4 frame with options of `options` bytes, which an IGMP message has.
    fn igmp(kind: u8, options: usize) -> Vec<u8> {
        let mut frame = vec![0; 14 + 20 + options + 8];
        frame[..4].copy_from_slice(&[1, 0, 0x5e, 1]);
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = 0x45 + (options / 4) as u8;
        frame[17] = (20 + options + 8) as u8;
        frame[23] = IGMP;
        frame[34 + options] = kind;
        frame
    }

    #[test]
    fn igmp_is_known_by_its_type_behind_options_too() {
        for (kind, expected) in [
            (0x11, Role::Query),
            (0x16, Role::Report),
            (0x22, Role::Report),
            (0x13, Role::Data),
        ] {
            for options in [0, 4] {
                let frame = igmp(kind, options);
                assert_eq!(role(&frame, &parse(&frame)), expected);
            }
        }
    }

    #[test]
    fn a_message_that_is_cut_off_is_data() {
        let mut frame = igmp(0x16, 0);
        frame[17] = 20;
        assert_eq!(role(&frame, &parse(&frame)), Role::Data);
        frame.truncate(30);
        assert_eq!(role(&frame, &parse(&frame)), Role::Data);
    }

    #[test]
    fn link_local_groups_and_what_is_no_ip_are_not_pruned() {
        let frame = igmp(0x13, 0);
        let view = parse(&frame);
        assert!(is_pruned(&frame, &view, (0x015e_0001, 0x0000)));
        assert!(is_pruned(&frame, &view, (0x005e_0001, 0x0001)));
        assert!(!is_pruned(&frame, &view, (0x005e_0001, 0xfb00)));
        assert!(!is_pruned(&frame, &view, (0xffff_ffff, 0xffff)));
        assert!(!is_pruned(&frame, &FrameView::default(), (0x015e_0001, 0)));
    }
}
