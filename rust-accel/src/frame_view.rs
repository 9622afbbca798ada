//! Finds the headers of an Ethernet frame: up to two VLAN tags, IPv4 or IPv6 with its extension headers, TCP or UDP.
//! Pure; mirrors dataplane/wire/frame-view.ts. A header that is cut short or contradicts the frame's length counts as
//! not there: what cannot be parsed is still a frame, and passes. Offsets count from the frame's start.

use core::ops::Range;

pub const ETHERNET_HEADER: usize = 14;
const VLAN_TAG: usize = 4;
const ETHER_TYPE_IPV4: u16 = 0x0800;
const ETHER_TYPE_IPV6: u16 = 0x86dd;
const ETHER_TYPE_VLAN: u16 = 0x8100;
const ETHER_TYPE_SERVICE_VLAN: u16 = 0x88a8;

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;

pub const IPV4_HEADER: usize = 20;
pub const IPV6_HEADER: usize = 40;
pub const TCP_HEADER: usize = 20;
pub const UDP_HEADER: usize = 8;

pub const IPV4_TOS: usize = 1;
pub const IPV4_LENGTH: usize = 2;
pub const IPV4_ID: usize = 4;
pub const IPV4_FRAGMENT: usize = 6;
pub const IPV4_TTL: usize = 8;
pub const IPV4_PROTOCOL: usize = 9;
pub const IPV4_CHECKSUM: usize = 10;
pub const IPV4_SOURCE: usize = 12;
pub const IPV6_LENGTH: usize = 4;
pub const IPV6_NEXT_HEADER: usize = 6;
pub const IPV6_HOP_LIMIT: usize = 7;
pub const IPV6_SOURCE: usize = 8;
pub const IPV6_DESTINATION: usize = 24;
pub const TCP_SEQUENCE: usize = 4;
pub const TCP_ACKNOWLEDGMENT: usize = 8;
pub const TCP_FLAGS: usize = 13;
pub const TCP_WINDOW: usize = 14;
pub const TCP_CHECKSUM: usize = 16;
pub const TCP_URGENT: usize = 18;
pub const UDP_LENGTH: usize = 4;
pub const UDP_CHECKSUM: usize = 6;

pub const TCP_FIN: u8 = 0x01;
pub const TCP_PSH: u8 = 0x08;
pub const TCP_ACK: u8 = 0x10;
pub const TCP_CWR: u8 = 0x80;

pub const IPV4_DONT_FRAGMENT: u16 = 0x4000;
const IPV4_FRAGMENT_MASK: u16 = 0x3fff;
const EXTENSION_HEADERS_MAX: usize = 8;

/// Where a frame's headers lie; 0 means "not there".
#[derive(Clone, Copy, Default, Debug)]
pub struct FrameView {
    pub end: usize,
    pub tags: usize,
    /// The outermost tag's 802.1p priority.
    pub priority: Option<u8>,
    pub ether_type: u16,
    pub network: usize,
    /// 4, 6, or 0.
    pub ip_version: u8,
    pub traffic_class: u8,
    /// IPv4 without options, or IPv6 without extension headers.
    pub plain_ip: bool,
    pub fragment: bool,
    /// TCP or UDP when the whole header is there; otherwise 0.
    pub protocol: u8,
    pub transport: usize,
    pub payload: usize,
    /// Where the IP packet ends; behind it lies only Ethernet padding.
    pub payload_end: usize,
}

/// A big-endian u16.
#[inline(always)]
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A big-endian u32.
#[inline(always)]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline(always)]
pub fn set_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[inline(always)]
pub fn set_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// Parses a frame.
#[inline]
pub fn parse(bytes: &[u8]) -> FrameView {
    let mut view = FrameView {
        end: bytes.len(),
        payload_end: bytes.len(),
        network: ETHERNET_HEADER,
        ..FrameView::default()
    };
    parse_ethernet(bytes, &mut view);
    match view.ether_type {
        ETHER_TYPE_IPV4 => parse_ipv4(bytes, &mut view),
        ETHER_TYPE_IPV6 => parse_ipv6(bytes, &mut view),
        _ => {}
    }
    view
}

