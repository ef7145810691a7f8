//! `ichor.h` is the source of truth: the compiler that plugins are built with must agree with every size,
//! offset, type and constant of the Rust mirror, and nothing may be missing on either side.
//!
//! For each field a C assertion is written from what Rust knows, so that a compiler error names the field that
//! differs. Three things make the lists below complete: a struct pattern without `..` does not compile when
//! Rust has another field; fields must fill their struct without a gap in C; and the names of all structs and
//! constants are read out of both texts.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_abi::*;
use std::collections::BTreeSet;
use std::ffi::{c_char, c_void};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A type of the contract as C writes it.
trait CType {
    fn c() -> String;
}

macro_rules! c_types {
    ($($ty:ty => $name:literal,)*) => {$(impl CType for $ty { fn c() -> String { $name.into() } })*};
}

c_types! {
    () => "void", c_void => "void", c_char => "char", u8 => "uint8_t", u16 => "uint16_t", u32 => "uint32_t",
    i32 => "int32_t", u64 => "uint64_t", i64 => "int64_t", usize => "size_t", f64 => "double",
    ichor_str => "ichor_str", ichor_dl_tensor => "ichor_dl_tensor", ichor_geometry => "ichor_geometry",
    ichor_value => "ichor_value", ichor_error => "ichor_error", ichor_host => "ichor_host",
    ichor_run => "ichor_run", ichor_plan => "ichor_plan", ichor_stage => "ichor_stage",
}

impl<T: CType> CType for *const T {
    fn c() -> String {
        // `const` binds to the left here, so that a pointer to a pointer comes out right.
        format!("{} const *", T::c())
    }
}

impl<T: CType> CType for *mut T {
    fn c() -> String {
        format!("{} *", T::c())
    }
}

impl<T: CType, const N: usize> CType for [T; N] {
    fn c() -> String {
        format!("{} [{N}]", T::c())
    }
}

impl<T: CType> CType for Option<T> {
    fn c() -> String {
        T::c()
    }
}

macro_rules! c_functions {
    ($(($($arg:ident)*))*) => {$(
        impl<R: CType, $($arg: CType),*> CType for unsafe extern "C" fn($($arg),*) -> R {
            fn c() -> String {
                let args: Vec<String> = vec![$($arg::c()),*];
                format!("{} (*)({})", R::c(), args.join(", "))
            }
        }
    )*};
}

c_functions! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F G H I J) }

/// Type and size of the field that `_get` reads.
fn field<S, T: CType>(_get: fn(&S) -> &T) -> (String, usize) {
    (T::c(), size_of::<T>())
}

struct Struct {
    name: &'static str,
    size: usize,
    /// Name, C type, offset, size.
    fields: Vec<(&'static str, String, usize, usize)>,
}

macro_rules! structs {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        vec![$({
            // Without `..`: a field that this list lacks does not compile.
            let _complete = |$name { $($field: _),* }: $name| ();
            Struct {
                name: stringify!($name),
                size: size_of::<$name>(),
                fields: vec![$({
                    let (ty, size) = field(|s: &$name| &s.$field);
                    (stringify!($field), ty, std::mem::offset_of!($name, $field), size)
                }),*],
            }
        }),*]
    };
}

fn structs() -> Vec<Struct> {
    structs! {
        ichor_str { ptr, len }
        ichor_error { size, cap, message }
        ichor_dl_tensor {
            data, device_type, device_id, ndim, dtype_code, dtype_bits, dtype_lanes, shape, strides, byte_offset,
        }
        ichor_geometry { size, reserved, affine, spacing, orientation, reserved2 }
        ichor_value { size, kind, unit, reserved, tensor, geometry, bytes, bytes_len, meta }
        ichor_host { size, abi_major, abi_minor, ctx, name, version, log, extension }
        ichor_run {
            size, max_threads, ctx, seed, input, new_tensor, forward, emit_bytes, set_meta, scratch, cancelled,
            progress, log, parallel_for, write_blob, read_blob,
        }
        ichor_plan { size, reserved, scratch_bytes, device_bytes, relative_cost }
        ichor_plugin {
            magic, abi_major, abi_minor, size, flags, manifest, load, create, plan, run, destroy, extension,
        }
    }
}

