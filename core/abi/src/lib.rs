//! The plugin contract of `core/include/ichor.h` in Rust, field by field.
//!
//! The header is the source of truth and carries the prose: who owns what, which thread may call.
//! A layout test compiles it and compares every size, offset and constant with this file.
#![no_std]
#![allow(non_camel_case_types, missing_docs)] // names and documentation are the header's

use core::ffi::{c_char, c_void};

pub const ICHOR_ABI_MAJOR: u16 = 1;
pub const ICHOR_ABI_MINOR: u16 = 1;
pub const ICHOR_TARGET_MINOR: u16 = 0;
pub const ICHOR_MAGIC: u32 = 0x5248_4349;
pub const ICHOR_MANIFEST_SECTION: &str = ".ichor.manifest";
/// The exported symbol, NUL-terminated for `dlsym`.
pub const ICHOR_SYMBOL: &[u8] = b"ichor_plugin_v1\0";

/// Opaque stage instance.
#[repr(C)]
pub struct ichor_stage {
    _private: [u8; 0],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ichor_str {
    pub ptr: *const c_char,
    pub len: usize,
}

impl ichor_str {
    /// Points to `text`, which must outlive the call it is passed to.
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr().cast(), len: text.len() }
    }

    /// The text, or `None` when it is not UTF-8.
    ///
    /// # Safety
    /// `ptr` is NULL or points to `len` readable bytes that live for `'a`.
    pub unsafe fn text<'a>(self) -> Option<&'a str> {
        if self.ptr.is_null() || self.len == 0 {
            return Some("");
        }
        // SAFETY: the caller's promise.
        core::str::from_utf8(unsafe { core::slice::from_raw_parts(self.ptr.cast(), self.len) }).ok()
    }
}

pub type ichor_status = i32;
pub const ICHOR_OK: ichor_status = 0;
pub const ICHOR_CANCELLED: ichor_status = 1;
pub const ICHOR_BAD_PARAMS: ichor_status = 2;
pub const ICHOR_BAD_INPUT: ichor_status = 3;
pub const ICHOR_UNSUPPORTED: ichor_status = 4;
pub const ICHOR_OUT_OF_MEMORY: ichor_status = 5;
pub const ICHOR_IO: ichor_status = 6;
pub const ICHOR_INTERNAL: ichor_status = 7;
pub const ICHOR_PANICKED: ichor_status = 8;
pub const ICHOR_ABI_MISMATCH: ichor_status = 9;
pub const ICHOR_CRASHED: ichor_status = 10;

#[repr(C)]
pub struct ichor_error {
    pub size: u32,
    pub cap: u32,
    pub message: *mut c_char,
}

