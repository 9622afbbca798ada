//! Sending on the worker's socket: a GSO train by one call, or datagram by datagram. One worker's alone.
//!
//! A train that the kernel refuses as a GSO send (EIO or EINVAL: some routes and drivers cannot) goes again datagram
//! by datagram, byte for byte, and its lane stays with that until its keys change.

use crate::engine::Engine;
use crate::layout::*;
use crate::tables::Slot;
use crate::tap::errno;
use crate::udp::{CONTROL_BYTES, Control, SEGMENTS_LIMIT};
use core::mem::{offset_of, size_of};

const UDP_SEGMENT: i32 = 103;
/// How long a full socket is waited for, once.
const SEND_WAIT_MS: i32 = 2;

/// Where a datagram goes, and from which of our addresses.
struct Route {
    fd: i32,
    address: [u8; 28],
    address_bytes: u32,
    control: Control,
    control_bytes: usize,
}

impl Route {
    fn new(header: Slot<'static>, address: [u8; 28], address_bytes: u32, source: [u8; 16]) -> Route {
        let mut route = Route {
            fd: header.get(offset_of!(ArenaHeader, udp_fd)) as i32,
            address,
            address_bytes: address_bytes.min(28),
            control: Control([0; CONTROL_BYTES]),
            control_bytes: 0,
        };
        if source == [0; 16] {
            return route;
        }
        if header.get(offset_of!(ArenaHeader, ipv6)) == 1 {
            // struct in6_pktinfo: address, interface index 0 (any).
            let mut info = [0; 20];
            info[..16].copy_from_slice(&source);
            route.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
        } else {
            // struct in_pktinfo: interface index 0 (any), source address, destination (ignored).
            let mut info = [0; 12];
            info[4..8].copy_from_slice(&source[..4]);
            route.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        }
        route
    }

    /// Appends a control message.
    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let header = size_of::<libc::cmsghdr>();
        let at = self.control_bytes;
        let place = &mut self.control.0[at..];
        place[..size_of::<usize>()].copy_from_slice(&(header + data.len()).to_ne_bytes());
        place[header - 8..header - 4].copy_from_slice(&level.to_ne_bytes());
        place[header - 4..header].copy_from_slice(&kind.to_ne_bytes());
        place[header..header + data.len()].copy_from_slice(data);
        self.control_bytes = at + header + data.len().next_multiple_of(8);
    }

    fn fill(&mut self, header: &mut libc::msghdr, vector: &mut libc::iovec) {
        header.msg_name = self.address.as_mut_ptr().cast();
        header.msg_namelen = self.address_bytes;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_control = if self.control_bytes == 0 {
            core::ptr::null_mut()
        } else {
            self.control.0.as_mut_ptr().cast()
        };
        header.msg_controllen = self.control_bytes as _;
        header.msg_flags = 0;
    }
}

/// Sends a closed train to its lane's address.
pub fn send(engine: &mut Engine, train: u32) {
    let Some(train) = engine.arena.batch.trains.get(train as usize) else {
        return;
    };
    let (first, count, bytes) = (train.first as usize, train.count as usize, train.bytes);
    let slot = train.lane;
    let found = engine.tables.lane(slot);
    let Some((lane, route)) = found.and_then(|lane| Some((lane, lane_route(engine, lane)?))) else {
        engine.arena.counters.drops(DROP_LANE_DOWN, count as u32);
        return;
    };
    engine.arena.counters.add(COUNTER_TRAINS_SENT, 1);
    let incarnation = u64::from(lane.get(offset_of!(Lane, key_serial))) + 1;
    if count == 1 || engine.socket.gso_refused[slot as usize] == incarnation {
        send_each(engine, route, (first, count));
    } else if !send_segmented(engine, route, (first, count), bytes) {
        engine.socket.gso_refused[slot as usize] = incarnation;
    }
}

/// The route to a lane's own address; None when it has none or is being written.
fn lane_route(engine: &Engine, lane: Slot<'static>) -> Option<Route> {
    let (address, address_bytes, source) = lane.stable(|| {
        (
            lane.bytes(offset_of!(Lane, address)),
            lane.get(offset_of!(Lane, address_bytes)),
            lane.bytes(offset_of!(Lane, source_address)),
        )
    })?;
    (1..=28)
        .contains(&address_bytes)
        .then(|| Route::new(engine.arena.header, address, address_bytes, source))
}

