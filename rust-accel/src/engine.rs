//! One worker's engine: its views of shared memory, its key schedules, and what its system calls need.
//! Belongs to one worker thread; the stages are free functions over it, one file each.

use crate::arena::Arena;
use crate::flows::Flows;
use crate::keys::KeyCache;
use crate::layout::{ArenaHeader, BATCH_PUNTS};
use crate::link::Blocks;
use crate::reassemble::slots_held;
use crate::tables::Tables;
use crate::udp::Socket;
use crate::wait::Waiter;
use core::mem::offset_of;

/// See the module.
pub struct Engine {
    pub tables: Tables,
    pub arena: Arena,
    pub worker: u32,
    pub keys: KeyCache,
    pub blocks: Box<Blocks>,
    pub waiter: Waiter,
    pub socket: Socket,
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
            keys: KeyCache::new(),
            blocks: Box::new(Blocks::new()),
            waiter: Waiter::new(),
            socket: Socket::new(),
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
