//! What the host offers a stage during a run.

use crate::blob::Store;
use crate::export::{Ended, last_panic, set_last_panic};
use crate::{Blob, Error, Input, Kind, Result, Table, Unit, Voxel};
use ichor_abi::*;
use ichor_image::{Grid, Parallel, Serial};
use std::any::Any;
use std::ffi::c_void;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ThreadId};

/// Handle of an input port; the derive makes one a port.
#[derive(Clone, Copy, Debug)]
pub struct In(u32, &'static str, &'static [&'static str]);

/// Handle of an output port; the derive makes one a port.
#[derive(Clone, Copy, Debug)]
pub struct Out(u32, &'static str);

/// Handle of an input and an output port of one name: either, as the call needs it.
#[derive(Clone, Copy, Debug)]
pub struct InOut(In, Out);

impl From<InOut> for In {
    fn from(both: InOut) -> Self {
        both.0
    }
}

impl From<InOut> for Out {
    fn from(both: InOut) -> Self {
        both.1
    }
}

impl InOut {
    #[doc(hidden)]
    pub const fn new(input: u32, output: u32, name: &'static str, kinds: &'static [&'static str]) -> Self {
        Self(In(input, name, kinds), Out(output, name))
    }
}

impl In {
    #[doc(hidden)]
    pub const fn new(port: u32, name: &'static str, kinds: &'static [&'static str]) -> Self {
        Self(port, name, kinds)
    }
}

impl Out {
    #[doc(hidden)]
    pub const fn new(port: u32, name: &'static str) -> Self {
        Self(port, name)
    }
}

/// A blob in the hands of the host.
struct Kept<'a> {
    run: &'a ichor_run,
    port: Out,
}

// SAFETY: the two functions that are called are [any-thread] in ichor.h, and the run outlives `'a`.
unsafe impl Send for Kept<'_> {}

impl Store for Kept<'_> {
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        // SAFETY: the bytes are valid for the call.
        let status = unsafe {
            (self.run.write_blob)(self.run, self.port.0, offset, bytes.as_ptr().cast(), bytes.len())
        };
        Context::check(status, self.port, "keep")
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        // SAFETY: `out` is writable for the call.
        let status = unsafe {
            (self.run.read_blob)(self.run, self.port.0, offset, out.as_mut_ptr().cast(), out.len())
        };
        Context::check(status, self.port, "read")
    }
}

/// The host's services for one run: inputs, outputs, threads, progress, log, cancellation.
///
/// It implements [`Parallel`], so it can be handed to every function of `ichor_image`.
pub struct Context<'a> {
    run: &'a ichor_run,
    thread: ThreadId,
    looping: AtomicBool,
}

// SAFETY: what Context calls from any thread (cancelled, progress, log) is [any-thread] in ichor.h; before
// what is [run-thread] it checks that it is on the run thread and outside a loop.
unsafe impl Sync for Context<'_> {}

impl<'a> Context<'a> {
    /// # Safety
    /// `run` comes from the host and lives for `'a`.
    pub(crate) unsafe fn new(run: *const ichor_run) -> Self {
        // SAFETY: the caller's promise.
        Self { run: unsafe { &*run }, thread: thread::current().id(), looping: AtomicBool::new(false) }
    }

    fn on_run_thread(&self) -> bool {
        !self.looping.load(Ordering::Relaxed) && thread::current().id() == self.thread
    }

    /// Before everything that ichor.h marks [run-thread].
    fn check_thread(&self, name: &str) -> Result<()> {
        if self.on_run_thread() {
            return Ok(());
        }
        Err(Error::internal(format!(
            "port `{name}` was used inside a parallel loop; take inputs and outputs before"
        )))
    }

    fn get(&self, port: In, index: u32) -> Result<Option<Input<'a>>> {
        self.check_thread(port.1)?;
        // SAFETY: a value the host returns lives until run() returns, hence for 'a.
        let value = unsafe { (self.run.input)(self.run, port.0, index).as_ref() };
        let input = value.map(|value| Input::new(value, port.1)).transpose()?;
        // Every host must see to it; a stage that trusts blindly would read past the end of a value if one did not.
        match input.as_ref().map(|i| i.kind().name()).filter(|kind| !port.2.contains(kind)) {
            Some(kind) => Err(Error::bad_input(format!(
                "input `{}` is {kind}, {} is needed",
                port.1,
                port.2.join(" or ")
            ))),
            None => Ok(input),
        }
    }

    /// The input at `port`.
    ///
    /// # Errors
    /// [`Error::bad_input`] when it is not connected or makes no sense.
    pub fn input(&self, port: impl Into<In>) -> Result<Input<'a>> {
        let port = port.into();
        let missing = || Error::bad_input(format!("input `{}` is not connected", port.1));
        self.get(port, 0)?.ok_or_else(missing)
    }

    /// The input at an optional port.
    ///
    /// # Errors
    /// [`Error::bad_input`] when it makes no sense.
    pub fn optional(&self, port: impl Into<In>) -> Result<Option<Input<'a>>> {
        self.get(port.into(), 0)
    }

    /// All connections of a `many` port, in the order of the pipeline file.
    ///
    /// # Errors
    /// [`Error::bad_input`] when one makes no sense.
    pub fn many(&self, port: impl Into<In>) -> Result<Vec<Input<'a>>> {
        let port = port.into();
        (0..).map_while(|index| self.get(port, index).transpose()).collect()
    }

    fn tensor<T: Voxel>(
        &self,
        port: Out,
        kind: ichor_kind,
        unit: ichor_unit,
        channels: Option<usize>,
        grid: &Grid,
    ) -> Result<&'a mut [T]> {
        self.check_thread(port.1)?;
        let [nx, ny, nz] = grid.shape;
        let full = [channels.unwrap_or(1), nz, ny, nx];
        // A Grid can be built by hand. Elements are counted here too: the slice below must not wrap around.
        let n = full.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n < 1 << 48);
        let n = n.ok_or_else(|| {
            Error::out_of_memory(format!("output `{}` of {nx} x {ny} x {nz} voxels is too large", port.1))
        })?;
        let full = full.map(|n| n as i64);
        let shape = if channels.is_some() { &full[..] } else { &full[1..] };
        let mut geometry = ichor_geometry {
            size: size_of::<ichor_geometry>() as u32,
            reserved: 0,
            affine: [0.0; 12],
            spacing: grid.spacing(),
            orientation: [0; 4],
            reserved2: 0,
        };
        for (n, value) in geometry.affine.iter_mut().enumerate() {
            *value = grid.affine.0[n / 4][n % 4];
        }
        let (code, bits) = T::DTYPE.code();
        let mut out = std::ptr::null();
        // SAFETY: every pointer is valid for the call.
        let status = unsafe {
            let (ndim, shape) = (shape.len() as i32, shape.as_ptr());
            (self.run.new_tensor)(self.run, port.0, kind, unit, code, bits, ndim, shape, &geometry, &mut out)
        };
        Self::check(status, port, "make")?;
        // SAFETY: the host returns a value that lives until run() returns.
        let Some(t) = (unsafe { out.as_ref() }).map(|value| &value.tensor).filter(|t| !t.data.is_null())
        else {
            return Ok(&mut []); // a plan: declared, without memory
        };
        let data = t.data.cast::<u8>().wrapping_add(t.byte_offset as usize).cast::<T>();
        if !data.is_aligned() {
            return Err(Error::internal(format!("the host made output `{}` at an odd address", port.1)));
        }
        // SAFETY: the host allocated room for the shape's elements for this stage alone; a second call for the
        // same port is refused, so the slice is unique. It is aligned, its length was checked, and every bit
        // pattern is a T, because Voxel is sealed.
        Ok(unsafe { std::slice::from_raw_parts_mut(data, n) })
    }

    fn check(status: ichor_status, port: Out, verb: &str) -> Result<()> {
        match status {
            ICHOR_OK => Ok(()),
            ICHOR_OUT_OF_MEMORY => Err(Error::out_of_memory(format!(
                "no memory for output `{}`; raise the limit or resample",
                port.1
            ))),
            _ => Err(Error { status, message: format!("the host would not {verb} output `{}`", port.1) }),
        }
    }

    /// A volume on `grid`. Its content is unspecified: write every voxel.
    ///
    /// # Errors
    /// No memory, or the host refuses (port made before, wrong kind, bad geometry).
    pub fn new_volume<T: Voxel>(&self, port: impl Into<Out>, unit: Unit, grid: &Grid) -> Result<&'a mut [T]> {
        self.tensor(port.into(), ICHOR_VOLUME, unit.code(), None, grid)
    }

    /// A mask on `grid`: write 0 or 1 to every voxel.
    ///
    /// # Errors
    /// As [`Context::new_volume`].
    pub fn new_mask(&self, port: impl Into<Out>, grid: &Grid) -> Result<&'a mut [u8]> {
        self.tensor(port.into(), ICHOR_MASK, ICHOR_UNIT_LABEL, None, grid)
    }

    /// A label map on `grid`.
    ///
    /// # Errors
    /// As [`Context::new_volume`].
    pub fn new_labels<T: Voxel>(&self, port: impl Into<Out>, grid: &Grid) -> Result<&'a mut [T]> {
        self.tensor(port.into(), ICHOR_LABELS, ICHOR_UNIT_LABEL, None, grid)
    }

    /// Probabilities of `classes` classes, one volume after another.
    ///
    /// # Errors
    /// As [`Context::new_volume`].
    pub fn new_probs(&self, port: impl Into<Out>, classes: usize, grid: &Grid) -> Result<&'a mut [f32]> {
        let channels = (classes > 1).then_some(classes);
        self.tensor(port.into(), ICHOR_PROBS, ICHOR_UNIT_PROBABILITY, channels, grid)
    }

    /// An output of the kind and unit of `input`, on `grid`.
    ///
    /// # Errors
    /// As [`Context::new_volume`].
    pub fn new_like<T: Voxel>(
        &self,
        port: impl Into<Out>,
        input: &Input,
        grid: &Grid,
    ) -> Result<&'a mut [T]> {
        let channels = (input.channels() > 1).then_some(input.channels());
        self.tensor(port.into(), input.kind().code(), input.unit().code(), channels, grid)
    }

    /// Makes an output the input itself: nothing is copied.
    ///
    /// # Errors
    /// The input is not connected, or the output was made before.
    pub fn forward(&self, out: impl Into<Out>, input: impl Into<In>) -> Result<()> {
        let (out, input) = (out.into(), input.into());
        self.check_thread(out.1)?;
        // SAFETY: plain numbers.
        Self::check(unsafe { (self.run.forward)(self.run, out.0, input.0) }, out, "forward an input to")
    }

    fn emit(&self, port: Out, kind: Kind, bytes: &[u8]) -> Result<()> {
        self.check_thread(port.1)?;
        // SAFETY: the bytes are valid for the call, in which the host copies them.
        let status = unsafe {
            (self.run.emit_bytes)(self.run, port.0, kind.code(), bytes.as_ptr().cast(), bytes.len())
        };
        Self::check(status, port, "take")
    }

    /// A table.
    ///
    /// # Errors
    /// The output was made before or is no table port.
    pub fn emit_table(&self, port: impl Into<Out>, table: &Table) -> Result<()> {
        self.emit(port.into(), Kind::Table, table.to_json().as_bytes())
    }

    /// Bytes with their media type, written as `<output name>.<extension>` when the pipeline names them.
    ///
    /// # Errors
    /// The output was made before or is no blob port.
    pub fn emit_blob(
        &self,
        port: impl Into<Out>,
        media_type: &str,
        extension: &str,
        bytes: Vec<u8>,
    ) -> Result<()> {
        let port = port.into();
        self.emit(port, Kind::Blob, &bytes)?;
        self.set_media(port, media_type, extension)
    }

    /// An empty blob that becomes an output. For what is large and made piece by piece: the host keeps it, outside of
    /// memory where it can; ends in [`emit_made`](Self::emit_made).
    #[must_use]
    pub fn blob(&self, port: impl Into<Out>) -> Blob<'a> {
        let is_offered = self.run.size as usize >= std::mem::offset_of!(ichor_run, read_blob) + 8;
        if is_offered { Blob::kept_by(Kept { run: self.run, port: port.into() }) } else { Blob::new() }
    }

    /// Like [`emit_blob`](Self::emit_blob), of what [`blob`](Self::blob) began for the same output.
    ///
    /// # Errors
    /// The output was made before or is no blob port.
    pub fn emit_made(
        &self,
        port: impl Into<Out>,
        media_type: &str,
        extension: &str,
        mut blob: Blob,
    ) -> Result<()> {
        let port = port.into();
        self.check_thread(port.1)?;
        // An empty one is made, too.
        blob.overwrite(0, &[])?;
        if let Some(bytes) = blob.into_own() {
            self.emit(port, Kind::Blob, &bytes)?;
        }
        self.set_media(port, media_type, extension)
    }

    /// Text with its media type, written as `<output name>.<extension>` when the pipeline names it.
    ///
    /// # Errors
    /// The output was made before or is no doc port.
    pub fn emit_doc(
        &self,
        port: impl Into<Out>,
        media_type: &str,
        extension: &str,
        text: &str,
    ) -> Result<()> {
        let port = port.into();
        self.emit(port, Kind::Doc, text.as_bytes())?;
        self.set_media(port, media_type, extension)
    }

    fn set_media(&self, port: Out, media_type: &str, extension: &str) -> Result<()> {
        self.set_meta(port, &serde_json::json!({ "media_type": media_type, "extension": extension }))
    }

    /// Metadata of an output that was made before: a JSON object.
    ///
    /// # Errors
    /// There is no such output yet, or `meta` is no object.
    pub fn set_meta(&self, port: impl Into<Out>, meta: &serde_json::Value) -> Result<()> {
        let port = port.into();
        self.check_thread(port.1)?;
        let text = meta.to_string();
        // SAFETY: the text is valid for the call.
        Self::check(unsafe { (self.run.set_meta)(self.run, port.0, ichor_str::new(&text)) }, port, "describe")
    }

    /// The seed of this stage in this pipeline; with the parameters, the only source of randomness.
    pub fn seed(&self) -> u64 {
        self.run.seed
    }

    /// This run's share of the machine.
    pub fn max_threads(&self) -> usize {
        self.run.max_threads.max(1) as usize
    }

    /// Whether the run should stop. Cheap: ask once a slice.
    pub fn cancelled(&self) -> bool {
        // SAFETY: [any-thread] by contract.
        unsafe { (self.run.cancelled)(self.run) != 0 }
    }

    /// `Err` when the run should stop: `run.check_cancelled()?` in a loop is all that a stage needs.
    ///
    /// # Errors
    /// [`Error::cancelled`].
    pub fn check_cancelled(&self) -> Result<()> {
        if self.cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }

    /// Tells how far the run is, 0 to 1.
    pub fn progress(&self, fraction: f64, what: &str) {
        // SAFETY: [any-thread] by contract; the text is valid for the call.
        unsafe { (self.run.progress)(self.run, fraction, ichor_str::new(what)) }
    }

    /// Writes to the run's log.
    pub fn info(&self, message: &str) {
        // SAFETY: as progress.
        unsafe { (self.run.log)(self.run, ICHOR_LOG_INFO, ichor_str::new(message)) }
    }

    /// Warns in the run's log.
    pub fn warn(&self, message: &str) {
        // SAFETY: as progress.
        unsafe { (self.run.log)(self.run, ICHOR_LOG_WARN, ichor_str::new(message)) }
    }
}

