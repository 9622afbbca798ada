//! The stages as functions that JavaScript calls, several for each batch: so they read their numbers and their engine
//! straight from the call, where a generated wrapper would open scopes and borrow for each.
//!
//!   engine.classify(64)  ─▶  callback(env, info)  ─▶  Cell of this engine  ─▶  classify::classify(engine, 64)
//!
//! No panic leaves them: one becomes an error that ends the worker, which the supervisor restarts.

use crate::engine::Engine;
use crate::{
    carry, classify, close_link, coalesce, forward, learn, open_frame, open_link, relay, seal, segment, send, tap,
    train, udp,
};
use napi::sys;
use std::cell::RefCell;
use std::ffi::{CString, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

/// An engine, or None once it is closed. Outlives every function that points at it (lib.rs).
pub type Cell = RefCell<Option<Engine>>;

type Callback = unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value;

/// What a stage answers: a number, or nothing.
trait Answer {
    fn into_value(self, env: sys::napi_env) -> sys::napi_value;
}

impl Answer for () {
    #[inline]
    fn into_value(self, _: sys::napi_env) -> sys::napi_value {
        null_mut() // undefined
    }
}

impl Answer for u32 {
    #[inline]
    fn into_value(self, env: sys::napi_env) -> sys::napi_value {
        let mut value = null_mut();
        // SAFETY: `env` is that of the running call.
        unsafe { sys::napi_create_uint32(env, self, &mut value) };
        value
    }
}

/// Most numbers that a stage takes.
const ARGUMENTS: usize = 2;

/// Runs a stage for a call from JavaScript.
///
/// # Safety
/// To be called by Node with what it gives a function made by [`bind`].
#[inline]
unsafe fn call<T: Answer>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    stage: impl FnOnce(&mut Engine, [u32; ARGUMENTS]) -> T,
) -> sys::napi_value {
    let mut count = ARGUMENTS;
    let mut values = [null_mut(); ARGUMENTS];
    let mut data: *mut c_void = null_mut();
    let mut numbers = [0; ARGUMENTS];
    // SAFETY: by this function's contract; missing arguments are filled up with undefined, which leaves a number 0.
    let cell = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, values.as_mut_ptr(), null_mut(), &mut data);
        for (value, number) in values.iter().zip(&mut numbers).take(count) {
            sys::napi_get_value_uint32(env, *value, number);
        }
        &*data.cast::<Cell>()
    };
    let done = catch_unwind(AssertUnwindSafe(|| match cell.try_borrow_mut().as_deref_mut() {
        Ok(Some(engine)) => Ok(stage(engine, numbers)),
        _ => Err("native engine: closed".to_owned()),
    }));
    match done.unwrap_or_else(|panic| Err(crate::panic_text(&*panic))) {
        Ok(answer) => answer.into_value(env),
        Err(text) => throw(env, text),
    }
}

#[cold]
fn throw(env: sys::napi_env, text: String) -> sys::napi_value {
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    // SAFETY: `env` is that of the running call, and the text ends with a zero.
    unsafe { sys::napi_throw_error(env, null_mut(), text.as_ptr()) };
    null_mut()
}

macro_rules! stage {
    ($name:literal, |$engine:ident, $numbers:pat_param| $work:expr) => {{
        unsafe extern "C" fn callback(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
            // SAFETY: Node calls this, made by `bind`.
            unsafe { call(env, info, |$engine, $numbers| $work) }
        }
        ($name, callback as Callback)
    }};
}

/// By their names in dataplane/contract/engine.ts.
const STAGES: [(&str, Callback); 21] = [
    stage!("wait", |engine, [timeout_ms, spin]| engine.waiter.wait(
        &mut engine.arena,
        timeout_ms,
        spin != 0
    )),
    stage!("readTap", |engine, [vlan, _]| tap::read_tap(engine, vlan)),
    stage!("classify", |engine, [frames, _]| classify::classify(engine, frames)),
    stage!("segment", |engine, [from, frames]| segment::segment(
        engine, from, frames
    )),
    stage!("seal", |engine, [count, _]| seal::seal(engine, count)),
    stage!("train", |engine, [count, _]| train::train(engine, count)),
    stage!("closeLink", |engine, [train, _]| close_link::close_link(engine, train)),
    stage!("send", |engine, [train, _]| send::send(engine, train)),
    stage!("receive", |engine, _| udp::receive(engine)),
    stage!("openLink", |engine, [count, carrier]| open_link::open_link(
        engine, count, carrier
    )),
    stage!("forward", |engine, [count, _]| forward::forward(engine, count)),
    stage!("relay", |engine, [count, _]| relay::relay(engine, count)),
    stage!("openFrame", |engine, [count, _]| open_frame::open_frame(engine, count)),
    stage!("learn", |engine, [count, _]| learn::learn(engine, count)),
    stage!("coalesce", |engine, [count, _]| coalesce::coalesce(engine, count)),
    stage!("writeTap", |engine, [count, _]| tap::write_tap(engine, count)),
    stage!("sendTrains", |engine, [count, _]| carry::send_trains(engine, count)),
    stage!("carryOut", |engine, [queue, _]| carry::carry_out(engine, queue)),
    stage!("carryIn", |engine, [count, carrier]| carry::carry_in(
        engine, count, carrier
    )),
    stage!("carryOn", |engine, _| carry::carry_on(engine)),
    stage!("sendLink", |engine, [lane, bytes]| close_link::send_link(
        engine, lane, bytes
    )),
];

/// Makes an object with a method for each stage of the engine in `cell`.
///
/// # Safety
/// `cell` must outlive the JavaScript thread of `env`.
pub unsafe fn bind(env: sys::napi_env, cell: *const Cell) -> sys::napi_value {
    let mut object = null_mut();
    // SAFETY: `env` is that of the running call.
    unsafe { sys::napi_create_object(env, &mut object) };
    for (name, callback) in STAGES {
        let name = CString::new(name).unwrap_or_default();
        let mut function = null_mut();
        // SAFETY: as above; the name ends with a zero, and `cell` lives by this function's contract.
        unsafe {
            sys::napi_create_function(
                env,
                name.as_ptr(),
                -1,
                Some(callback),
                cell.cast_mut().cast(),
                &mut function,
            );
            sys::napi_set_named_property(env, object, name.as_ptr(), function);
        }
    }
    object
}
