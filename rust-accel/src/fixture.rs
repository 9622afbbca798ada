//! Two nodes of one VLAN with a trunk between them, for the tests of the stages: test/harness/dataplane-fixture.ts in
//! small. Each engine owns memory of its own, which is never given back: a test process is short.

use crate::arena::Arena;
use crate::engine::Engine;
use crate::hash::table_hash;
use crate::layout::*;
use crate::tables::{Slot, Tables, words_of};
use core::mem::{offset_of, size_of};

const HASH_KEY: (u32, u32) = (11, 22);
/// Lane slots and receiver indexes of the two sides.
pub const LANES: [u32; 2] = [5, 9];
const INDEXES: [u32; 2] = [0x1234 << 13 | 5, 0x4321 << 13 | 9];
pub const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
const TOKEN_KEY: [u8; 32] = [0x11; 32];
const SEGMENT: [u8; 16] = [0x22; 16];
const PERIOD: u32 = 494_000;
pub const NOW_MS: u32 = 1_000_000;

fn zeroed(bytes: usize) -> *mut u8 {
    vec![0u64; bytes.div_ceil(8)].leak().as_mut_ptr().cast()
}

/// An engine over empty tables of `token_capacity` slots.
pub fn empty_engine(token_capacity: u32) -> Engine {
    let bytes = TABLE_TOKENS + token_capacity as usize * size_of::<Token>();
    let (tables, arena) = (zeroed(bytes), zeroed(MAP_ARENA_BYTES));
    // SAFETY: both are fresh, 8-aligned and live as long as the process.
    unsafe {
        let header = tables.cast::<TablesHeader>();
        (*header).magic = TABLES_MAGIC;
        (*header).digest = LAYOUT_DIGEST;
        (*header).worker_count = 1;
        (*header).token_capacity = token_capacity;
        ((*header).hash_key0, (*header).hash_key1) = HASH_KEY;
        let header = arena.cast::<ArenaHeader>();
        (*header).magic = ARENA_MAGIC;
        (*header).digest = LAYOUT_DIGEST;
        (*header).udp_fd = -1;
        (*header).wake_fd = -1;
        (*header).offloads = OFFLOAD_TAP_TSO;
        (*header).gso_segments = 64;
        (*header).now_ms = NOW_MS;
        Engine::new(
            Tables::new(tables, bytes).unwrap(),
            Arena::new(arena, MAP_ARENA_BYTES).unwrap(),
        )
    }
}

fn put(slot: Slot<'static>, offset: usize, bytes: &[u8]) {
    for (index, word) in bytes.chunks_exact(4).enumerate() {
        slot.set(offset + 4 * index, u32::from_le_bytes(word.try_into().unwrap()));
    }
}

/// Enters a token where look-ups will find it.
pub fn insert_token(tables: &Tables, token: [u8; 16], capacity: u32, flags: u32) {
    let mut slot = table_hash(HASH_KEY, &words_of(&token)) & (capacity - 1);
    while tables.token(slot).get(offset_of!(Token, state)) != SLOT_EMPTY {
        slot = (slot + 1) & (capacity - 1);
    }
    let entry = tables.token(slot);
    put(entry, offset_of!(Token, token), &token);
    entry.set(offset_of!(Token, flags), flags);
    entry.set(offset_of!(Token, set), NONE);
    entry.set(offset_of!(Token, segment), NONE);
    entry.set(offset_of!(Token, state), SLOT_LIVE);
}

/// A token of the pair's epoch.
pub fn token(kind: u32, value: &[u8]) -> [u8; 16] {
    crate::token::token((&TOKEN_KEY, &SEGMENT), (PERIOD, kind as u8), value)
}

/// The lane between the two sides, as side `own` has it.
pub fn write_lane(tables: &Tables, own: usize) {
    let peer = 1 - own;
    let lane = tables.lane(LANES[own]).unwrap();
    let keys = |side: usize| -> [u8; 128] { core::array::from_fn(|index| (index + 100 * side) as u8) };
    put(lane, offset_of!(Lane, rx_keys), &keys(peer));
    put(lane, offset_of!(Lane, tx_keys), &keys(own));
    put(lane, offset_of!(Lane, rx_link_token), &[0xa0 + peer as u8; 16]);
    put(lane, offset_of!(Lane, tx_link_token), &[0xa0 + own as u8; 16]);
    lane.set(offset_of!(Lane, state), LANE_SENDS);
    lane.set(offset_of!(Lane, carrier), CARRIER_UDP);
    lane.set(offset_of!(Lane, local_index), INDEXES[own]);
    lane.set(offset_of!(Lane, peer_index), INDEXES[peer]);
    lane.set(offset_of!(Lane, not_after_ms), NOW_MS + 180_000);
    lane.set(offset_of!(Lane, key_serial), 7);
}

/// Both sides, with stations, keys, senders and tokens.
pub fn pair() -> [Engine; 2] {
    [0, 1].map(|own| {
        let engine = empty_engine(1024);
        write_lane(&engine.tables, own);
        write_segment(&engine.tables, own);
        write_stations(&engine.tables, own);
        engine
    })
}

