//! What `ichor_run` offers a stage, in front of whatever provides it.

use crate::scratch::Block;
use crate::value::{DType, Shape, Value, View, kind_from_code, unit_from_code};
use ichor_abi::*;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The services of one run: this process's own ones, or a worker's that asks its host.
pub(crate) trait Services: Sync {
    fn new_tensor(&self, port: u32, shape: Shape) -> Result<Value, ichor_status>;
    fn forward(&self, out: u32, input: u32) -> ichor_status;
    fn emit_bytes(&self, port: u32, kind: ichor_kind, bytes: &[u8]) -> ichor_status;
    fn write_blob(&self, port: u32, offset: u64, bytes: &[u8]) -> ichor_status;
    fn read_blob(&self, port: u32, offset: u64, out: &mut [u8]) -> ichor_status;
    fn set_meta(&self, port: u32, json: &str) -> ichor_status;
    fn cancelled(&self) -> bool;
    fn progress(&self, fraction: f64, what: &str);
    fn log(&self, level: i32, message: &str);
    fn max_threads(&self) -> u32;
    fn parallel_for(&self, n: u64, grain: u64, body: ichor_body, user: *mut c_void);
}

/// What one run holds on behalf of the plugin.
#[allow(clippy::vec_box, reason = "plugins hold the addresses of views while the vectors grow")]
pub(crate) struct State<'a> {
    services: &'a dyn Services,
    inputs: Vec<Vec<Box<View>>>,
    made: Mutex<Vec<Box<View>>>,
    scratch: Mutex<Vec<Block>>,
    logged: AtomicU32,
    last_progress: Mutex<Option<Instant>>,
}

/// Messages of one run that reach the log.
const MAX_MESSAGES: u32 = 1000;
/// Progress is passed on no more often than this.
const PROGRESS_EVERY: Duration = Duration::from_millis(50);

impl<'a> State<'a> {
    pub(crate) fn new(services: &'a dyn Services, inputs: &[Vec<Arc<Value>>]) -> Self {
        let views = |port: &Vec<Arc<Value>>| port.iter().map(|value| View::new(value)).collect();
        Self {
            services,
            inputs: inputs.iter().map(views).collect(),
            made: Mutex::default(),
            scratch: Mutex::default(),
            logged: AtomicU32::new(0),
            last_progress: Mutex::default(),
        }
    }

    fn log(&self, level: i32, message: &str) {
        match self.logged.fetch_add(1, Ordering::Relaxed) {
            ..MAX_MESSAGES => self.services.log(level, message),
            MAX_MESSAGES => {
                let text = format!("it has said {MAX_MESSAGES} things; whatever else it says is left out");
                self.services.log(ICHOR_LOG_WARN, &text);
            }
            _ => {
                self.logged.store(MAX_MESSAGES + 1, Ordering::Relaxed); // never wraps
            }
        }
    }

    fn progress(&self, fraction: f64, what: &str) {
        let mut last = self.last_progress.lock().unwrap_or_else(PoisonError::into_inner);
        if fraction.is_nan() || last.is_some_and(|t| t.elapsed() < PROGRESS_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        drop(last);
        self.services.progress(fraction.clamp(0.0, 1.0), what);
    }

    /// The table that the plugin is given; it points to `self`.
    pub(crate) fn table(&self, seed: u64) -> ichor_run {
        ichor_run {
            size: size_of::<ichor_run>() as u32,
            max_threads: self.services.max_threads(),
            ctx: std::ptr::from_ref(self).cast_mut().cast(),
            seed,
            input,
            new_tensor,
            forward,
            emit_bytes,
            set_meta,
            scratch,
            cancelled,
            progress,
            log,
            parallel_for,
            write_blob,
            read_blob,
        }
    }
}

/// Longest text that a stage may log or name at once.
const MAX_TEXT: usize = 16 << 10;

/// Calls `body` with the run's state; a panic of the host's own must not cross the plugin's frames.
unsafe fn with<T>(run: *const ichor_run, otherwise: T, body: impl FnOnce(&State) -> T) -> T {
    // SAFETY: the plugin passes the table it was given, whose ctx is a State that lives until run() returns.
    let state = unsafe { &*(*run).ctx.cast::<State>() };
    catch_unwind(AssertUnwindSafe(|| body(state))).unwrap_or(otherwise)
}

/// The text, cut to a bearable length.
unsafe fn text<'a>(from: ichor_str) -> &'a str {
    let len = from.len.min(MAX_TEXT);
    if from.ptr.is_null() || len == 0 {
        return "";
    }
    // SAFETY: the plugin promises `len` readable bytes for the call.
    let bytes = unsafe { std::slice::from_raw_parts(from.ptr.cast::<u8>(), len) };
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default(),
    }
}

unsafe extern "C" fn input(run: *const ichor_run, port: u32, index: u32) -> *const ichor_value {
    // SAFETY: as `with` asks.
    unsafe {
        with(run, std::ptr::null(), |state| {
            let view = state.inputs.get(port as usize).and_then(|p| p.get(index as usize));
            view.map_or(std::ptr::null(), |v| v.raw())
        })
    }
}

