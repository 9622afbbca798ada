//! The whole path in Rust alone: what one node's egress makes, the other's ingress takes, and nobody else's work passes.
//! The comparison with the TypeScript engine is test/differential's.

use crate::checksum::{add_sums, pseudo_header_sum, sum_bytes, transport_checksum_holds, write_ipv4_checksum};
use crate::engine::Engine;
use crate::fixture::*;
use crate::frame_view::*;
use crate::layout::*;
use crate::window::Seen;
use crate::{classify, close_link, coalesce, forward, learn, open_frame, open_link, seal, segment, train};
use core::mem::offset_of;
use proptest::prelude::*;
use std::cell::RefCell;

const HEADERS: usize = 14 + 20 + 20;

/// A TCP frame from the first node to the second.
fn tcp_frame(payload: &[u8], flags: u8) -> Vec<u8> {
    let mut frame = vec![0; HEADERS];
    frame[..6].copy_from_slice(&MACS[1]);
    frame[6..12].copy_from_slice(&MACS[0]);
    frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
    set_u16(&mut frame, 16, (40 + payload.len()) as u16);
    set_u16(&mut frame, 20, 0x4000);
    frame[22..24].copy_from_slice(&[64, TCP]);
    frame[26..34].copy_from_slice(&[10, 7, 0, 1, 10, 7, 0, 2]);
    write_ipv4_checksum(&mut frame, 14, 20);
    set_u32(&mut frame, 34, 0x1388_1389);
    set_u32(&mut frame, 38, 0xffff_f000);
    frame[46..48].copy_from_slice(&[0x50, flags]);
    set_u16(&mut frame, 48, 500);
    frame.extend_from_slice(payload);
    frame
}

fn send(engine: &mut Engine) -> Vec<Vec<u8>> {
    classify::classify(engine, 1);
    assert_eq!(segment::segment(engine, 0, 1), 1);
    let count = engine.arena.header.get(offset_of!(ArenaHeader, tx_datagram_count));
    seal::seal(engine, count);
    for index in 0..train::train(engine, count) {
        assert_eq!(close_link::close_link(engine, index), DROP_NONE);
    }
    datagrams(engine, count)
}

fn receive<'a>(engine: &mut Engine, datagrams: impl IntoIterator<Item = &'a [u8]>) -> (u32, u32) {
    let count = put_datagrams(engine, datagrams);
    open_link::open_link(engine, count, CARRIER_UDP);
    forward::forward(engine, count);
    open_frame::open_frame(engine, count);
    learn::learn(engine, count);
    (count, coalesce::coalesce(engine, count))
}

/// What write `index` gives to the TAP.
fn written(engine: &Engine, index: usize) -> Vec<u8> {
    let write = &engine.arena.batch.writes[index];
    let first = write.iovec_first as usize;
    engine.arena.batch.iovecs[first..first + write.iovec_count as usize]
        .iter()
        .flat_map(|piece| engine.arena.data.look(piece.offset, piece.length))
        .copied()
        .collect()
}

thread_local! {
    static PAIR: RefCell<[Engine; 2]> = RefCell::new(pair());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_super_frame_crosses_as_one_and_whole(
        payload in proptest::collection::vec(any::<u8>(), 2_000..60_000),
        gso_size in 500u32..1460,
        push in any::<bool>(),
    ) {
        PAIR.with_borrow_mut(|[left, right]| {
            let flags = TCP_ACK | if push { TCP_PSH } else { 0 };
            let frame = tcp_frame(&payload, flags);
            put_frame(left, &frame, (1 | 1 << 8, gso_size), (34, 16));
            let sent = send(left);
            prop_assert!(sent.len() > 1 && sent.iter().all(|datagram| datagram.len() <= 1472));
            let (_, writes) = receive(right, sent.iter().map(Vec::as_slice));
            prop_assert_eq!(writes, 1);
            let write = &right.arena.batch.writes[0];
            prop_assert_eq!(write.virtio[0], 1);
            let mut out = written(right, 0);
            let view = parse(&out);
            prop_assert_eq!(u16_at(&out, 50), pseudo_header_sum(&out, &view, TCP, out.len() - 34));
            set_u16(&mut out, 50, 0);
            prop_assert_eq!(out, frame);
            Ok(())
        })?;
    }

    #[test]
    fn a_plain_oversize_segment_is_cut_into_pieces_whose_checksums_hold(
        payload in proptest::collection::vec(any::<u8>(), 1_380..1_460),
    ) {
        PAIR.with_borrow_mut(|[left, _]| {
            let mut frame = tcp_frame(&payload, TCP_ACK | TCP_PSH | TCP_FIN);
            let view = parse(&frame);
            let sum = add_sums(
                pseudo_header_sum(&frame, &view, TCP, frame.len() - 34),
                sum_bytes(&frame[34..]),
            );
            set_u16(&mut frame, 50, !sum);
            put_frame(left, &frame, (0, 0), (0, 0));
            classify::classify(left, 1);
            segment::segment(left, 0, 1);
            let count = left.arena.header.get(offset_of!(ArenaHeader, tx_datagram_count));
            let mut stream = Vec::new();
            for datagram in datagrams(left, count) {
                let piece = &datagram[48..datagram.len() - 16];
                let view = parse(piece);
                prop_assert!(transport_checksum_holds(piece, &view));
                stream.extend_from_slice(&piece[view.payload..]);
            }
            prop_assert_eq!(stream, payload);
            Ok(())
        })?;
    }

    #[test]
    fn no_changed_header_bit_is_forwarded_and_none_touches_the_window(bit in 0usize..256) {
        PAIR.with_borrow_mut(|[left, right]| {
            put_frame(left, &tcp_frame(&[7; 100], TCP_ACK), (0, 0), (0, 0));
            let sent = send(left);
            let lane = right.tables.lane(LANES[1]).unwrap();
            let window = |engine: &Engine| {
                let lane = engine.tables.lane(LANES[1]).unwrap();
                open_link::lane_window(engine, lane, LANES[1]).highest
            };
            let before = (window(right), lane.f64(offset_of!(Lane, rx_accepted)));
            let mut forged = sent[0].clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let count = put_datagrams(right, [forged.as_slice()]);
            open_link::open_link(right, count, CARRIER_UDP);
            forward::forward(right, count);
            prop_assert_eq!(right.arena.batch.rx[0].verdict, RX_DROPPED);
            prop_assert_eq!((window(right), lane.f64(offset_of!(Lane, rx_accepted))), before);
            prop_assert_eq!(receive(right, [sent[0].as_slice()]).1, 1);
            prop_assert_eq!(receive(right, [sent[0].as_slice()]).1, 0, "a replay");
            Ok(())
        })?;
    }
}