pub const ICHOR_INT: u8 = 0;
pub const ICHOR_UINT: u8 = 1;
pub const ICHOR_FLOAT: u8 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ichor_dl_tensor {
    pub data: *mut c_void,
    pub device_type: i32,
    pub device_id: i32,
    pub ndim: i32,
    pub dtype_code: u8,
    pub dtype_bits: u8,
    pub dtype_lanes: u16,
    pub shape: *mut i64,
    pub strides: *mut i64,
    pub byte_offset: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ichor_geometry {
    pub size: u32,
    pub reserved: u32,
    pub affine: [f64; 12],
    pub spacing: [f64; 3],
    pub orientation: [c_char; 4],
    pub reserved2: u32,
}

pub type ichor_unit = i32;
pub const ICHOR_UNIT_NONE: ichor_unit = 0;
pub const ICHOR_UNIT_HU: ichor_unit = 1;
pub const ICHOR_UNIT_PROBABILITY: ichor_unit = 2;
pub const ICHOR_UNIT_LABEL: ichor_unit = 3;
pub const ICHOR_UNIT_MM: ichor_unit = 4;

pub type ichor_kind = i32;
pub const ICHOR_VOLUME: ichor_kind = 1;
pub const ICHOR_MASK: ichor_kind = 2;
pub const ICHOR_LABELS: ichor_kind = 3;
pub const ICHOR_PROBS: ichor_kind = 4;
pub const ICHOR_TENSOR: ichor_kind = 5;
pub const ICHOR_TABLE: ichor_kind = 6;
pub const ICHOR_DOC: ichor_kind = 7;
pub const ICHOR_BLOB: ichor_kind = 8;

#[repr(C)]
pub struct ichor_value {
    pub size: u32,
    pub kind: ichor_kind,
    pub unit: ichor_unit,
    pub reserved: u32,
    pub tensor: ichor_dl_tensor,
    pub geometry: *const ichor_geometry,
    pub bytes: *const c_void,
    pub bytes_len: u64,
    pub meta: ichor_str,
}

pub const ICHOR_LOG_ERROR: i32 = 1;
pub const ICHOR_LOG_WARN: i32 = 2;
pub const ICHOR_LOG_INFO: i32 = 3;
pub const ICHOR_LOG_DEBUG: i32 = 4;
pub const ICHOR_LOG_TRACE: i32 = 5;

#[repr(C)]
pub struct ichor_host {
    pub size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub ctx: *mut c_void,
    pub name: ichor_str,
    pub version: ichor_str,
    pub log: unsafe extern "C" fn(*const ichor_host, i32, ichor_str),
    pub extension: unsafe extern "C" fn(*const ichor_host, ichor_str) -> *const c_void,
}

/// Body of a parallel loop: `(user, begin, end)`.
pub type ichor_body = unsafe extern "C" fn(*mut c_void, u64, u64);

#[repr(C)]
pub struct ichor_run {
    pub size: u32,
    pub max_threads: u32,
    pub ctx: *mut c_void,
    pub seed: u64,
    pub input: unsafe extern "C" fn(*const ichor_run, u32, u32) -> *const ichor_value,
    pub new_tensor: unsafe extern "C" fn(
        *const ichor_run,
        u32,
        ichor_kind,
        ichor_unit,
        u8,
        u8,
        i32,
        *const i64,
        *const ichor_geometry,
        *mut *const ichor_value,
    ) -> ichor_status,
    pub forward: unsafe extern "C" fn(*const ichor_run, u32, u32) -> ichor_status,
    pub emit_bytes:
        unsafe extern "C" fn(*const ichor_run, u32, ichor_kind, *const c_void, usize) -> ichor_status,
    pub set_meta: unsafe extern "C" fn(*const ichor_run, u32, ichor_str) -> ichor_status,
    pub scratch: unsafe extern "C" fn(*const ichor_run, usize, usize) -> *mut c_void,
    pub cancelled: unsafe extern "C" fn(*const ichor_run) -> i32,
    pub progress: unsafe extern "C" fn(*const ichor_run, f64, ichor_str),
    pub log: unsafe extern "C" fn(*const ichor_run, i32, ichor_str),
    pub parallel_for:
        unsafe extern "C" fn(*const ichor_run, u64, u64, Option<ichor_body>, *mut c_void) -> ichor_status,
    /// Since 1.1.
    pub write_blob: unsafe extern "C" fn(*const ichor_run, u32, u64, *const c_void, usize) -> ichor_status,
    /// Since 1.1.
    pub read_blob: unsafe extern "C" fn(*const ichor_run, u32, u64, *mut c_void, usize) -> ichor_status,
}

#[repr(C)]
pub struct ichor_plan {
    pub size: u32,
    pub reserved: u32,
    pub scratch_bytes: u64,
    pub device_bytes: u64,
    pub relative_cost: f64,
}

pub type ichor_load_fn = unsafe extern "C" fn(*const ichor_host, *mut ichor_error) -> ichor_status;
pub type ichor_create_fn =
    unsafe extern "C" fn(ichor_str, ichor_str, *mut *mut ichor_stage, *mut ichor_error) -> ichor_status;
pub type ichor_plan_fn = unsafe extern "C" fn(
    *mut ichor_stage,
    *const ichor_run,
    *mut ichor_plan,
    *mut ichor_error,
) -> ichor_status;
pub type ichor_run_fn =
    unsafe extern "C" fn(*mut ichor_stage, *const ichor_run, *mut ichor_error) -> ichor_status;
pub type ichor_destroy_fn = unsafe extern "C" fn(*mut ichor_stage);
pub type ichor_extension_fn = unsafe extern "C" fn(ichor_str) -> *const c_void;

#[repr(C)]
pub struct ichor_plugin {
    pub magic: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub size: u32,
    pub flags: u32,
    pub manifest: ichor_str,
    pub load: Option<ichor_load_fn>,
    pub create: Option<ichor_create_fn>,
    pub plan: Option<ichor_plan_fn>,
    pub run: Option<ichor_run_fn>,
    pub destroy: Option<ichor_destroy_fn>,
    pub extension: Option<ichor_extension_fn>,
}

// SAFETY: an exported ichor_plugin is immutable data: function pointers and a static string.
unsafe impl Sync for ichor_plugin {}
