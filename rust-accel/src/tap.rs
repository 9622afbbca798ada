//! Reading and writing TAP queues: a legacy virtio_net_hdr, then the Ethernet frame. One worker's alone.
//!
//!   tapBuffer: │ virtio header 10 │ frame ┬ virtio header 10 │ frame ┬ …   each place starts on 16 bytes

use crate::engine::Engine;
use crate::layout::*;
use core::mem::size_of;

const VIRTIO: u32 = VIRTIO_HEADER_BYTES;
const PLACE_ALIGNMENT: u32 = 16;
/// Pieces of one write; the kernel's UIO_MAXIOV less the virtio header.
const PIECES: usize = 1024;

/// Reads a TAP queue until it is empty, 64 frames are read, or 64 KiB are over.
pub fn read_tap(engine: &mut Engine, queue: u32) -> u32 {
    let Some(fd) = engine.arena.tap_fd(queue) else { return 0 };
    let vlan = queue % LIMIT_VLANS as u32;
    let mut count = 0usize;
    let mut offset = ARENA_TAP_BUFFER as u32;
    let mut total = 0u32;
    while count < BATCH_FRAMES && offset < (ARENA_TAP_BUFFER + BATCH_TAP_BUDGET_BYTES) as u32 {
        let room = (ARENA_TAP_BUFFER + MAP_TAP_BUFFER_BYTES) as u32 - offset;
        let place = engine.arena.data.pointer(offset, room);
        // SAFETY: the range was checked by `pointer`.
        let read = unsafe { libc::read(fd, place.cast(), room as usize) };
        if read < 0 {
            match errno() {
                libc::EAGAIN => break,
                libc::EINTR => continue,
                _ => fail_read(engine, fd),
            }
            break;
        }
        // A read shorter than its own header cannot come from a TAP.
        let Some(length @ 1..) = (read as u32).checked_sub(VIRTIO) else {
            break;
        };
        describe(engine, count, offset, length, vlan);
        count += 1;
        total += length;
        offset += (VIRTIO + length).next_multiple_of(PLACE_ALIGNMENT);
    }
    engine.arena.counters.add(COUNTER_TAP_FRAMES_READ, count as u32);
    engine.arena.counters.add(COUNTER_TAP_BYTES_READ, total);
    count as u32
}

#[cold]
fn fail_read(engine: &mut Engine, fd: i32) {
    engine.arena.counters.drop(DROP_TAP_READ_FAILED);
    engine.waiter.forget(fd);
}

#[inline]
fn describe(engine: &mut Engine, index: usize, offset: u32, length: u32, vlan: u32) {
    let header = engine.arena.data.at(offset, VIRTIO);
    let half = |at: usize| u32::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let frame = &mut engine.arena.batch.frames[index];
    frame.offset = offset + VIRTIO;
    frame.length = length;
    frame.vlan = vlan;
    frame.virtio_flags = half(0);
    frame.gso_size = half(4);
    frame.csum_start = half(6);
    frame.csum_offset = half(8);
}

/// Room for one write's pieces; an engine keeps it, since clearing it costs as much as a small frame.
pub fn pieces() -> Vec<libc::iovec> {
    let empty = libc::iovec {
        iov_base: core::ptr::null_mut(),
        iov_len: 0,
    };
    vec![empty; PIECES]
}

/// Writes TapWrite 0 … count-1 to this worker's queues.
pub fn write_tap(engine: &mut Engine, count: u32) {
    for index in 0..count as usize {
        let code = write_one(engine, index);
        let write = &engine.arena.batch.writes[index];
        if code == DROP_NONE {
            engine.arena.counters.add(COUNTER_TAP_FRAMES_WRITTEN, 1);
            engine.arena.counters.add(COUNTER_TAP_BYTES_WRITTEN, write.length);
        } else {
            engine.arena.counters.drops(code, write.datagrams);
        }
    }
}

fn write_one(engine: &mut Engine, index: usize) -> u32 {
    let pieces = &mut engine.pieces;
    let write = &mut engine.arena.batch.writes[index];
    let Some(iovecs) = engine
        .arena
        .batch
        .iovecs
        .get(write.iovec_first as usize..(write.iovec_first + write.iovec_count) as usize)
        .filter(|iovecs| iovecs.len() < PIECES)
    else {
        return DROP_TAP_WRITE_FAILED;
    };
    pieces[0] = libc::iovec {
        iov_base: write.virtio.as_mut_ptr().cast(),
        iov_len: VIRTIO as usize,
    };
    for (piece, iovec) in pieces[1..].iter_mut().zip(iovecs) {
        *piece = libc::iovec {
            iov_base: engine.arena.data.pointer(iovec.offset, iovec.length).cast(),
            iov_len: iovec.length as usize,
        };
    }
    let used = 1 + iovecs.len();
    let write = &engine.arena.batch.writes[index];
    let queue = engine.arena.queue_for(write.vlan, write.flow_hash);
    let Some(fd) = engine.arena.tap_fd(queue) else {
        return DROP_NO_INTERFACE;
    };
    loop {
        // SAFETY: each piece is a checked range of the arena, alive for the call.
        if unsafe { libc::writev(fd, pieces.as_ptr(), used as i32) } >= 0 {
            return DROP_NONE;
        }
        match errno() {
            libc::EINTR => {}
            libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => return DROP_TAP_WRITE_FULL,
            _ => return DROP_TAP_WRITE_FAILED,
        }
    }
}

/// The last system call's error.
pub fn errno() -> i32 {
    // SAFETY: errno is always readable.
    unsafe { *libc::__errno_location() }
}

const _: () = assert!(size_of::<Iovec>() == 8);