type Body<'b> = &'b (dyn Fn(Range<usize>) + Sync);

struct Loop<'b> {
    body: Body<'b>,
    /// The first panic: what the hook noted on that thread, and its payload.
    panic: Mutex<Option<(String, Box<dyn Any + Send>)>>,
}

unsafe extern "C" fn trampoline(user: *mut c_void, begin: u64, end: u64) {
    // SAFETY: `user` is the Loop that for_each passed and keeps until the loop has ended.
    let this = unsafe { &*user.cast::<Loop>() };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (this.body)(begin as usize..end as usize))) {
        match this.panic.lock() {
            Ok(mut slot) if slot.is_none() => *slot = Some((last_panic(), payload)),
            // One is enough, and dropping a payload may panic again.
            _ => std::mem::forget(payload),
        }
    }
}

impl Parallel for Context<'_> {
    /// A loop inside a loop runs where it is, one range after another, as every loop does that is started on
    /// a thread of the plugin's own.
    fn for_each(&self, n: usize, grain: usize, body: Body<'_>) {
        if !self.on_run_thread() {
            return Serial.for_each(n, grain, body);
        }
        let this = Loop { body, panic: Mutex::new(None) };
        self.looping.store(true, Ordering::Relaxed);
        // SAFETY: `this` outlives the call, and no body runs any more when the host returns.
        let status = unsafe {
            let user = std::ptr::from_ref(&this).cast_mut().cast();
            (self.run.parallel_for)(self.run, n as u64, grain.max(1) as u64, Some(trampoline), user)
        };
        self.looping.store(false, Ordering::Relaxed);
        // A panic must not cross the host's frames: it was carried here and goes on on our own stack.
        if let Some((text, payload)) = this.panic.into_inner().unwrap_or_default() {
            set_last_panic(text);
            resume_unwind(payload);
        }
        // Ranges are missing, and a loop has no way to say so: leave the stage, as a panic would.
        if status != ICHOR_OK {
            resume_unwind(Box::new(Ended(status)));
        }
    }
}