/// One sendmsg with UDP_SEGMENT; sends single datagrams and returns false when the route refuses it.
fn send_segmented(engine: &mut Engine, route: Route, (first, count): (usize, usize), bytes: u32) -> bool {
    let offset = engine.arena.batch.tx[first].offset;
    let size = engine.arena.batch.tx[first].length as u16;
    let mut segmented = Route { ..route };
    segmented.push(libc::SOL_UDP, UDP_SEGMENT, &size.to_ne_bytes());
    engine.socket.vectors[0] = libc::iovec {
        iov_base: engine.arena.data.pointer(offset, bytes).cast(),
        iov_len: bytes as usize,
    };
    segmented.fill(&mut engine.socket.headers[0].msg_hdr, &mut engine.socket.vectors[0]);
    match send_messages(engine, segmented.fd, 0, 1) {
        Ok(_) => sent(engine, count as u32, bytes),
        Err(libc::EIO | libc::EINVAL) => {
            engine.arena.counters.add(COUNTER_GSO_FALLBACKS, 1);
            segmented.control_bytes -= size_of::<libc::cmsghdr>() + 8;
            send_each(engine, segmented, (first, count));
            return false;
        }
        Err(error) => engine.arena.counters.drops(refusal(error), count as u32),
    }
    true
}

/// sendmmsg, a datagram a message; a refused one is counted and the rest go on.
fn send_each(engine: &mut Engine, mut route: Route, (first, count): (usize, usize)) {
    let mut done = 0;
    while done < count {
        let chunk = (count - done).min(SEGMENTS_LIMIT);
        for index in 0..chunk {
            let datagram = &engine.arena.batch.tx[first + done + index];
            engine.socket.vectors[index] = libc::iovec {
                iov_base: engine.arena.data.pointer(datagram.offset, datagram.length).cast(),
                iov_len: datagram.length as usize,
            };
            route.fill(
                &mut engine.socket.headers[index].msg_hdr,
                &mut engine.socket.vectors[index],
            );
        }
        let mut at = 0;
        while at < chunk {
            match send_messages(engine, route.fd, at, chunk - at) {
                Ok(accepted) => {
                    let range = first + done + at..first + done + at + accepted;
                    let bytes = engine.arena.batch.tx[range]
                        .iter()
                        .map(|datagram| datagram.length)
                        .sum();
                    sent(engine, accepted as u32, bytes);
                    at += accepted;
                }
                Err(error) if refusal(error) == DROP_SEND_FULL => {
                    engine.arena.counters.drops(DROP_SEND_FULL, (count - done - at) as u32);
                    return;
                }
                Err(_) => {
                    engine.arena.counters.drop(DROP_SEND_FAILED);
                    at += 1;
                }
            }
        }
        done += chunk;
    }
}

/// Sends one closed datagram to an endpoint (contract/ring-message.ts), or to the lane's address when it names none.
pub fn send_to(engine: &mut Engine, lane: Slot<'static>, endpoint: &[u8; 48], offset: u32, length: u32) {
    let named = u32::from_le_bytes([endpoint[28], endpoint[29], endpoint[30], endpoint[31]]);
    let header = engine.arena.header;
    let mut route = if named == 0 {
        let Some(route) = lane_route(engine, lane) else {
            engine.arena.counters.drop(DROP_LANE_DOWN);
            return;
        };
        route
    } else {
        let address = core::array::from_fn(|index| endpoint[index]);
        let source = core::array::from_fn(|index| endpoint[32 + index]);
        Route::new(header, address, named, source)
    };
    engine.socket.vectors[0] = libc::iovec {
        iov_base: engine.arena.data.pointer(offset, length).cast(),
        iov_len: length as usize,
    };
    route.fill(&mut engine.socket.headers[0].msg_hdr, &mut engine.socket.vectors[0]);
    match send_messages(engine, route.fd, 0, 1) {
        Ok(_) => sent(engine, 1, length),
        // A probe that is larger than the local link has its answer: no frame was in it.
        Err(libc::EMSGSIZE) => {}
        Err(error) => engine.arena.counters.drop(refusal(error)),
    }
}

fn sent(engine: &mut Engine, datagrams: u32, bytes: u32) {
    engine.arena.counters.add(COUNTER_DATAGRAMS_SENT, datagrams);
    engine.arena.counters.add(COUNTER_DATAGRAM_BYTES_SENT, bytes);
}

fn refusal(error: i32) -> u32 {
    match error {
        libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => DROP_SEND_FULL,
        _ => DROP_SEND_FAILED,
    }
}

/// sendmmsg of the prepared headers; waits once, for at most 2 ms, while the socket's buffer is full.
fn send_messages(engine: &mut Engine, fd: i32, first: usize, count: usize) -> Result<usize, i32> {
    let mut waited = false;
    loop {
        let headers = &mut engine.socket.headers[first..first + count];
        // SAFETY: each header points at memory that outlives the call, with its true length.
        let sent = unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT as _) };
        if sent >= 0 {
            return Ok(sent as usize);
        }
        match errno() {
            libc::EINTR => {}
            libc::EAGAIN if !waited => {
                waited = true;
                let mut poll = libc::pollfd {
                    fd,
                    events: libc::POLLOUT,
                    revents: 0,
                };
                // SAFETY: one structure that outlives the call.
                unsafe { libc::poll(&mut poll, 1, SEND_WAIT_MS) };
            }
            error => return Err(error),
        }
    }
}
