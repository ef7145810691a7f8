//! Matrix products of bfloat16 by the tiles of AMX. Everything else of that set of kernels is AVX-512's.
//!
//! By inline assembly: the compiler offers no stable functions for tiles, and never uses these registers itself.

use super::gemm;
use std::arch::asm;

/// Rows and columns of sixteen of a block: two by two tiles of sums, of the eight that there are.
pub(crate) const ROWS: usize = 32;
pub(crate) const COLS: usize = 2;

/// What `ldtilecfg` reads (Intel's manual, volume 1, section 18.2).
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

const fn of_each<T: Copy>(value: T, none: T) -> [T; 16] {
    let mut all = [none; 16];
    let mut tile = 0;
    while tile < 8 {
        all[tile] = value;
        tile += 1;
    }
    all
}

/// Eight tiles of sixteen rows of sixteen words.
static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: of_each(64, 0),
    rows: of_each(16, 0),
};

/// Whether the processor has tiles for bfloat16 and the system lets this process use them.
#[cfg(target_os = "linux")]
pub(crate) fn available() -> bool {
    use std::arch::x86_64::__cpuid_count;
    use std::sync::OnceLock;
    static ALLOWED: OnceLock<bool> = OnceLock::new();
    let ask = || {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        let has = |bits: u32| __cpuid_count(7, 0).edx & bits == bits;
        // Under some hypervisors the processor claims tiles but knows no shape of them.
        if __cpuid_count(0, 0).eax < 0x1d || !has(BF16 | TILE) || __cpuid_count(0x1d, 0).eax == 0 {
            return false;
        }
        // Linux gives room for the tiles to processes that ask for it: arch_prctl (158) with
        // ARCH_REQ_XCOMP_PERM, for the state component 18.
        let refused: i64;
        // SAFETY: a system call that touches no memory of ours.
        unsafe {
            asm!("syscall", inlateout("rax") 158_i64 => refused, in("rdi") 0x1023, in("rsi") 18,
                 out("rcx") _, out("r11") _, options(nostack));
        }
        refused == 0
    };
    *ALLOWED.get_or_init(ask)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn available() -> bool {
    false
}

/// Sets the tiles up for [`block`].
///
/// # Safety
/// [`available`] said yes.
#[inline(always)]
pub(crate) unsafe fn begin() {
    // SAFETY: the configuration is a valid one of 64 bytes.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly, preserves_flags),
             out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
             out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _);
    }
}

/// Gives the tiles back, so that the system need not save them for a thread that does other work.
///
/// # Safety
/// As for [`begin`].
#[inline(always)]
pub(crate) unsafe fn end() {
    // SAFETY: nothing but the tiles changes.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) }
}

/// As [`gemm::block`], 32 x 32 sums. A tile of sums adds the even items of a word's pair apart from the odd ones,
/// thirty-two items at a time, so that the last bit may differ from [`gemm::block`]'s.
///
/// # Safety
/// As for [`gemm::block`], between [`begin`] and [`end`] on this thread.
#[inline(always)]
pub(crate) unsafe fn block(a: &gemm::Rows, b: *const u32, out: *mut f32, stride: usize, more: bool) {
    // SAFETY: reads `blocks` times 32 rows and 32 columns of sixteen words, reads and writes 32 rows of 32 sums.
    unsafe {
        asm!(
            "test {more:e}, {more:e}",
            "jnz 2f",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "jmp 3f",
            "2:",
            "tileloadd tmm0, [{out} + {step}]",
            "tileloadd tmm1, [{out} + {step} + 64]",
            "tileloadd tmm2, [{low} + {step}]",
            "tileloadd tmm3, [{low} + {step} + 64]",
            "3:",
            "test {blocks}, {blocks}",
            "jz 5f",
            "4:",
            "tileloadd tmm4, [{a} + {row}]",
            "tileloadd tmm6, [{b} + {column}]",
            "tileloadd tmm7, [{b} + {column} + 64]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{a} + {row} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, {next}",
            "add {b}, 2048",
            "dec {blocks}",
            "jnz 4b",
            "5:",
            "tilestored [{out} + {step}], tmm0",
            "tilestored [{out} + {step} + 64], tmm1",
            "tilestored [{low} + {step}], tmm2",
            "tilestored [{low} + {step} + 64], tmm3",
            more = in(reg) u32::from(more),
            out = in(reg) out,
            low = in(reg) out.add(16 * stride),
            step = in(reg) 4 * stride,
            blocks = inout(reg) a.blocks => _,
            a = inout(reg) a.data => _,
            b = inout(reg) b => _,
            row = in(reg) 64_usize,
            column = in(reg) 128_usize,
            next = in(reg) 4 * a.stride,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
    }
}
