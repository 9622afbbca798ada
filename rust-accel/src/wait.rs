//! Waiting for work: a TAP queue or the socket readable, or the wake eventfd. One worker's alone.
//!
//! An epoll set holds the socket, the eventfd and its queues of each TAP; it is built anew when main has changed the
//! queues. After a turn that moved something the worker looks again for a while before it sleeps.

use crate::arena::{Arena, TAP_QUEUE_SLOTS};
use crate::layout::*;
use core::mem::offset_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

const UDP: u64 = 1 << 32;
const WAKE: u64 = 2 << 32;
const EVENTS: usize = TAP_QUEUE_SLOTS + 2;

/// The epoll set of one worker.
pub struct Waiter {
    epoll: Option<OwnedFd>,
    generation: u32,
    events: [libc::epoll_event; EVENTS],
}

impl Waiter {
    pub fn new() -> Waiter {
        Waiter {
            epoll: None,
            generation: 0,
            events: [libc::epoll_event { events: 0, u64: 0 }; EVENTS],
        }
    }

    /// Sleeps at most `timeout_ms`; sets nowMs, ready, readyTapCount and readyTaps.
    pub fn wait(&mut self, arena: &mut Arena, timeout_ms: u32, spin: bool) {
        self.rebuild(arena);
        let start = Instant::now();
        let (mut found, spun) = if spin { self.spin(arena, start) } else { (0, 0) };
        if found == 0 {
            found = self.look(timeout_ms.min(i32::MAX as u32) as i32);
            if timeout_ms > 0 {
                arena.counters.add(COUNTER_WAKEUPS, 1);
            }
        }
        arena.header.set(offset_of!(ArenaHeader, spun_us), spun);
        arena
            .header
            .set(offset_of!(ArenaHeader, waited_us), start.elapsed().as_micros() as u32);
        self.report(arena, found);
    }

    /// Stops watching a TAP queue that fails, until the queues change.
    pub fn forget(&mut self, fd: i32) {
        if let Some(epoll) = &self.epoll {
            // SAFETY: removing a descriptor touches no memory.
            unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, fd, core::ptr::null_mut()) };
        }
    }

    /// Looks until something is ready or `spinUs` are over; returns what was found and the microseconds spent.
    fn spin(&mut self, arena: &mut Arena, start: Instant) -> (usize, u32) {
        let budget = Duration::from_micros(u64::from(arena.header.get(offset_of!(ArenaHeader, spin_us))));
        loop {
            let found = self.look(0);
            let spent = start.elapsed();
            if found > 0 || spent >= budget {
                return (found, spent.as_micros() as u32);
            }
            arena.counters.add(COUNTER_SPINS, 1);
        }
    }

    fn look(&mut self, timeout_ms: i32) -> usize {
        let Some(epoll) = &self.epoll else { return 0 };
        // SAFETY: the events array outlives the call and its length is given.
        let found =
            unsafe { libc::epoll_wait(epoll.as_raw_fd(), self.events.as_mut_ptr(), EVENTS as i32, timeout_ms) };
        usize::try_from(found).unwrap_or(0) // EINTR: nothing is ready
    }

    fn report(&self, arena: &mut Arena, found: usize) {
        let mut ready = 0;
        let mut taps = 0;
        for event in &self.events[..found] {
            match event.u64 {
                UDP => ready |= READY_UDP,
                WAKE => {
                    ready |= READY_WAKE;
                    drain(arena.header.get(offset_of!(ArenaHeader, wake_fd)) as i32);
                }
                queue => {
                    arena.batch.ready_taps[taps] = queue as u32;
                    taps += 1;
                }
            }
        }
        let header = arena.header;
        header.set(offset_of!(ArenaHeader, ready), ready);
        header.set(offset_of!(ArenaHeader, ready_tap_count), taps as u32);
        header.set(offset_of!(ArenaHeader, now_ms), monotonic_ms());
    }

    fn rebuild(&mut self, arena: &Arena) {
        let generation = arena
            .header
            .atomic(offset_of!(ArenaHeader, tap_generation))
            .load(core::sync::atomic::Ordering::Acquire);
        if self.epoll.is_some() && generation == self.generation {
            return;
        }
        // SAFETY: a system call without pointers; the result is owned once.
        self.epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
        };
        self.generation = generation;
        self.watch(arena.header.get(offset_of!(ArenaHeader, udp_fd)) as i32, UDP);
        self.watch(arena.header.get(offset_of!(ArenaHeader, wake_fd)) as i32, WAKE);
        for queue in 0..TAP_QUEUE_SLOTS as u32 {
            if let Some(fd) = arena.tap_fd(queue) {
                self.watch(fd, u64::from(queue));
            }
        }
    }

    fn watch(&self, fd: i32, tag: u64) {
        let Some(epoll) = &self.epoll else { return };
        if fd < 0 {
            return;
        }
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: tag,
        };
        // SAFETY: the event outlives the call. A descriptor that cannot be watched is not: reading it would fail too.
        unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
    }
}

/// CLOCK_MONOTONIC in milliseconds modulo 2^32.
pub fn monotonic_ms() -> u32 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    (now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000) as u32
}

fn drain(eventfd: i32) {
    let mut value = 0u64;
    // SAFETY: eight bytes are read into eight bytes.
    unsafe { libc::read(eventfd, (&raw mut value).cast(), 8) };
}