macro_rules! constants {
    ($($name:ident)*) => { vec![$((stringify!($name), i64::from($name))),*] };
}

fn constants() -> Vec<(&'static str, i64)> {
    constants! {
        ICHOR_ABI_MAJOR ICHOR_ABI_MINOR ICHOR_TARGET_MINOR ICHOR_MAGIC
        ICHOR_OK ICHOR_CANCELLED ICHOR_BAD_PARAMS ICHOR_BAD_INPUT ICHOR_UNSUPPORTED ICHOR_OUT_OF_MEMORY ICHOR_IO
        ICHOR_INTERNAL ICHOR_PANICKED ICHOR_ABI_MISMATCH ICHOR_CRASHED
        ICHOR_INT ICHOR_UINT ICHOR_FLOAT
        ICHOR_UNIT_NONE ICHOR_UNIT_HU ICHOR_UNIT_PROBABILITY ICHOR_UNIT_LABEL ICHOR_UNIT_MM
        ICHOR_VOLUME ICHOR_MASK ICHOR_LABELS ICHOR_PROBS ICHOR_TENSOR ICHOR_TABLE ICHOR_DOC ICHOR_BLOB
        ICHOR_LOG_ERROR ICHOR_LOG_WARN ICHOR_LOG_INFO ICHOR_LOG_DEBUG ICHOR_LOG_TRACE
    }
}

/// A C file that compiles when the header says what Rust says.
fn assertions() -> String {
    let mut c = String::from("#include \"ichor.h\"\n");
    let mut assert = |condition: String, what: String| {
        writeln!(c, "_Static_assert({condition}, \"{what}\");").unwrap();
    };
    for s in structs() {
        let name = s.name;
        assert(format!("sizeof({name}) == {}", s.size), format!("size of {name}"));
        let mut end = "0".to_string();
        for (field, ty, offset, size) in s.fields {
            let place = format!("offsetof({name}, {field})");
            assert(format!("{place} == {offset}"), format!("offset of {name}.{field}"));
            assert(format!("{place} == {end}"), format!("gap or unknown field before {name}.{field}"));
            assert(format!("sizeof((({name} *)0)->{field}) == {size}"), format!("size of {name}.{field}"));
            // Through a pointer, because in _Generic an array becomes a pointer by itself.
            let pointer = match ty.split_once("(*)") {
                Some((result, args)) => format!("{result}(**){args}"),
                None => match ty.split_once('[') {
                    Some((item, length)) => format!("{item}(*)[{length}"),
                    None => format!("{ty} *"),
                },
            };
            assert(
                format!("_Generic(&(({name} *)0)->{field}, {pointer}: 1, default: 0)"),
                format!("type of {name}.{field}: Rust says {ty}"),
            );
            end = format!("{place} + {size}");
        }
        assert(format!("sizeof({name}) == {end}"), format!("unknown field at the end of {name}"));
    }
    for (name, value) in constants() {
        assert(format!("{name} == {value}"), format!("{name}: Rust says {value}"));
    }
    let symbol = std::str::from_utf8(ICHOR_SYMBOL).unwrap().trim_end_matches('\0');
    assert(
        format!("_Generic(&{symbol}, const ichor_plugin *: 1, default: 0)"),
        format!("the header exports {symbol}"),
    );
    c
}

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include")
}

fn header() -> String {
    std::fs::read_to_string(include().join("ichor.h")).unwrap()
}

