//! One worker's engine: its views of shared memory, its key schedules, and what its system calls need.
//! Belongs to one worker thread; the stages are free functions over it, one file each.

use crate::arena::Arena;
use crate::carry::Rest;
use crate::fair_shares::FairShares;
use crate::flows::Flows;
use crate::forward::LastPort;
use crate::keys::KeyCache;
use crate::layout::{ArenaHeader, BATCH_PUNTS, BATCH_TX_DATAGRAMS};
use crate::link::Blocks;
use crate::reassemble::slots_held;
use crate::tables::Tables;
use crate::token_cache::TokenCache;
use crate::udp::Socket;
use crate::wait::Waiter;
use core::mem::offset_of;

/// The last answer of a look-up, for a batch: neighbours are mostly of one flow. Whoever uses it clears it first, so that
/// it never outlives the batch.
#[derive(Default)]
pub struct LastFound {
    key: [u32; 4],
    slot: Option<u32>,
}

impl LastFound {
    pub fn clear(&mut self) {
        self.slot = None;
    }

    /// The slot of `key`: as found last, or by `find`. A key that is not there is looked for again.
    #[inline]
    pub fn get(&mut self, key: [u32; 4], find: impl FnOnce() -> Option<u32>) -> Option<u32> {
        if self.slot.is_none() || self.key != key {
            self.key = key;
            self.slot = find();
        }
        self.slot
    }
}

/// Where a datagram's plaintext lies between segment and seal.
#[derive(Clone, Copy)]
pub enum Plaintext {
    /// Whole, in its place in the transmit buffer.
    Laid,
    /// In the TAP buffer from `at` on; but its first `headers` bytes are those in the transmit buffer.
    Tap { at: u32, headers: u32 },
}

/// See the module.
pub struct Engine {
    pub tables: Tables,
    pub arena: Arena,
    /// Of a batch that stopped.
    pub rest: Rest,
    pub worker: u32,
    pub keys: KeyCache,
    pub tokens: TokenCache,
    pub blocks: Box<Blocks>,
    pub waiter: Waiter,
    pub socket: Socket,
    /// By index of the datagram, from segment to seal.
    pub plaintexts: Vec<Plaintext>,
    /// In forward.
    pub last_token: LastFound,
    pub last_port: LastPort,
    /// In relay.
    pub shares: FairShares,
    /// In openFrame.
    pub last_sender: LastFound,
    /// In learn.
    pub last_source: LastFound,
    /// Pieces of a TAP write.
    pub pieces: Vec<libc::iovec>,
    /// TCP flows open in coalesce.
    pub flows: Flows,
    /// Reassembly slots that are not free, so that a batch without fragments looks at none.
    pub reassemblies_held: u32,
}

impl Engine {
    pub fn new(tables: Tables, arena: Arena) -> Engine {
        Engine {
            reassemblies_held: slots_held(arena.batch.reassemblies),
            worker: arena.header.get(offset_of!(ArenaHeader, worker)),
            tables,
            arena,
            rest: Rest::default(),
            keys: KeyCache::new(),
            tokens: TokenCache::new(),
            blocks: Box::new(Blocks::new()),
            waiter: Waiter::new(),
            socket: Socket::new(),
            plaintexts: vec![Plaintext::Laid; BATCH_TX_DATAGRAMS],
            last_token: LastFound::default(),
            last_port: None,
            shares: FairShares::new(),
            last_sender: LastFound::default(),
            last_source: LastFound::default(),
            pieces: crate::tap::pieces(),
            flows: Flows::new(),
        }
    }

    /// Gives a datagram to the graph, for the main thread.
    pub fn punt(&mut self, index: u32) {
        let header = self.arena.header;
        let count = header.get(offset_of!(ArenaHeader, punt_count));
        if (count as usize) < BATCH_PUNTS {
            self.arena.batch.punts[count as usize] = index;
            header.set(offset_of!(ArenaHeader, punt_count), count + 1);
        }
    }
}
