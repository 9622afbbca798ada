//! PeerTap's frame path as batch functions over shared memory, for Node. This file only converts: it
//! opens engines, whose stages (dataplane/contract/engine.ts) live each in the file of its name. No panic leaves it: one
//! becomes an error that ends the worker, which the supervisor restarts.

mod aead;
mod arena;
mod carry;
mod checksum;
mod classify;
mod close_link;
mod coalesce;
mod cut;
mod ecb;
mod engine;
mod fair_shares;
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
mod recent_frames;
mod relay;
mod relay_quota;
mod seal;
mod segment;
mod send;
mod snoop;
mod stages;
mod tables;
mod tap;
mod tap_write;
mod token;
mod token_cache;
mod train;
mod udp;
mod wait;
mod window;

use arena::Arena;
use engine::Engine;
use napi::Env;
use napi::bindgen_prelude::{Error, Object, Result, Uint8ArraySlice};
use napi_derive::napi;
use stages::Cell;
use std::any::Any;
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
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Error::from_reason(panic_text(&*panic)))
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("panicked");
    format!("native engine: {text}")
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
    /// The engines of this thread: a worker has one, a test may have several. Boxed and never removed, since the stages'
    /// functions hold their addresses as long as the thread runs; what a closed engine owned is freed at once.
    static ENGINES: RefCell<Vec<Box<Cell>>> = const { RefCell::new(Vec::new()) };
}

/// Binds an engine to one worker's arena and the tables; refuses buffers of another layout. The caller keeps both buffers
/// alive and uses one engine an arena, on one thread. Returns its stages (stages.rs) and `handle`, for closing.
#[napi(ts_return_type = "object")]
pub fn open_engine<'env>(
    env: &'env Env,
    mut tables: Uint8ArraySlice,
    mut arena: Uint8ArraySlice,
) -> Result<Object<'env>> {
    // SAFETY: only the addresses are taken; the views made of them follow the contracts of arena.rs and tables.rs.
    let (tables, arena) = unsafe { (tables.as_mut(), arena.as_mut()) };
    let (tables_at, arena_at) = (tables.as_mut_ptr(), arena.as_mut_ptr());
    // SAFETY: SharedArrayBuffers do not move, and native/load.ts keeps them alive as long as the engine.
    let views = unsafe {
        Tables::new(tables_at, tables.len()).and_then(|tables| Ok((tables, Arena::new(arena_at, arena.len())?)))
    };
    let (tables, arena) = views.map_err(Error::from_reason)?;
    let cell = Box::new(Cell::new(Some(Engine::new(tables, arena))));
    // SAFETY: the cell is boxed, and kept for the rest of this thread's life.
    let value = unsafe { stages::bind(env.raw(), &raw const *cell) };
    let mut object = Object::from_raw(env.raw(), value);
    let handle = ENGINES.with_borrow_mut(|engines| {
        engines.push(cell);
        engines.len() as u32 - 1
    });
    object.set("handle", handle)?;
    Ok(object)
}

/// Releases key schedules and descriptors of its own; every later call is an error.
#[napi]
pub fn close_engine(handle: u32) {
    ENGINES.with_borrow(|engines| {
        if let Some(cell) = engines.get(handle as usize) {
            cell.replace(None);
        }
    });
}