/// Compiles `source` against the headers in `include`; what the compiler says when it does not accept it.
fn compile(compiler: &str, args: &[&str], include: &Path, name: &str, source: &str) -> Result<(), String> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, source).unwrap();
    let output = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
        .arg(include)
        .args(args)
        .arg(&file)
        .output()
        .unwrap_or_else(|e| panic!("the C compiler `{compiler}` does not start: {e}; install gcc or clang"));
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The header without its comments, so that prose is not read as code.
fn code(header: &str) -> String {
    let mut out = String::new();
    let mut rest = header;
    while let Some((before, after)) = rest.split_once("/*") {
        out += before;
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out + rest
}

#[test]
fn the_c_compiler_sees_the_layout_that_rust_sees() {
    if let Err(said) = compile("cc", &["-std=c11"], &include(), "layout.c", &assertions()) {
        panic!("core/abi/src/lib.rs and core/include/ichor.h differ:\n{said}");
    }
}

#[test]
fn both_sides_name_the_same_constants_and_structs() {
    let (c, rust) = (code(&header()), include_str!("../src/lib.rs"));
    // Not compared here: macros with arguments, and what only C needs.
    let only_c = ["ICHOR_H", "ICHOR_EXPORT", "ICHOR_HAS", "ICHOR_STR", "ICHOR_ASSERT"];
    let in_c: BTreeSet<&str> = c
        .split(|x: char| !(x.is_ascii_alphanumeric() || x == '_'))
        .filter(|word| word.starts_with("ICHOR_") && !only_c.contains(word))
        .collect();
    let after = |text: &'static str, key: &str| -> BTreeSet<&'static str> {
        let name = |line: &'static str| line.split(|x: char| !(x.is_ascii_alphanumeric() || x == '_')).next();
        text.lines().filter_map(|l| l.strip_prefix(key)).filter_map(name).collect()
    };
    let mut in_rust = after(rust, "pub const ");
    assert!(in_rust.remove("ICHOR_SYMBOL"), "the symbol's name is compared by the compiler");
    assert_eq!(in_c, in_rust);

    let mut compared: BTreeSet<&str> = constants().iter().map(|c| c.0).collect();
    compared.insert("ICHOR_MANIFEST_SECTION");
    assert_eq!(compared, in_c);
    // A string is no constant expression in C, so the compiler cannot compare it.
    assert!(c.contains(&format!("#define ICHOR_MANIFEST_SECTION \"{ICHOR_MANIFEST_SECTION}\"")));

    let in_c: BTreeSet<String> = c
        .lines()
        .filter_map(|line| line.strip_suffix(" {")?.rsplit_once("struct ").map(|s| s.1.to_owned()))
        .collect();
    let compared: BTreeSet<String> = structs().iter().map(|s| s.name.to_owned()).collect();
    assert_eq!(in_c, compared);
    let mut in_rust = after(rust, "pub struct ");
    assert!(in_rust.remove("ichor_stage"), "opaque");
    assert!(in_rust.iter().copied().eq(compared.iter().map(String::as_str)), "{in_rust:?}");
}

/// The comparison above is only worth something if it notices a change.
#[test]
fn a_changed_header_is_noticed() {
    let header = header();
    for (n, (from, to, complaint)) in [
        // At the end, where every other offset stays.
        ("  double relative_cost;", "  double relative_cost; double more;", "size of ichor_plan"),
        // In the place of padding nobody had, at the size that is pinned.
        ("  uint32_t reserved2;", "  uint16_t reserved2, more;", "size of ichor_geometry.reserved2"),
        ("  uint64_t seed;", "  int64_t seed;", "type of ichor_run.seed"),
        (
            "int32_t (*cancelled)(const ichor_run *)",
            "int32_t (*cancelled)(ichor_run *)",
            "ichor_run.cancelled",
        ),
        ("ICHOR_CRASHED = 10", "ICHOR_CRASHED = 11", "ICHOR_CRASHED: Rust says 10"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(header.matches(from).count(), 1, "{from}");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("changed-{n}"));
        std::fs::create_dir_all(&dir).unwrap();
        // The header's own assertions would hide whether ours work.
        let changed = header.replace(from, to).replace("ICHOR_ASSERT(sizeof(ichor_plan) == 32);", "");
        std::fs::write(dir.join("ichor.h"), changed).unwrap();
        let said = compile("cc", &["-std=c11"], &dir, &format!("changed-{n}.c"), &assertions()).unwrap_err();
        assert!(said.contains(complaint), "{said}");
    }
}

#[test]
fn the_headers_compile_in_cpp_without_a_warning() {
    for header in ["ichor.h", "ichor.hpp"] {
        let source = format!("#include \"{header}\"\n#include \"{header}\"\nint main() {{ return 0; }}\n");
        if let Err(said) = compile("c++", &["-std=c++17"], &include(), &format!("{header}.cpp"), &source) {
            panic!("{said}");
        }
    }
}
