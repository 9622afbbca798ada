//! The TCP flows that coalesce has open within a batch, and what may join one. Mirrors dataplane/pipeline/flows.ts.
//!
//! A flow's datagrams are a list: `head`, then `next` of each. All of them have the first one's headers, but for the
//! fields that a merge may change: IP length, IPv4 ID and header checksum, TCP sequence, PSH, checksum.

use crate::arena::Data;
use crate::frame_view::*;
use crate::layout::BATCH_RX_DATAGRAMS;

/// Flows open at a time; one more takes the place of the next in turn.
pub const OPEN_FLOWS: usize = 8;
/// Pieces of one write stay far below the kernel's 1,024 (UIO_MAXIOV).
const DATAGRAMS_MAX: u32 = 256;
/// A super-frame is one IP packet.
const IP_PACKET_MAX: usize = 65_535;

/// One flow.
#[derive(Clone, Copy, Default)]
pub struct Flow {
    pub open: bool,
    /// RxDatagram index of the first and the last datagram, and how many there are.
    pub head: usize,
    pub tail: usize,
    pub datagrams: u32,
    pub vlan: u32,
    /// Arena offset of the first frame, and its headers.
    pub frame: u32,
    pub view: FrameView,
    /// Payload of the first datagram, and of all together.
    pub segment_bytes: usize,
    pub payload_bytes: usize,
    next_sequence: u32,
    next_id: u16,
}

/// All flows of a batch.
pub struct Flows {
    pub rows: [Flow; OPEN_FLOWS],
    /// The next datagram of the same flow, by RxDatagram index.
    pub next: Vec<u32>,
    /// Whose turn it is to give way.
    pub turn: usize,
    /// TapWrites and Iovecs laid so far in this batch.
    pub writes: usize,
    pub iovecs: usize,
}

impl Flows {
    pub fn new() -> Flows {
        Flows {
            rows: [Flow::default(); OPEN_FLOWS],
            next: vec![0; BATCH_RX_DATAGRAMS],
            turn: 0,
            writes: 0,
            iovecs: 0,
        }
    }

    /// The open flow with a segment's VLAN, MAC addresses, IP addresses and ports.
    #[inline]
    pub fn find(&self, data: &Data, vlan: u32, frame: &[u8], view: &FrameView) -> Option<usize> {
        self.rows
            .iter()
            .position(|flow| flow.open && flow.vlan == vlan && flow.is_same(flow.headers(data), frame, view))
    }

    /// The row for a new flow: a free one, or the one whose turn it is; the caller closes that first.
    pub fn row_to_open(&mut self) -> usize {
        if let Some(row) = self.rows.iter().position(|flow| !flow.open) {
            return row;
        }
        let row = self.turn;
        self.turn = (row + 1) % OPEN_FLOWS;
        row
    }

    /// Opens a flow with the segment of RxDatagram `index`, which lies at `at`.
    pub fn open(&mut self, row: usize, (vlan, index, at): (u32, usize, u32), frame: &[u8], view: &FrameView) {
        let bytes = view.payload_end - view.payload;
        self.rows[row] = Flow {
            open: true,
            head: index,
            tail: index,
            datagrams: 1,
            vlan,
            frame: at,
            view: *view,
            segment_bytes: bytes,
            payload_bytes: bytes,
            ..Flow::default()
        };
        self.rows[row].expect_next(frame, view);
    }

    /// Appends the segment of RxDatagram `index`.
    #[inline]
    pub fn join(&mut self, row: usize, index: usize, frame: &[u8], view: &FrameView) {
        let flow = &mut self.rows[row];
        self.next[flow.tail] = index as u32;
        flow.tail = index;
        flow.datagrams += 1;
        flow.payload_bytes += view.payload_end - view.payload;
        flow.expect_next(frame, view);
    }
}

impl Flow {
    /// The first frame's headers.
    #[inline]
    fn headers<'a>(&self, data: &'a Data) -> &'a [u8] {
        data.look(self.frame, self.view.payload as u32)
    }

    #[inline]
    fn is_same(&self, first: &[u8], frame: &[u8], view: &FrameView) -> bool {
        let (network, transport) = (view.network, view.transport);
        if self.view.ip_version != view.ip_version || self.view.network != network {
            return false;
        }
        let addresses = if view.ip_version == 4 {
            network + IPV4_SOURCE..network + IPV4_SOURCE + 8
        } else {
            network + IPV6_SOURCE..network + IPV6_SOURCE + 32
        };
        first[self.view.transport..][..4] == frame[transport..][..4]
            && first[addresses.clone()] == frame[addresses]
            && first[..network] == frame[..network]
    }

    /// Whether a segment of the flow continues it so that a merge loses nothing: next in sequence, no longer than the
    /// first, within one IP packet, and its headers equal but for what a cut restores.
    #[inline]
    pub fn joins(&self, data: &Data, frame: &[u8], view: &FrameView) -> bool {
        let bytes = view.payload_end - view.payload;
        let together = self.view.payload - self.view.network + self.payload_bytes + bytes;
        bytes <= self.segment_bytes
            && together <= IP_PACKET_MAX
            && self.datagrams < DATAGRAMS_MAX
            && view.payload - view.transport == self.view.payload - self.view.transport
            && u32_at(frame, view.transport + TCP_SEQUENCE) == self.next_sequence
            && self.has_same_headers(self.headers(data), frame, view)
    }

    #[inline]
    fn has_same_headers(&self, first: &[u8], frame: &[u8], view: &FrameView) -> bool {
        let same_ip = self.has_same_ip(&first[self.view.network..], &frame[view.network..]);
        same_ip && has_same_tcp(&first[self.view.transport..], &frame[view.transport..view.payload])
    }

    #[inline]
    fn has_same_ip(&self, first: &[u8], ip: &[u8]) -> bool {
        if self.view.ip_version == 6 {
            // Hop limit; version, traffic class and flow label.
            return ip[IPV6_HOP_LIMIT] == first[IPV6_HOP_LIMIT] && ip[..4] == first[..4];
        }
        let fragment = u16_at(ip, IPV4_FRAGMENT);
        fragment == u16_at(first, IPV4_FRAGMENT)
            && (fragment & IPV4_DONT_FRAGMENT != 0 || u16_at(ip, IPV4_ID) == self.next_id)
            && ip[IPV4_TOS] == first[IPV4_TOS]
            && ip[IPV4_TTL] == first[IPV4_TTL]
    }

    #[inline]
    fn expect_next(&mut self, frame: &[u8], view: &FrameView) {
        let bytes = (view.payload_end - view.payload) as u32;
        self.next_sequence = u32_at(frame, view.transport + TCP_SEQUENCE).wrapping_add(bytes);
        if view.ip_version == 4 {
            self.next_id = u16_at(frame, view.network + IPV4_ID).wrapping_add(1);
        }
    }
}

/// Acknowledgment, header length, flags but PSH, window, urgent pointer, options.
#[inline]
fn has_same_tcp(first: &[u8], tcp: &[u8]) -> bool {
    let length_and_flags = u16_at(tcp, TCP_FLAGS - 1) ^ u16_at(first, TCP_FLAGS - 1);
    tcp[TCP_ACKNOWLEDGMENT..][..4] == first[TCP_ACKNOWLEDGMENT..][..4]
        && length_and_flags & !u16::from(TCP_PSH) == 0
        && u16_at(tcp, TCP_WINDOW) == u16_at(first, TCP_WINDOW)
        && u16_at(tcp, TCP_URGENT) == u16_at(first, TCP_URGENT)
        && tcp[TCP_HEADER..] == first[TCP_HEADER..tcp.len()]
}
