//! The C side of a plugin: what `plugin!` exports, with panics caught.

use crate::{Context, Error, Params, Result, Run};
use ichor_abi::*;
use std::cell::RefCell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// Compiled in by `#[derive(Stage)]`.
pub trait Declared: Sized {
    /// The stage's id, as pipelines write it.
    const ID: &'static str;
    /// The stage's entry in the plugin's manifest.
    const MANIFEST: &'static str;
    /// Reads the parameters.
    ///
    /// # Errors
    /// A parameter of the wrong type, which a correct host never sends.
    fn from_params(params: &Params<'_>) -> Result<Self>;
}

type Make = fn(&Params<'_>) -> Result<Box<dyn Run>>;

/// One stage of a plugin: its id, and how to make an instance.
pub struct Entry(&'static str, Make);

impl Entry {
    /// The entry of stage `S`.
    pub const fn of<S: Declared + Run + 'static>() -> Self {
        Self(S::ID, |params| Ok(Box::new(S::from_params(params)?)))
    }
}

struct Instance {
    stage: Box<dyn Run>,
    poisoned: AtomicBool,
}

thread_local! {
    /// Where and why this thread panicked last; the hook writes it, `guard` reads it.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What the last panic of this thread said.
pub(crate) fn last_panic() -> String {
    PANIC.try_with(|p| p.borrow().clone()).unwrap_or_default()
}

/// Carries a panic's text to the thread on which it goes on.
pub(crate) fn set_last_panic(text: String) {
    // A thread that is ending has nobody to tell.
    _ = PANIC.try_with(|p| *p.borrow_mut() = text);
}

/// Unwinds a stage whose parallel loop the host ended with this status before all of it was done.
pub(crate) struct Ended(pub ichor_status);

/// Runs `body`, turning errors and panics into a status and a message.
fn guard(err: *mut ichor_error, body: impl FnOnce() -> Result<()>) -> ichor_status {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return ICHOR_OK,
        Ok(Err(error)) => error,
        Err(payload) => match payload.downcast::<Ended>() {
            Ok(ended) if ended.0 == ICHOR_CANCELLED => Error::cancelled(),
            Ok(ended) => Error { status: ended.0, message: "the host ended a parallel loop early".into() },
            Err(payload) => {
                std::mem::forget(payload); // dropping it may panic again
                Error { status: ICHOR_PANICKED, message: format!("a bug in the plugin: {}", last_panic()) }
            }
        },
    };
    // SAFETY: the host passes NULL or a valid error with `cap` writable bytes (ichor.h).
    unsafe {
        if let Some(err) = err.as_mut()
            && err.cap > 0
            && !err.message.is_null()
        {
            let mut n = error.message.len().min(err.cap as usize - 1);
            while !error.message.is_char_boundary(n) {
                n -= 1;
            }
            std::ptr::copy_nonoverlapping(error.message.as_ptr().cast::<c_char>(), err.message, n);
            *err.message.add(n) = 0;
        }
    }
    error.status
}

/// `ichor_plugin.load` of every Rust plugin: panics report to their caller, not to stderr.
///
/// # Safety
/// Called by a host as `ichor.h` says.
pub unsafe extern "C" fn load(_host: *const ichor_host, err: *mut ichor_error) -> ichor_status {
    guard(err, || {
        std::panic::set_hook(Box::new(|info| {
            let text = info.payload_as_str().unwrap_or("panic");
            let place = info.location().map(|l| format!(" ({}:{})", l.file(), l.line())).unwrap_or_default();
            set_last_panic(format!("{text}{place}"));
        }));
        Ok(())
    })
}

/// Behind the plugin's `create`.
///
/// # Safety
/// Called by a host as `ichor.h` says.
pub unsafe fn create(
    entries: &[Entry],
    id: ichor_str,
    params: ichor_str,
    out: *mut *mut ichor_stage,
    err: *mut ichor_error,
) -> ichor_status {
    guard(err, || {
        // SAFETY: strings are valid for the call.
        let (id, params) = unsafe { (id.text(), params.text()) };
        let (Some(id), Some(params)) = (id, params) else {
            return Err(Error::bad_params("the stage's id or its parameters are no UTF-8"));
        };
        let Entry(_, make) = entries
            .iter()
            .find(|e| e.0 == id)
            .ok_or_else(|| Error::bad_params(format!("this plugin has no stage `{id}`")))?;
        let params: serde_json::Value = serde_json::from_str(params)
            .map_err(|e| Error::bad_params(format!("parameters are no JSON: {e}")))?;
        let instance = Instance { stage: make(&Params(&params))?, poisoned: AtomicBool::new(false) };
        // SAFETY: `out` is valid for writing (ichor.h).
        unsafe { *out = Box::into_raw(Box::new(instance)).cast() };
        Ok(())
    })
}

/// `ichor_plugin.run` of every Rust plugin.
///
/// # Safety
/// Called by a host as `ichor.h` says.
pub unsafe extern "C" fn run(
    stage: *mut ichor_stage,
    run: *const ichor_run,
    err: *mut ichor_error,
) -> ichor_status {
    // SAFETY: `stage` came from create() and is not destroyed yet.
    let instance = unsafe { &*stage.cast::<Instance>() };
    let status = guard(err, || {
        if instance.poisoned.load(Ordering::Relaxed) {
            return Err(Error::internal("this instance panicked before; make a new one"));
        }
        // SAFETY: `run` lives until this function returns.
        instance.stage.run(&unsafe { Context::new(run) })
    });
    if status == ICHOR_PANICKED {
        instance.poisoned.store(true, Ordering::Relaxed);
    }
    status
}

/// `ichor_plugin.plan` of every Rust plugin.
///
/// # Safety
/// Called by a host as `ichor.h` says.
pub unsafe extern "C" fn plan(
    stage: *mut ichor_stage,
    run: *const ichor_run,
    out: *mut ichor_plan,
    err: *mut ichor_error,
) -> ichor_status {
    // SAFETY: `stage` came from create() and is not destroyed yet.
    let instance = unsafe { &*stage.cast::<Instance>() };
    guard(err, || {
        // SAFETY: `run` lives until this function returns.
        let need = instance.stage.plan(&unsafe { Context::new(run) })?;
        // SAFETY: `out` is writable, and these fields are in every version of it.
        unsafe {
            (*out).scratch_bytes = need.scratch_bytes;
            (*out).device_bytes = need.device_bytes;
        }
        Ok(())
    })
}

/// `ichor_plugin.destroy` of every Rust plugin.
///
/// # Safety
/// Called by a host as `ichor.h` says.
pub unsafe extern "C" fn destroy(stage: *mut ichor_stage) {
    if stage.is_null() {
        return;
    }
    // SAFETY: `stage` came from create() and is destroyed once.
    let instance = unsafe { Box::from_raw(stage.cast::<Instance>()) };
    // A panic in a destructor has nobody to report to.
    std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(instance))));
}