fn parse_ethernet(bytes: &[u8], view: &mut FrameView) {
    if view.network > view.end {
        return;
    }
    view.ether_type = u16_at(bytes, view.network - 2);
    while view.tags < 2
        && matches!(view.ether_type, ETHER_TYPE_VLAN | ETHER_TYPE_SERVICE_VLAN)
        && view.network + VLAN_TAG <= view.end
    {
        if view.tags == 0 {
            view.priority = Some(bytes[view.network] >> 5);
        }
        view.tags += 1;
        view.network += VLAN_TAG;
        view.ether_type = u16_at(bytes, view.network - 2);
    }
}

fn parse_ipv4(bytes: &[u8], view: &mut FrameView) {
    let ip = view.network;
    if ip + IPV4_HEADER > view.end {
        return;
    }
    let header = usize::from(bytes[ip] & 0x0f) * 4;
    let total = usize::from(u16_at(bytes, ip + IPV4_LENGTH));
    if bytes[ip] >> 4 != 4 || header < IPV4_HEADER || total < header || ip + total > view.end {
        return;
    }
    view.ip_version = 4;
    view.traffic_class = bytes[ip + IPV4_TOS];
    view.plain_ip = header == IPV4_HEADER;
    view.payload_end = ip + total;
    view.fragment = u16_at(bytes, ip + IPV4_FRAGMENT) & IPV4_FRAGMENT_MASK != 0;
    if !view.fragment {
        parse_transport(bytes, view, bytes[ip + IPV4_PROTOCOL], ip + header);
    }
}

fn parse_ipv6(bytes: &[u8], view: &mut FrameView) {
    let ip = view.network;
    if ip + IPV6_HEADER > view.end {
        return;
    }
    let first = u32_at(bytes, ip);
    let end = ip + IPV6_HEADER + usize::from(u16_at(bytes, ip + IPV6_LENGTH));
    if first >> 28 != 6 || end > view.end {
        return;
    }
    view.ip_version = 6;
    view.traffic_class = (first >> 20) as u8;
    view.payload_end = end;
    let next = bytes[ip + IPV6_NEXT_HEADER];
    view.plain_ip = !is_extension(next);
    match pass_extensions(bytes, next, ip + IPV6_HEADER..end) {
        Some((FRAGMENT, _)) => view.fragment = true,
        Some((next, at)) => parse_transport(bytes, view, next, at),
        None => {}
    }
}

/// What an IPv6 header's extensions lead to, and where it begins: FRAGMENT, if one of them is that. None where they are cut
/// short.
#[inline]
fn pass_extensions(bytes: &[u8], mut next: u8, Range { start: mut at, end }: Range<usize>) -> Option<(u8, usize)> {
    let mut count = 0;
    while is_extension(next) && next != FRAGMENT && count < EXTENSION_HEADERS_MAX {
        if at + 8 > end {
            return None;
        }
        next = bytes[at];
        at += 8 * (1 + usize::from(bytes[at + 1]));
        if at > end {
            return None;
        }
        count += 1;
    }
    Some((next, at))
}

/// What the IP header and its extensions lead to, and where it begins, in a frame that is no fragment. It may be cut short.
pub fn upper_header(bytes: &[u8], view: &FrameView) -> Option<(u8, usize)> {
    let ip = view.network;
    match view.ip_version {
        4 if !view.fragment => Some((bytes[ip + IPV4_PROTOCOL], ip + usize::from(bytes[ip] & 0x0f) * 4)),
        6 if !view.fragment => {
            pass_extensions(bytes, bytes[ip + IPV6_NEXT_HEADER], ip + IPV6_HEADER..view.payload_end)
        }
        _ => None,
    }
}

fn is_extension(next: u8) -> bool {
    matches!(next, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}

fn parse_transport(bytes: &[u8], view: &mut FrameView, protocol: u8, at: usize) {
    let header = match protocol {
        TCP => {
            if at + TCP_HEADER > view.payload_end {
                return;
            }
            let header = usize::from(bytes[at + 12] >> 4) * 4;
            if header < TCP_HEADER {
                return;
            }
            header
        }
        UDP => UDP_HEADER,
        _ => return,
    };
    if at + header > view.payload_end {
        return;
    }
    view.protocol = protocol;
    view.transport = at;
    view.payload = at + header;
}