#[allow(clippy::too_many_arguments, reason = "the contract's signature")]
unsafe extern "C" fn new_tensor(
    run: *const ichor_run,
    port: u32,
    kind: ichor_kind,
    unit: ichor_unit,
    dtype_code: u8,
    dtype_bits: u8,
    ndim: i32,
    shape: *const i64,
    geometry: *const ichor_geometry,
    out: *mut *const ichor_value,
) -> ichor_status {
    let known = (kind_from_code(kind), unit_from_code(unit), DType::from_code(dtype_code, dtype_bits));
    let (Some(kind), Some(unit), Some(dtype)) = known else { return ICHOR_BAD_PARAMS };
    if !(1..=8).contains(&ndim) || shape.is_null() || out.is_null() {
        return ICHOR_BAD_PARAMS;
    }
    // SAFETY: the plugin passes `ndim` numbers, and NULL or a geometry (ichor.h).
    let (dims, affine) = unsafe {
        let dims = std::slice::from_raw_parts(shape, ndim as usize).to_vec();
        let affine = geometry.as_ref().map(|g| [0, 1, 2].map(|r| [0, 1, 2, 3].map(|c| g.affine[4 * r + c])));
        (dims, affine)
    };
    let shape = Shape { kind, unit, dtype, dims, affine };
    // SAFETY: as `with` asks; `out` is writable.
    unsafe {
        with(run, ICHOR_INTERNAL, |state| match state.services.new_tensor(port, shape) {
            Ok(value) => {
                let view = View::new(&value);
                *out = view.raw();
                state.made.lock().unwrap_or_else(PoisonError::into_inner).push(view);
                ICHOR_OK
            }
            Err(status) => status,
        })
    }
}

unsafe extern "C" fn forward(run: *const ichor_run, out: u32, input: u32) -> ichor_status {
    // SAFETY: as `with` asks.
    unsafe { with(run, ICHOR_INTERNAL, |state| state.services.forward(out, input)) }
}

unsafe extern "C" fn emit_bytes(
    run: *const ichor_run,
    port: u32,
    kind: ichor_kind,
    bytes: *const c_void,
    len: usize,
) -> ichor_status {
    if (bytes.is_null() && len > 0) || len > isize::MAX as usize {
        return ICHOR_BAD_PARAMS;
    }
    // SAFETY: `len` readable bytes for the call (ichor.h); as `with` asks.
    unsafe {
        let bytes = if len == 0 { &[][..] } else { std::slice::from_raw_parts(bytes.cast::<u8>(), len) };
        with(run, ICHOR_INTERNAL, |state| state.services.emit_bytes(port, kind, bytes))
    }
}

unsafe extern "C" fn set_meta(run: *const ichor_run, port: u32, json: ichor_str) -> ichor_status {
    // SAFETY: the text is valid for the call; as `with` asks.
    unsafe {
        let Some(json) = json.text() else { return ICHOR_BAD_PARAMS };
        with(run, ICHOR_INTERNAL, |state| state.services.set_meta(port, json))
    }
}

unsafe extern "C" fn scratch(run: *const ichor_run, bytes: usize, align: usize) -> *mut c_void {
    // SAFETY: as `with` asks.
    unsafe {
        with(run, std::ptr::null_mut(), |state| {
            let Some(block) = Block::new(bytes, align) else { return std::ptr::null_mut() };
            let start = block.start();
            state.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(block);
            start.cast()
        })
    }
}

unsafe extern "C" fn write_blob(
    run: *const ichor_run,
    port: u32,
    offset: u64,
    bytes: *const c_void,
    len: usize,
) -> ichor_status {
    if (bytes.is_null() && len > 0) || len > isize::MAX as usize {
        return ICHOR_BAD_PARAMS;
    }
    // SAFETY: `len` readable bytes for the call (ichor.h); as `with` asks.
    unsafe {
        let bytes = if len == 0 { &[][..] } else { std::slice::from_raw_parts(bytes.cast::<u8>(), len) };
        with(run, ICHOR_INTERNAL, |state| state.services.write_blob(port, offset, bytes))
    }
}

unsafe extern "C" fn read_blob(
    run: *const ichor_run,
    port: u32,
    offset: u64,
    out: *mut c_void,
    len: usize,
) -> ichor_status {
    if out.is_null() || len > isize::MAX as usize {
        return ICHOR_BAD_PARAMS;
    }
    // SAFETY: `len` writable bytes for the call (ichor.h), zeroed before they are a slice; as `with` asks.
    unsafe {
        out.write_bytes(0, len);
        let out = std::slice::from_raw_parts_mut(out.cast::<u8>(), len);
        with(run, ICHOR_INTERNAL, |state| state.services.read_blob(port, offset, out))
    }
}

unsafe extern "C" fn cancelled(run: *const ichor_run) -> i32 {
    // SAFETY: as `with` asks.
    unsafe { with(run, 0, |state| i32::from(state.services.cancelled())) }
}

unsafe extern "C" fn progress(run: *const ichor_run, fraction: f64, what: ichor_str) {
    // SAFETY: the text is valid for the call; as `with` asks.
    unsafe { with(run, (), |state| state.progress(fraction, text(what))) }
}

unsafe extern "C" fn log(run: *const ichor_run, level: i32, message: ichor_str) {
    // SAFETY: the text is valid for the call; as `with` asks.
    unsafe { with(run, (), |state| state.log(level, text(message))) }
}

unsafe extern "C" fn parallel_for(
    run: *const ichor_run,
    n: u64,
    grain: u64,
    body: Option<ichor_body>,
    user: *mut c_void,
) -> ichor_status {
    // Ranges are counted in 64 bits with room for every thread's last step.
    let Some(body) = body.filter(|_| n < 1 << 60) else { return ICHOR_BAD_PARAMS };
    // SAFETY: as `with` asks.
    unsafe {
        with(run, ICHOR_INTERNAL, |state| {
            state.services.parallel_for(n, grain, body, user);
            ICHOR_OK
        })
    }
}
