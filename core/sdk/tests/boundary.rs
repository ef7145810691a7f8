//! The C boundary of a plugin against a host that errs: no panic gets out, no wrong view gets in.

#![allow(clippy::unwrap_used, clippy::undocumented_unsafe_blocks, reason = "tests with a host of their own")]

use ichor_sdk::abi::*;
use ichor_sdk::prelude::*;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// What the stage does.
#[derive(Param, Clone, Copy)]
enum Act {
    Invert,
    PanicInLoop,
    NestedLoop,
    InputInLoop,
    HugeOutput,
    Complain,
}

/// Does what it is told.
#[derive(Stage)]
#[stage(id = "probe", version = "1.0.0")]
#[input(mask, kind = "mask")]
#[output(mask, kind = "mask", grid = "mask")]
struct Probe {
    /// What to do.
    #[param(default = "invert")]
    act: Act,
    /// A limit that the type has too.
    #[param(min = 2, default = 2)]
    r#type: u32,
    /// A limit that only the type has.
    count: Option<u32>,
}

impl Run for Probe {
    fn run(&self, run: &Context) -> Result<()> {
        let input = run.input(Self::MASK)?;
        let mask = input.mask()?;
        match self.act {
            Act::Invert => {
                let out = run.new_mask(Self::MASK, input.grid())?;
                for_each_chunk(run, out, 3, &|n, part| {
                    part.iter_mut().zip(&mask[3 * n..]).for_each(|(o, &v)| *o = 1 - v);
                });
            }
            Act::PanicInLoop => run.for_each(8, 1, &|range| assert!(range.start != 5, "range five")),
            Act::NestedLoop => {
                let sums = map_ranges(run, 4, 1, &|_| map_ranges(run, 10, 4, &|r| r.len()).len());
                assert_eq!(sums, [3; 4]);
            }
            Act::InputInLoop => {
                let failures = map_ranges(run, 4, 1, &|_| run.input(Self::MASK).err().map(|e| e.to_string()));
                return Err(Error::internal(failures[3].clone().unwrap_or_default()));
            }
            Act::HugeOutput => {
                let shape = [1 << 32, 1 << 32, 1 + u32::from(self.count.is_some()) as usize];
                let grid = Grid { shape, affine: input.grid().affine };
                run.new_mask(Self::MASK, &grid)?;
            }
            Act::Complain => return Err(Error::bad_input(format!("{}µ", "x".repeat(self.r#type as usize)))),
        }
        Ok(())
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if self.r#type == 666 {
            panic!("in a destructor");
        }
    }
}

ichor_sdk::plugin!(Probe);

unsafe extern "C" {
    static ichor_plugin_v1: ichor_plugin;
}

fn plugin() -> &'static ichor_plugin {
    unsafe { &ichor_plugin_v1 }
}

/// A host of one input and one output, and the ways it can be told to err.
struct Host {
    input: ichor_value,
    output: ichor_value,
    made: Vec<u8>,
    loops: AtomicU32,
    loop_status: ichor_status,
    _geometry: Box<ichor_geometry>,
    _shape: Box<[i64; 4]>,
    _data: Vec<u64>,
}

impl Host {
    /// The input is a mask of 5 x 1 x 1 voxels, all 0.
    fn new() -> Self {
        let mut geometry = Box::new(ichor_geometry {
            size: 0,
            reserved: 0,
            affine: [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            spacing: [1.0; 3],
            orientation: [0; 4],
            reserved2: 0,
        });
        let mut shape = Box::new([1, 1, 5, 0]);
        let mut data = vec![0u64; 4];
        let mut value = |data: *mut c_void| ichor_value {
            size: size_of::<ichor_value>() as u32,
            kind: ICHOR_MASK,
            unit: ICHOR_UNIT_LABEL,
            reserved: 0,
            tensor: ichor_dl_tensor {
                data,
                device_type: 1,
                device_id: 0,
                ndim: 3,
                dtype_code: ICHOR_UINT,
                dtype_bits: 8,
                dtype_lanes: 1,
                shape: shape.as_mut_ptr(),
                strides: null_mut(),
                byte_offset: 0,
            },
            geometry: &raw const *geometry,
            bytes: null(),
            bytes_len: 0,
            meta: ichor_str::new(""),
        };
        let (input, output) = (value(data.as_mut_ptr().cast()), value(null_mut()));
        geometry.size = size_of::<ichor_geometry>() as u32;
        let (made, loops) = (Vec::new(), AtomicU32::new(0));
        Self {
            input,
            output,
            made,
            loops,
            loop_status: ICHOR_OK,
            _geometry: geometry,
            _shape: shape,
            _data: data,
        }
    }

    fn run(&mut self, params: &str) -> (ichor_status, String) {
        let stage = create(params.as_bytes()).unwrap();
        let ended = self.run_stage(stage);
        destroy(stage);
        ended
    }

    fn run_stage(&mut self, stage: *mut ichor_stage) -> (ichor_status, String) {
        let services = ichor_run {
            size: size_of::<ichor_run>() as u32,
            max_threads: 4,
            ctx: std::ptr::from_mut(self).cast(),
            seed: 1,
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
        };
        with_message(256, |err| unsafe { plugin().run.unwrap()(stage, &services, err) })
    }
}

unsafe extern "C" fn input(run: *const ichor_run, _: u32, index: u32) -> *const ichor_value {
    let host = unsafe { &*(*run).ctx.cast::<Host>() };
    if index == 0 { &host.input } else { null() }
}

unsafe extern "C" fn new_tensor(
    run: *const ichor_run,
    _: u32,
    _: ichor_kind,
    _: ichor_unit,
    _: u8,
    _: u8,
    ndim: i32,
    shape: *const i64,
    _: *const ichor_geometry,
    out: *mut *const ichor_value,
) -> ichor_status {
    let host = unsafe { &mut *(*run).ctx.cast::<Host>() };
    let shape = unsafe { std::slice::from_raw_parts(shape, ndim as usize) };
    host.made = vec![7; 3 + shape.iter().product::<i64>() as usize];
    host.output.tensor.data = host.made.as_mut_ptr().cast();
    host.output.tensor.byte_offset = 3;
    unsafe { *out = &host.output };
    ICHOR_OK
}

macro_rules! unused {
    ($($name:ident($($arg:ty),*) -> $ret:ty = $value:expr;)*) => {$(
        unsafe extern "C" fn $name($(_: $arg),*) -> $ret {
            $value
        }
    )*};
}

unused! {
    forward(*const ichor_run, u32, u32) -> ichor_status = ICHOR_UNSUPPORTED;
    emit_bytes(*const ichor_run, u32, ichor_kind, *const c_void, usize) -> ichor_status = ICHOR_UNSUPPORTED;
    write_blob(*const ichor_run, u32, u64, *const c_void, usize) -> ichor_status = ICHOR_UNSUPPORTED;
    read_blob(*const ichor_run, u32, u64, *mut c_void, usize) -> ichor_status = ICHOR_UNSUPPORTED;
    set_meta(*const ichor_run, u32, ichor_str) -> ichor_status = ICHOR_UNSUPPORTED;
    scratch(*const ichor_run, usize, usize) -> *mut c_void = null_mut();
    cancelled(*const ichor_run) -> i32 = 0;
    progress(*const ichor_run, f64, ichor_str) -> () = ();
    log(*const ichor_run, i32, ichor_str) -> () = ();
}

/// Every range on a thread of its own; an error leaves out all ranges but the first.
unsafe extern "C" fn parallel_for(
    run: *const ichor_run,
    n: u64,
    grain: u64,
    body: Option<ichor_body>,
    user: *mut c_void,
) -> ichor_status {
    let host = unsafe { &*(*run).ctx.cast::<Host>() };
    host.loops.fetch_add(1, Ordering::Relaxed);
    let (body, user) = (body.unwrap(), user as usize);
    thread::scope(|scope| {
        let ranges = if host.loop_status == ICHOR_OK { n.div_ceil(grain) } else { 1 };
        for r in 0..ranges {
            scope.spawn(move || unsafe { body(user as *mut c_void, r * grain, ((r + 1) * grain).min(n)) });
        }
    });
    host.loop_status
}

fn with_message(cap: usize, call: impl FnOnce(*mut ichor_error) -> ichor_status) -> (ichor_status, String) {
    let mut message = vec![0u8; cap];
    let mut err = ichor_error {
        size: size_of::<ichor_error>() as u32,
        cap: cap as u32,
        message: message.as_mut_ptr().cast::<c_char>(),
    };
    let status = call(&mut err);
    (status, CStr::from_bytes_until_nul(&message).unwrap().to_str().unwrap().to_owned())
}

fn create(params: &[u8]) -> Result<*mut ichor_stage, (ichor_status, String)> {
    let mut stage = null_mut();
    let params = ichor_str { ptr: params.as_ptr().cast(), len: params.len() };
    let ended = with_message(256, |err| unsafe {
        plugin().create.unwrap()(ichor_str::new("probe"), params, &mut stage, err)
    });
    if ended.0 == ICHOR_OK { Ok(stage) } else { Err(ended) }
}

fn destroy(stage: *mut ichor_stage) {
    unsafe { plugin().destroy.unwrap()(stage) }
}

fn act(act: &str) -> String {
    format!("{{\"act\":\"{act}\",\"type\":2,\"count\":null}}")
}

#[test]
fn an_input_and_an_output_may_share_a_name() {
    let mut host = Host::new();
    assert_eq!(host.run(&act("invert")), (ICHOR_OK, String::new()));
    assert_eq!(host.made, [7, 7, 7, 1, 1, 1, 1, 1], "the byte offset of an output counts");
}

#[test]
fn the_manifest_names_a_parameter_once_and_each_of_its_limits_once() {
    let manifest = unsafe { plugin().manifest.text() }.unwrap();
    assert!(manifest.contains(r#""type":{"type":"integer","minimum":2,"default":2"#), "{manifest}");
    assert!(manifest.contains(r#""count":{"type":["integer","null"],"minimum":0,"#), "{manifest}");
    let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap();
    assert_eq!(manifest["stages"][0]["inputs"][0]["name"], "mask");
    assert_eq!(manifest["stages"][0]["outputs"][0]["name"], "mask");
}

#[test]
fn a_panic_on_another_thread_is_told_and_poisons_the_instance() {
    // Only here, because from now on failures of these tests are not printed either.
    assert_eq!(unsafe { plugin().load.unwrap()(null(), null_mut()) }, ICHOR_OK);
    let (mut host, stage) = (Host::new(), create(act("panic-in-loop").as_bytes()).unwrap());
    let (status, message) = host.run_stage(stage);
    assert_eq!(status, ICHOR_PANICKED);
    assert!(message.starts_with("a bug in the plugin: range five ("), "{message}");
    assert_eq!(host.run_stage(stage).0, ICHOR_INTERNAL);
    destroy(stage);
}

#[test]
fn a_loop_that_the_host_ends_early_ends_the_stage() {
    let (mut host, stage) = (Host::new(), create(act("invert").as_bytes()).unwrap());
    host.loop_status = ICHOR_CANCELLED;
    assert_eq!(host.run_stage(stage), (ICHOR_CANCELLED, "cancelled".into()));
    host.loop_status = ICHOR_OUT_OF_MEMORY;
    assert_eq!(host.run_stage(stage).0, ICHOR_OUT_OF_MEMORY);
    host.loop_status = ICHOR_OK;
    assert_eq!(host.run_stage(stage).0, ICHOR_OK, "the stage did nothing wrong");
    destroy(stage);
}

#[test]
fn a_loop_in_a_loop_does_not_reach_the_host() {
    let mut host = Host::new();
    assert_eq!(host.run(&act("nested-loop")), (ICHOR_OK, String::new()));
    assert_eq!(host.loops.into_inner(), 1);
}

#[test]
fn ports_inside_a_loop_are_refused() {
    let (status, message) = Host::new().run(&act("input-in-loop"));
    assert_eq!(status, ICHOR_INTERNAL);
    assert!(message.starts_with("port `mask` was used inside a parallel loop"), "{message}");
}

#[test]
fn a_grid_whose_size_wraps_around_makes_no_slice() {
    // 2^64 elements are 0 in 64 bits, and 2^65 likewise.
    for count in ["null", "1"] {
        let params = format!("{{\"act\":\"huge-output\",\"type\":2,\"count\":{count}}}");
        let mut host = Host::new();
        assert_eq!(host.run(&params).0, ICHOR_OUT_OF_MEMORY);
        assert!(host.made.is_empty());
    }
}

#[test]
fn inputs_that_are_not_what_they_seem_are_refused() {
    type Change = fn(&mut Host);
    let changes: [(Change, ichor_status, &str); 11] = [
        (|h| h.input.kind = 9, ICHOR_INTERNAL, "unknown kind 9"),
        (|h| h.input.geometry = null(), ICHOR_INTERNAL, "without a geometry"),
        (|h| h._geometry.affine[0] = f64::NAN, ICHOR_BAD_INPUT, "input `mask`: the affine has"),
        (|h| h.input.tensor.ndim = 2, ICHOR_INTERNAL, "with 2 dimensions"),
        (|h| h._shape[1] = -1, ICHOR_BAD_INPUT, "is no shape"),
        (|h| (h.input.tensor.ndim, *h._shape) = (4, [-1, 1, 1, 5]), ICHOR_INTERNAL, "with 0 channels"),
        (|h| (h.input.tensor.ndim, *h._shape) = (4, [1 << 62, 4, 4, 4]), ICHOR_INTERNAL, "channels"),
        (|h| h.input.tensor.device_type = 2, ICHOR_INTERNAL, "device of type 2"),
        (|h| h.input.tensor.dtype_code = ICHOR_INT, ICHOR_INTERNAL, "DLPack type 0/8/1"),
        (|h| h.input.tensor.strides = h._shape.as_mut_ptr(), ICHOR_INTERNAL, "with gaps"),
        (
            |h| (h.input.tensor.dtype_bits, h.input.tensor.byte_offset) = (16, 1),
            ICHOR_INTERNAL,
            "at an address that its voxel type",
        ),
    ];
    for (change, status, words) in changes {
        let mut host = Host::new();
        change(&mut host);
        let ended = host.run(&act("invert"));
        assert_eq!(ended.0, status, "{ended:?}");
        assert!(ended.1.contains(words), "{ended:?}");
    }
    let mut host = Host::new();
    let mut compact = [77, 5, 1]; // the stride of an axis of one voxel means nothing
    host.input.tensor.strides = compact.as_mut_ptr();
    assert_eq!(host.run(&act("invert")).0, ICHOR_OK);
}

#[test]
fn parameters_that_are_no_text_are_refused() {
    for (params, words) in
        [(&b"\xff"[..], "no UTF-8"), (b"", "no JSON"), (b"[]", "parameter `act` is missing")]
    {
        let (status, message) = create(params).unwrap_err();
        assert_eq!(status, ICHOR_BAD_PARAMS);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn a_message_is_cut_between_characters() {
    // 256 bytes hold 255 and a NUL; the two bytes of µ would be the 255th and 256th.
    let (status, message) = Host::new().run("{\"act\":\"complain\",\"type\":254,\"count\":null}");
    assert_eq!((status, message), (ICHOR_BAD_INPUT, "x".repeat(254)));
}

#[test]
fn a_destructor_may_panic_and_null_is_no_instance() {
    destroy(create(b"{\"act\":\"invert\",\"type\":666,\"count\":null}").unwrap());
    destroy(null_mut());
}
