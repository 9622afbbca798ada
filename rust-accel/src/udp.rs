//! The worker's socket: its buffers, and receiving GRO trains (send.rs sends). One worker's alone; main opened the socket.
//!
//!   rxBuffer: message i at i × 64 KiB, its datagrams of `segmentBytes` end to end

use crate::engine::Engine;
use crate::layout::*;
use crate::tap::errno;
use core::mem::{offset_of, zeroed};

const UDP_GRO: i32 = 104;
pub const CONTROL_BYTES: usize = 128;
/// Bytes after which a receive batch ends: larger ones leave the cache and make others wait.
const RECEIVE_BUDGET_BYTES: u32 = 131_072;
/// A message below this is taken for a single datagram, and more are asked for at once.
const SMALL_MESSAGE_BYTES: u32 = 4096;
/// Datagrams that one message can hold (UDP_MAX_SEGMENTS).
pub const SEGMENTS_LIMIT: usize = 128;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub struct Control(pub [u8; CONTROL_BYTES]);

/// Message headers for recvmmsg and sendmmsg, made once.
pub struct Socket {
    pub headers: Vec<libc::mmsghdr>,
    pub vectors: Vec<libc::iovec>,
    controls: Vec<Control>,
    /// keySerial + 1 under which a lane's GSO sends were refused.
    pub gso_refused: Vec<u64>,
}

impl Socket {
    pub fn new() -> Socket {
        // SAFETY: these C structures are valid when all zero.
        let (header, vector) = unsafe { (zeroed::<libc::mmsghdr>(), zeroed::<libc::iovec>()) };
        Socket {
            headers: vec![header; SEGMENTS_LIMIT],
            vectors: vec![vector; SEGMENTS_LIMIT],
            controls: vec![Control([0; CONTROL_BYTES]); BATCH_MESSAGES],
            gso_refused: vec![0; LIMIT_LANES],
        }
    }
}

/// Receives until the socket is empty or the batch is full; lays an RxDatagram for each datagram.
pub fn receive(engine: &mut Engine) -> u32 {
    let mut messages = 0;
    let mut datagrams = 0;
    let mut bytes = 0;
    let mut ask = 1;
    let mut emptied = false;
    while messages < BATCH_MESSAGES && bytes < RECEIVE_BUDGET_BYTES {
        let room = (BATCH_RX_DATAGRAMS - datagrams) / SEGMENTS_LIMIT;
        let asked = ask.min(room).min(BATCH_MESSAGES - messages);
        if asked == 0 {
            break;
        }
        let got = receive_messages(engine, messages, asked);
        for index in messages..messages + got {
            datagrams = split(engine, index, datagrams);
            bytes += engine.arena.batch.messages[index].length;
        }
        messages += got;
        emptied = got < asked;
        if emptied {
            break;
        }
        let last = engine.arena.batch.messages[messages - 1].length;
        ask = if last < SMALL_MESSAGE_BYTES { BATCH_MESSAGES } else { 1 };
    }
    note_standing(engine, emptied, bytes + messages as u32 * MESSAGE_OVERHEAD_BYTES);
    let counters = &mut engine.arena.counters;
    counters.add(COUNTER_TRAINS_RECEIVED, messages as u32);
    counters.add(COUNTER_DATAGRAMS_RECEIVED, datagrams as u32);
    counters.add(COUNTER_DATAGRAM_BYTES_RECEIVED, bytes);
    datagrams as u32
}

/// How long a queue stands in the socket: what was received in a row without finding it empty.
fn note_standing(engine: &Engine, emptied: bool, bytes: u32) {
    let (header, field) = (engine.arena.header, offset_of!(ArenaHeader, standing_bytes));
    let standing = if emptied {
        0
    } else {
        header.get(field).saturating_add(bytes)
    };
    header.set(field, standing);
}

/// One recvmmsg into messages `first` …; returns how many came.
fn receive_messages(engine: &mut Engine, first: usize, asked: usize) -> usize {
    let fd = engine.arena.header.get(offset_of!(ArenaHeader, udp_fd)) as i32;
    if fd < 0 {
        return 0;
    }
    for index in 0..asked {
        let message = first + index;
        let offset = (ARENA_RX_BUFFER + message * BATCH_MESSAGE_BYTES) as u32;
        let socket = &mut engine.socket;
        socket.vectors[index] = libc::iovec {
            iov_base: engine.arena.data.pointer(offset, BATCH_MESSAGE_BYTES as u32).cast(),
            iov_len: BATCH_MESSAGE_BYTES,
        };
        let header = &mut socket.headers[index].msg_hdr;
        header.msg_name = engine.arena.batch.messages[message].address.as_mut_ptr().cast();
        header.msg_namelen = 28;
        header.msg_iov = &mut socket.vectors[index];
        header.msg_iovlen = 1;
        header.msg_control = socket.controls[index].0.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_BYTES as _;
        header.msg_flags = 0;
    }
    let headers = engine.socket.headers.as_mut_ptr();
    let got = loop {
        // SAFETY: each header points at memory that outlives the call, with its true length.
        let got = unsafe {
            libc::recvmmsg(
                fd,
                headers,
                asked as u32,
                libc::MSG_DONTWAIT as _,
                core::ptr::null_mut(),
            )
        };
        if got >= 0 || errno() != libc::EINTR {
            break usize::try_from(got).unwrap_or(0);
        }
    };
    for index in 0..got {
        describe(engine, index, first + index);
    }
    got
}

/// Fills an RxMessage in from what the kernel said of it.
fn describe(engine: &mut Engine, index: usize, message: usize) {
    let header = &engine.socket.headers[index];
    let entry = &mut engine.arena.batch.messages[message];
    entry.offset = (ARENA_RX_BUFFER + message * BATCH_MESSAGE_BYTES) as u32;
    entry.length = header.msg_len;
    entry.segment_bytes = header.msg_len.max(1);
    entry.address_bytes = header.msg_hdr.msg_namelen.min(28);
    entry.local_address = [0; 16];
    entry.address[entry.address_bytes as usize..].fill(0);
    // SAFETY: the header and its control buffer are those of the last recvmmsg; the macros stay within
    // msg_controllen, and each datum is read unaligned.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(&header.msg_hdr);
        while !control.is_null() {
            let data = libc::CMSG_DATA(control);
            match ((*control).cmsg_level, (*control).cmsg_type) {
                (libc::SOL_UDP, UDP_GRO) => {
                    entry.segment_bytes = data.cast::<i32>().read_unaligned().max(1) as u32;
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    entry.local_address[..4].copy_from_slice(&info.ipi_addr.s_addr.to_ne_bytes());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    entry.local_address = info.ipi6_addr.s6_addr;
                }
                _ => {}
            }
            control = libc::CMSG_NXTHDR(&header.msg_hdr, control);
        }
    }
}

/// Lays the datagrams of a message behind those before it.
fn split(engine: &mut Engine, message: usize, first: usize) -> usize {
    let entry = &engine.arena.batch.messages[message];
    let step = if entry.segment_bytes == 0 {
        entry.length
    } else {
        entry.segment_bytes
    };
    let mut index = first;
    let mut at = 0;
    // An empty datagram is one, and openLink drops it.
    while let Some(datagram) = engine.arena.batch.rx.get_mut(index) {
        datagram.offset = entry.offset + at;
        datagram.length = step.min(entry.length - at);
        datagram.message = message as u32;
        datagram.verdict = RX_DROPPED;
        index += 1;
        at += step;
        if at >= entry.length {
            break;
        }
    }
    index
}