#[test]
fn a_probe_with_a_spliced_body_leaves_the_genuine_one_its_counter() {
    PAIR.with_borrow_mut(|[left, right]| {
        let probe = |engine: &mut Engine, fill: u8| {
            let lane = engine.tables.lane(LANES[0]).unwrap();
            lane.set(offset_of!(Lane, carrier), CARRIER_STREAM);
            engine.arena.data.at(ARENA_SCRATCH as u32 + 48, 64).fill(fill);
            let length = close_link::send_link(engine, LANES[0], 64);
            lane.set(offset_of!(Lane, carrier), CARRIER_UDP);
            engine.arena.data.look(ARENA_TX_BUFFER as u32, length).to_vec()
        };
        let (first, second) = (probe(left, 1), probe(left, 2));
        let spliced = [&second[..32], &first[32..]].concat();
        for (datagram, verdict) in [(&spliced, RX_DROPPED), (&second, RX_PUNTED), (&second, RX_DROPPED)] {
            let count = put_datagrams(right, [datagram.as_slice()]);
            open_link::open_link(right, count, CARRIER_UDP);
            forward::forward(right, count);
            assert_eq!(right.arena.batch.rx[0].verdict, verdict);
        }
        let body = &right.arena.batch.rx[0];
        assert_eq!(body.frame_length, 64);
    });
}

#[test]
fn a_window_says_new_once() {
    PAIR.with_borrow_mut(|[_, right]| {
        let window = right.tables.sender_window(77, 1);
        assert_eq!(crate::window::insert_sender(window, 5), Seen::New);
        assert_eq!(crate::window::insert_sender(window, 5), Seen::Replay);
        assert_eq!(
            crate::window::insert_sender(right.tables.sender_window(77, 0), 5),
            Seen::New
        );
    });
}

/// Protocol section 3: 10^8 forgeries against 2^20 tokens, many with equal prefixes. Minutes long:
/// `cargo test --release --features long-tests -- --ignored forgeries`.
#[cfg(feature = "long-tests")]
#[test]
#[ignore = "runs for minutes"]
fn forgeries_never_hit_a_full_token_table() {
    const TOKENS: u32 = 1 << 20;
    const FORGERIES: u64 = 100_000_000;
    const BATCH: usize = 1024;
    let mut engine = empty_engine(2 * TOKENS);
    write_lane(&engine.tables, 1);
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for index in 0..TOKENS {
        // Half of them differ in their last bytes only.
        let mut token = if index % 2 == 0 { [0x55; 16] } else { [0; 16] };
        if index % 2 == 1 {
            token[..8].copy_from_slice(&random().to_le_bytes());
        }
        token[12..].copy_from_slice(&index.to_le_bytes());
        insert_token(&engine.tables, token, 2 * TOKENS, TOKEN_LOCAL);
    }
    let mut datagram = vec![0u8; BATCH * 64];
    let mut done = 0u64;
    while done < FORGERIES {
        for forged in datagram.chunks_exact_mut(64) {
            for word in forged.chunks_exact_mut(8) {
                word.copy_from_slice(&random().to_le_bytes());
            }
            forged[0] = 0x11;
            forged[4..8].copy_from_slice(&(0x4321u32 << 13 | 9).to_le_bytes());
            forged[8..16].copy_from_slice(&(random() >> 25).to_le_bytes());
        }
        let count = put_datagrams(&mut engine, datagram.chunks_exact(64));
        open_link::open_link(&mut engine, count, CARRIER_UDP);
        forward::forward(&mut engine, count);
        assert!(
            engine.arena.batch.rx[..BATCH]
                .iter()
                .all(|entry| entry.verdict == RX_DROPPED)
        );
        done += BATCH as u64;
    }
    let lane = engine.tables.lane(LANES[1]).unwrap();
    assert_eq!(lane.f64(offset_of!(Lane, rx_accepted)), 0.0);
    assert_eq!(lane.get(offset_of!(Lane, rx_highest_low)), 0);
}
