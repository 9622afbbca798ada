//! Divides an overloaded worker fairly among the trunks that it relays for; the rules are in
//! dataplane/pipeline/fair-shares.ts. One engine's alone.

use crate::layout::LIMIT_TRUNKS;

/// Half of what a socket holds: before that, nobody loses anything.
pub const STANDING_BYTES: u32 = 4 * 1024 * 1024;
const WINDOW_MS: i32 = 2;
const PART_LEAST: f64 = 0.25;
const PART_SHRINKS: f64 = 0.75;
const PART_GROWS: f64 = 0.125;
const LEVEL_ROUNDS: usize = 16;

/// What one trunk asks for and gets.
#[derive(Clone, Copy)]
struct Share {
    /// Bytes asked for in this window.
    asked: f64,
    /// Part of its bytes that it may pass on: 1 unless it is policed.
    part: f64,
    /// What it may pass on and has not.
    credit: f64,
}

/// See the module.
pub struct FairShares {
    shares: Vec<Share>,
    /// Trunks that asked, in the order in which they came.
    askers: Vec<u32>,
    policed: Vec<u32>,
    part: f64,
    on: bool,
    started_ms: u32,
}

impl FairShares {
    pub fn new() -> FairShares {
        let share = Share {
            asked: 0.0,
            part: 1.0,
            credit: 0.0,
        };
        FairShares {
            shares: vec![share; LIMIT_TRUNKS],
            askers: Vec::with_capacity(LIMIT_TRUNKS),
            policed: Vec::with_capacity(LIMIT_TRUNKS),
            part: 1.0,
            on: false,
            started_ms: 0,
        }
    }

    /// Begins a batch; returns whether `admits` is to be asked at all.
    #[inline]
    pub fn begin(&mut self, standing_bytes: u32, now_ms: u32) -> bool {
        let stands = standing_bytes >= STANDING_BYTES;
        if !self.on {
            if !stands {
                return false;
            }
            self.on = true;
            self.started_ms = now_ms;
        } else if now_ms.wrapping_sub(self.started_ms) as i32 >= WINDOW_MS {
            self.started_ms = now_ms;
            self.part = if stands {
                (self.part * PART_SHRINKS).max(PART_LEAST)
            } else {
                self.part + PART_GROWS
            };
            self.on = self.part < 1.0;
            self.share();
        }
        self.on
    }

    /// Whether a trunk may pass on so many bytes more.
    pub fn admits(&mut self, trunk: u32, bytes: u32) -> bool {
        let Some(share) = self.shares.get_mut(trunk as usize) else {
            return false;
        };
        if share.asked == 0.0 {
            self.askers.push(trunk);
        }
        share.asked += f64::from(bytes);
        if share.part == 1.0 {
            return true;
        }
        share.credit += f64::from(bytes) * share.part;
        let admitted = share.credit > 0.0;
        if admitted {
            share.credit -= f64::from(bytes);
        }
        admitted
    }

    /// Fixes the parts of the next window by what was asked for in the last.
    #[cold]
    fn share(&mut self) {
        for trunk in self.policed.drain(..) {
            let share = &mut self.shares[trunk as usize];
            (share.part, share.credit) = (1.0, 0.0);
        }
        let level = if self.on { self.level() } else { f64::INFINITY };
        for trunk in self.askers.drain(..) {
            let share = &mut self.shares[trunk as usize];
            let asked = core::mem::take(&mut share.asked);
            if asked > level {
                share.part = level / asked;
                self.policed.push(trunk);
            }
        }
        if !self.on {
            self.part = 1.0;
        }
    }

    /// The bytes that no trunk may exceed, or infinity when nobody would be better off.
    fn level(&self) -> f64 {
        let asked = || self.askers.iter().map(|&trunk| self.shares[trunk as usize].asked);
        let askers = self.askers.len();
        let capacity = asked().sum::<f64>() * self.part;
        let mut level = capacity / askers as f64;
        let mut below = 0;
        for _ in 0..LEVEL_ROUNDS {
            let (count, left) = asked()
                .filter(|&asked| asked <= level)
                .fold((0, capacity), |(count, left), asked| (count + 1, left - asked));
            if count == below {
                break;
            }
            below = count;
            level = left / (askers - count) as f64;
        }
        if below == 0 { f64::INFINITY } else { level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_less_than_the_share_loses_nothing_and_the_other_what_is_too_much() {
        let mut shares = FairShares::new();
        let (mut small, mut large) = (0, 0);
        for ms in 0..20 {
            assert!(shares.begin(STANDING_BYTES, ms));
            for _ in 0..10 {
                small += u32::from(shares.admits(3, 1000));
                large += (0..10).filter(|_| shares.admits(5, 1000)).count();
            }
        }
        assert_eq!(small, 200);
        assert!((400..1600).contains(&large), "{large} of 2000");
    }

    #[test]
    fn equals_and_one_alone_are_left_to_the_kernel_and_an_empty_socket_ends_it() {
        let mut shares = FairShares::new();
        for ms in 0..20 {
            assert!(shares.begin(STANDING_BYTES, ms));
            assert!((0..10).all(|_| shares.admits(3, 1000) && shares.admits(5, 1000)));
        }
        let until = (20..60).find(|&ms| !shares.begin(0, ms));
        assert!(until.is_some());
        assert!(!shares.begin(STANDING_BYTES - 1, 60));
    }
}
