//! PeerTap's frame path as batch functions over shared memory, for Node. This file only converts: each method is a
//! stage of dataplane/contract/engine.ts, and lives in the file of its name. No panic leaves it: one becomes an error
//! that ends the worker, which the supervisor restarts.

mod aead;
mod arena;
mod checksum;
mod classify;
mod close_link;
mod coalesce;
mod cut;
mod ecb;
mod engine;
#[cfg(test)]
mod fixture;
mod flow_hash;
mod flows;
mod forward;
mod frame_view;
mod hash;
mod keys;
#[rustfmt::skip] // Generated.
mod layout;
mod learn;
mod link;
mod open_frame;
mod open_link;
#[cfg(test)]
mod path_tests;
mod plan;
mod reassemble;
mod seal;
mod segment;
mod send;
mod tables;
mod tap;
mod tap_write;
mod token;
mod train;
mod udp;
mod wait;
mod window;

use arena::Arena;
use engine::Engine;
use napi::bindgen_prelude::{Error, Result, Uint8ArraySlice};
use napi_derive::napi;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tables::Tables;

/// The digest of the layout that this addon was built with (dataplane/shm/render-layout.ts).
#[napi]
pub fn layout_digest() -> u32 {
    layout::LAYOUT_DIGEST
}

/// The crate's version.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Runs what may panic on a bug, and turns a panic into an error.
fn guard<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("panicked");
        Error::from_reason(format!("native engine: {text}"))
    })
}

/// Derives forwarding tokens: r ‖ token, 32 bytes for each value of `value_bytes` bytes.
#[napi]
pub fn derive_tokens(
    token_key: &[u8],
    segment: &[u8],
    period: u32,
    kind: u8,
    values: &[u8],
    value_bytes: u32,
    mut out: Uint8ArraySlice,
) -> Result<()> {
    let (Ok(token_key), Ok(segment)) = (token_key.try_into(), segment.try_into()) else {
        return Err(Error::from_reason("a token key has 32 bytes and a segment id 16"));
    };
    // SAFETY: the caller made `out` for this call and no other thread has it.
    let out = unsafe { out.as_mut() };
    let value_bytes = value_bytes as usize;
    if values.len() < out.len() / 32 * value_bytes {
        return Err(Error::from_reason("fewer values than room for tokens"));
    }
    guard(|| token::derive((token_key, segment), (period, kind), (values, value_bytes), out))
}

/// One worker's stages over its arena and the tables. The caller keeps both buffers alive and uses one such engine an
/// arena, on one thread.
#[napi]
pub struct NativeStages {
    engine: Option<Box<Engine>>,
}

#[napi]
impl NativeStages {
    /// Binds to the buffers; refuses those of another layout.
    #[napi(constructor)]
    pub fn new(mut tables: Uint8ArraySlice, mut arena: Uint8ArraySlice) -> Result<NativeStages> {
        // SAFETY: only the addresses are taken; the views made of them follow the contracts of arena.rs and tables.rs.
        let (tables, arena) = unsafe { (tables.as_mut(), arena.as_mut()) };
        let (tables_at, arena_at) = (tables.as_mut_ptr(), arena.as_mut_ptr());
        // SAFETY: SharedArrayBuffers do not move, and native/load.ts keeps them alive as long as this object.
        let views = unsafe {
            Tables::new(tables_at, tables.len()).and_then(|tables| Ok((tables, Arena::new(arena_at, arena.len())?)))
        };
        let (tables, arena) = views.map_err(Error::from_reason)?;
        Ok(NativeStages {
            engine: Some(Box::new(Engine::new(tables, arena))),
        })
    }

    fn run<T>(&mut self, stage: impl FnOnce(&mut Engine) -> T) -> Result<T> {
        match &mut self.engine {
            Some(engine) => guard(|| stage(engine)),
            None => Err(Error::from_reason("native engine: closed")),
        }
    }

    #[napi]
    pub fn wait(&mut self, timeout_ms: u32, spin: u32) -> Result<()> {
        self.run(|engine| engine.waiter.wait(&mut engine.arena, timeout_ms, spin != 0))
    }

    #[napi]
    pub fn read_tap(&mut self, vlan: u32) -> Result<u32> {
        self.run(|engine| tap::read_tap(engine, vlan))
    }

    #[napi]
    pub fn classify(&mut self, frame_count: u32) -> Result<()> {
        self.run(|engine| classify::classify(engine, frame_count))
    }

    #[napi]
    pub fn segment(&mut self, from: u32, frame_count: u32) -> Result<u32> {
        self.run(|engine| segment::segment(engine, from, frame_count))
    }

    #[napi]
    pub fn seal(&mut self, count: u32) -> Result<()> {
        self.run(|engine| seal::seal(engine, count))
    }

    #[napi]
    pub fn train(&mut self, count: u32) -> Result<u32> {
        self.run(|engine| train::train(engine, count))
    }

    #[napi]
    pub fn close_link(&mut self, train: u32) -> Result<u32> {
        self.run(|engine| close_link::close_link(engine, train))
    }

    #[napi]
    pub fn send(&mut self, train: u32) -> Result<()> {
        self.run(|engine| send::send(engine, train))
    }

    #[napi]
    pub fn receive(&mut self) -> Result<u32> {
        self.run(udp::receive)
    }

    #[napi]
    pub fn open_link(&mut self, count: u32, carrier: u32) -> Result<()> {
        self.run(|engine| open_link::open_link(engine, count, carrier))
    }

    #[napi]
    pub fn forward(&mut self, count: u32) -> Result<()> {
        self.run(|engine| forward::forward(engine, count))
    }

    #[napi]
    pub fn open_frame(&mut self, count: u32) -> Result<()> {
        self.run(|engine| open_frame::open_frame(engine, count))
    }

    #[napi]
    pub fn learn(&mut self, count: u32) -> Result<()> {
        self.run(|engine| learn::learn(engine, count))
    }

    #[napi]
    pub fn coalesce(&mut self, count: u32) -> Result<u32> {
        self.run(|engine| coalesce::coalesce(engine, count))
    }

    #[napi]
    pub fn write_tap(&mut self, count: u32) -> Result<()> {
        self.run(|engine| tap::write_tap(engine, count))
    }

    #[napi]
    pub fn send_link(&mut self, lane: u32, body_bytes: u32) -> Result<u32> {
        self.run(|engine| close_link::send_link(engine, lane, body_bytes))
    }

    /// Releases key schedules and descriptors of its own; every later call is an error.
    #[napi]
    pub fn close(&mut self) {
        self.engine = None;
    }
}
