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
use std::cell::RefCell;
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

/// Whether this build enciphers and authenticates; false only in the one that the bench compares with.
#[napi]
pub fn has_cryptography() -> bool {
    cfg!(not(feature = "null-crypto"))
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

thread_local! {
    /// The engines of this thread by handle: a worker has one, a test may have several. A plain function with a handle
    /// costs a third of a class's method, which Node checks and unwraps at each call.
    static ENGINES: RefCell<Vec<Option<Box<Engine>>>> = const { RefCell::new(Vec::new()) };
}

/// Binds an engine to one worker's arena and the tables, and returns its handle; refuses buffers of another layout. The
/// caller keeps both buffers alive and uses one engine an arena, on one thread.
#[napi]
pub fn open_engine(mut tables: Uint8ArraySlice, mut arena: Uint8ArraySlice) -> Result<u32> {
    // SAFETY: only the addresses are taken; the views made of them follow the contracts of arena.rs and tables.rs.
    let (tables, arena) = unsafe { (tables.as_mut(), arena.as_mut()) };
    let (tables_at, arena_at) = (tables.as_mut_ptr(), arena.as_mut_ptr());
    // SAFETY: SharedArrayBuffers do not move, and native/load.ts keeps them alive as long as the handle.
    let views = unsafe {
        Tables::new(tables_at, tables.len()).and_then(|tables| Ok((tables, Arena::new(arena_at, arena.len())?)))
    };
    let (tables, arena) = views.map_err(Error::from_reason)?;
    let engine = Some(Box::new(Engine::new(tables, arena)));
    Ok(ENGINES.with_borrow_mut(|engines| {
        engines.push(engine);
        engines.len() as u32 - 1
    }))
}

/// Releases key schedules and descriptors of its own; every later call is an error.
#[napi]
pub fn close_engine(handle: u32) {
    ENGINES.with_borrow_mut(|engines| {
        if let Some(place) = engines.get_mut(handle as usize) {
            *place = None;
        }
    });
}

/// Runs a stage on the engine of a handle.
fn run<T>(handle: u32, stage: impl FnOnce(&mut Engine) -> T) -> Result<T> {
    ENGINES.with_borrow_mut(|engines| match engines.get_mut(handle as usize) {
        Some(Some(engine)) => guard(|| stage(engine)),
        _ => Err(Error::from_reason("native engine: closed")),
    })
}

#[napi]
pub fn wait(handle: u32, timeout_ms: u32, spin: u32) -> Result<()> {
    run(handle, |engine| {
        engine.waiter.wait(&mut engine.arena, timeout_ms, spin != 0)
    })
}

#[napi]
pub fn read_tap(handle: u32, vlan: u32) -> Result<u32> {
    run(handle, |engine| tap::read_tap(engine, vlan))
}

#[napi]
pub fn classify(handle: u32, frame_count: u32) -> Result<()> {
    run(handle, |engine| classify::classify(engine, frame_count))
}

#[napi]
pub fn segment(handle: u32, from: u32, frame_count: u32) -> Result<u32> {
    run(handle, |engine| segment::segment(engine, from, frame_count))
}

#[napi]
pub fn seal(handle: u32, count: u32) -> Result<()> {
    run(handle, |engine| seal::seal(engine, count))
}

#[napi]
pub fn train(handle: u32, count: u32) -> Result<u32> {
    run(handle, |engine| train::train(engine, count))
}

#[napi]
pub fn close_link(handle: u32, train: u32) -> Result<u32> {
    run(handle, |engine| close_link::close_link(engine, train))
}

#[napi]
pub fn send(handle: u32, train: u32) -> Result<()> {
    run(handle, |engine| send::send(engine, train))
}

#[napi]
pub fn receive(handle: u32) -> Result<u32> {
    run(handle, udp::receive)
}

#[napi]
pub fn open_link(handle: u32, count: u32, carrier: u32) -> Result<()> {
    run(handle, |engine| open_link::open_link(engine, count, carrier))
}

#[napi]
pub fn forward(handle: u32, count: u32) -> Result<()> {
    run(handle, |engine| forward::forward(engine, count))
}

#[napi]
pub fn open_frame(handle: u32, count: u32) -> Result<()> {
    run(handle, |engine| open_frame::open_frame(engine, count))
}

#[napi]
pub fn learn(handle: u32, count: u32) -> Result<()> {
    run(handle, |engine| learn::learn(engine, count))
}

#[napi]
pub fn coalesce(handle: u32, count: u32) -> Result<u32> {
    run(handle, |engine| coalesce::coalesce(engine, count))
}

#[napi]
pub fn write_tap(handle: u32, count: u32) -> Result<()> {
    run(handle, |engine| tap::write_tap(engine, count))
}

#[napi]
pub fn send_link(handle: u32, lane: u32, body_bytes: u32) -> Result<u32> {
    run(handle, |engine| close_link::send_link(engine, lane, body_bytes))
}