/// Exports the plugin: `ichor_sdk::plugin!(Threshold, Smooth);` once, in `lib.rs`. Name and version are the
/// package's.
#[macro_export]
macro_rules! plugin {
    ($first:ty $(, $stage:ty)* $(,)?) => {
        #[cfg(panic = "abort")]
        compile_error!("a plugin needs panic = \"unwind\": with \"abort\" a bug in a stage ends the host");

        const _: () = {
            use $crate::abi::*;
            const TEXT: &str = $crate::join!(
                "{\"ichor\":1,\"name\":\"", env!("CARGO_PKG_NAME"), "\",\"version\":\"", env!("CARGO_PKG_VERSION"),
                "\",\"stages\":[", <$first as $crate::Declared>::MANIFEST,
                $(",", <$stage as $crate::Declared>::MANIFEST,)* "]}"
            );
            const ENTRIES: &[$crate::Entry] = &[$crate::Entry::of::<$first>() $(, $crate::Entry::of::<$stage>())*];

            #[used]
            #[unsafe(link_section = ".ichor.manifest")]
            static MANIFEST: [u8; TEXT.len()] = $crate::json::joined(&[TEXT]);

            unsafe extern "C" fn create(
                id: ichor_str,
                params: ichor_str,
                out: *mut *mut ichor_stage,
                err: *mut ichor_error,
            ) -> ichor_status {
                // SAFETY: the host's promises are passed on.
                unsafe { $crate::export::create(ENTRIES, id, params, out, err) }
            }

            #[unsafe(no_mangle)]
            #[allow(non_upper_case_globals)]
            static ichor_plugin_v1: ichor_plugin = ichor_plugin {
                magic: ICHOR_MAGIC,
                abi_major: ICHOR_ABI_MAJOR,
                abi_minor: ICHOR_TARGET_MINOR,
                size: size_of::<ichor_plugin>() as u32,
                flags: 0,
                manifest: ichor_str { ptr: (&raw const MANIFEST).cast(), len: TEXT.len() },
                load: Some($crate::export::load),
                create: Some(create),
                plan: Some($crate::export::plan),
                run: Some($crate::export::run),
                destroy: Some($crate::export::destroy),
                extension: None,
            };
        };
    };
}