fn write_segment(tables: &Tables, own: usize) {
    let vlan = tables.vlan(0).unwrap();
    vlan.set(offset_of!(Vlan, state), 1);
    vlan.set(offset_of!(Vlan, mtu_bytes), 1500);
    vlan.set(offset_of!(Vlan, flood_hops), INITIAL_HOPS);
    let epoch = tables.epoch(0).unwrap();
    epoch.set(offset_of!(Epoch, state), 1);
    put(epoch, offset_of!(Epoch, mask_key), &[0x77; 32]);
    put(epoch, offset_of!(Epoch, token_key), &TOKEN_KEY);
    put(epoch, offset_of!(Epoch, segment), &SEGMENT);
    epoch.set(offset_of!(Epoch, period), PERIOD);
    epoch.set(offset_of!(Epoch, serial), 1);
    let set = tables.set(0).unwrap();
    set.set(offset_of!(ForwardSet, count), 1);
    let trunk = tables.trunk(0).unwrap();
    trunk.set(offset_of!(Trunk, state), 1);
    trunk.set(offset_of!(Trunk, datagram_mtu_bytes), 1472);
    trunk.set(offset_of!(Trunk, carrier), CARRIER_UDP);
    trunk.set(offset_of!(Trunk, lane_count), 1);
    trunk.set(offset_of!(Trunk, lanes), LANES[own]);
    for (slot, side, salt) in [(0, own, 0), (1, own, 0), (16, 1 - own, NONE), (17, 1 - own, NONE)] {
        let key = tables.frame_key(slot).unwrap();
        put(key, offset_of!(FrameKey, key), &[(slot & 1) as u8 + 2 * side as u8; 32]);
        key.set(offset_of!(FrameKey, cipher), CIPHER_AES_256_GCM);
        key.set(offset_of!(FrameKey, salt), salt);
        key.set(offset_of!(FrameKey, state), 1);
    }
    let salt = tables.salt(0).unwrap();
    salt.set(offset_of!(Salt, state), 1);
    salt.set(offset_of!(Salt, leaf_lane), 0xa1 + own as u32);
    salt.set(offset_of!(Salt, salt_low), 0xdead_beef);
}

fn write_stations(tables: &Tables, own: usize) {
    let peer = 1 - own;
    for (side, flags) in [(own, STATION_LOCAL | STATION_ENFORCED), (peer, STATION_REMOTE)] {
        let (low, high) = crate::learn::mac_words(&MACS[side]);
        let station = tables.station(table_hash(HASH_KEY, &[0, low, high]) & (LIMIT_STATIONS as u32 - 1));
        station.set(offset_of!(Station, mac_low), low);
        station.set(offset_of!(Station, mac_high), high);
        station.set(offset_of!(Station, flags), flags);
        station.set(offset_of!(Station, route), 1);
        station.set(offset_of!(Station, state), SLOT_LIVE);
    }
    let name = [0xa1 + peer as u32, 0xdead_beef, 0];
    let home = table_hash(HASH_KEY, &[0, name[0], name[1], name[2]]) & (LIMIT_RX_SENDERS as u32 - 1);
    let sender = tables.rx_sender(home);
    sender.set(offset_of!(RxSender, leaf_lane), name[0]);
    sender.set(offset_of!(RxSender, salt_low), name[1]);
    sender.set(offset_of!(RxSender, group_key), 16);
    sender.set(offset_of!(RxSender, pair_key), 17);
    sender.set(offset_of!(RxSender, state), SLOT_LIVE);
    insert_token(tables, token(TOKEN_KIND_STATION, &MACS[own]), 1024, TOKEN_LOCAL);
    insert_token(tables, token(TOKEN_KIND_BROADCAST, &[]), 1024, TOKEN_LOCAL);
}

/// Puts a frame into the TAP buffer as frame 0.
pub fn put_frame(engine: &mut Engine, bytes: &[u8], (flags, gso_size): (u32, u32), csum: (u32, u32)) {
    let offset = ARENA_TAP_BUFFER as u32 + VIRTIO_HEADER_BYTES;
    engine.arena.data.at(offset, bytes.len() as u32).copy_from_slice(bytes);
    let frame = &mut engine.arena.batch.frames[0];
    frame.offset = offset;
    frame.length = bytes.len() as u32;
    frame.vlan = 0;
    frame.virtio_flags = flags;
    frame.gso_size = gso_size;
    (frame.csum_start, frame.csum_offset) = csum;
}

/// Puts datagrams into the receive buffer, one after another.
pub fn put_datagrams<'a>(engine: &mut Engine, datagrams: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut offset = ARENA_RX_BUFFER as u32;
    let mut count = 0;
    for bytes in datagrams {
        engine.arena.data.at(offset, bytes.len() as u32).copy_from_slice(bytes);
        let datagram = &mut engine.arena.batch.rx[count];
        datagram.offset = offset;
        datagram.length = bytes.len() as u32;
        datagram.verdict = RX_DROPPED;
        offset += bytes.len() as u32;
        count += 1;
    }
    count as u32
}

/// The bytes of datagrams 0 … count-1 to be sent.
pub fn datagrams(engine: &Engine, count: u32) -> Vec<Vec<u8>> {
    engine.arena.batch.tx[..count as usize]
        .iter()
        .map(|datagram| engine.arena.data.look(datagram.offset, datagram.length).to_vec())
        .collect()
}
