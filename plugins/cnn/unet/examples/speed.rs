//! How fast the engine is: `speed [threads=N] [shape=124,124,124] [width=32] [pool=thin|thick] [precision=f32|bf16]
//! [isa=NAME] [repeat=N]`. Prints the best run: seconds, GFLOP/s as the paper's network counts them and as they are
//! really done, and the latter as a fraction of what a loop of nothing but the multiply-add instruction does.
#![allow(clippy::print_stdout)]

use ichor_image::parallel::{Parallel, Threads};
use ichor_unet::{Architecture, Engine, Isa, Precision, Weights};
use std::time::Instant;

fn main() -> Result<(), String> {
    let mut threads = 2;
    let mut shape = [124; 3];
    let (mut width, mut repeat) = (32, 3);
    let mut thick = false;
    let mut precision = Precision::F32;
    let mut isa = None;
    for argument in std::env::args().skip(1) {
        let (key, value) = argument.split_once('=').ok_or(format!("`{argument}` is not key=value"))?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is not a number"));
        match key {
            "threads" => threads = number(value)?,
            "width" => width = number(value)?,
            "repeat" => repeat = number(value)?,
            "shape" => {
                let numbers: Vec<usize> = value.split(',').map(number).collect::<Result<_, _>>()?;
                shape = <[usize; 3]>::try_from(numbers).map_err(|_| "a shape is x,y,z".to_owned())?;
            }
            "pool" => thick = value == "thick",
            "precision" => precision = if value == "bf16" { Precision::Bf16 } else { Precision::F32 },
            "isa" => isa = Isa::ALL.into_iter().find(|isa| isa.name() == value),
            _ => return Err(format!("there is no setting `{key}`")),
        }
    }
    let isa = isa.unwrap_or(Isa::best());
    let net = if thick { Architecture::thick(width) } else { Architecture::thin(width) };
    let engine = Engine::new(&net, &Weights::random(&net, 1), precision, isa)?;
    let input: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|i| ichor_image::random::uniform_at(5, i as u64) as f32)
        .collect();
    let peak = peak(threads, precision, isa);
    let (dense, done) = (net.flops(shape)? / 1e9, engine.work(shape)? / 1e9);
    let (memory, weights) = (engine.memory(shape)? >> 20, engine.weight_bytes() >> 20);
    let mut best = f64::INFINITY;
    for _ in 0..repeat {
        let start = Instant::now();
        let out =
            engine.infer(&Threads(threads), &input, shape, &|| false, &|_| ()).map_err(|e| e.to_string())?;
        let seconds = start.elapsed().as_secs_f64();
        println!("  {seconds:.3} s, mean probability {:.6}", out.iter().sum::<f32>() / out.len() as f32);
        best = best.min(seconds);
    }
    println!(
        "{shape:?} width {width} {precision:?} {} {threads} threads: {best:.3} s, {:.0} GFLOP/s dense ({dense:.0}), \
         {:.0} GFLOP/s done ({done:.0}), {:.0} % of the peak {peak:.0}; {memory} MiB, weights {weights} MiB",
        isa.name(),
        dense / best,
        done / best,
        100.0 * done / best / peak
    );
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        println!("  {}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    }
    Ok(())
}

/// GFLOP/s of nothing but the multiply-add of the kernels on so many threads.
fn peak(threads: usize, precision: Precision, isa: Isa) -> f64 {
    const TURNS: usize = 40_000_000;
    let is_fast = precision == Precision::Bf16 && isa.is_fast_in_bf16();
    // Of one turn.
    let flops = match isa {
        Isa::Portable => return f64::NAN,
        Isa::Avx2 => 16 * 16,
        Isa::Amx if is_fast => 4 * 2 * 16 * 16 * 32,
        _ if is_fast => 16 * 64,
        _ => 16 * 32,
    };
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        Threads(threads).for_each(threads, 1, &|range| {
            for _ in range {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the engine was made for this instruction set, so that the processor has it.
                unsafe {
                    match isa {
                        Isa::Avx2 => peak::avx2(TURNS),
                        Isa::Amx if is_fast => peak::tiles(TURNS),
                        _ if is_fast => peak::bf16(TURNS),
                        _ => peak::avx512(TURNS),
                    }
                };
            }
        });
        best = best.min(start.elapsed().as_secs_f64());
    }
    (flops * TURNS * threads) as f64 / best / 1e9
}

#[cfg(target_arch = "x86_64")]
mod peak {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    // Sixteen sums hide the latency of the instruction.
    #[target_feature(enable = "avx2,fma")]
    pub fn avx2(turns: usize) {
        let mut sums = [_mm256_set1_ps(0.5); 8];
        let factor = black_box(_mm256_set1_ps(0.999));
        for _ in 0..2 * turns {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f")]
    pub fn avx512(turns: usize) {
        let mut sums = [_mm512_set1_ps(0.5); 16];
        let factor = black_box(_mm512_set1_ps(0.999));
        for _ in 0..turns {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn bf16(turns: usize) {
        let mut sums = [_mm512_set1_ps(0.5); 16];
        // SAFETY: the two types have one layout.
        let factor: __m512bh = unsafe { std::mem::transmute(black_box(_mm512_set1_epi32(0x3f00_3f00))) };
        for _ in 0..turns {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, factor, factor);
            }
        }
        black_box(sums);
    }

    /// # Safety
    /// An engine for AMX was made.
    pub unsafe fn tiles(turns: usize) {
        // Palette 1; the bytes a row of the eight tiles, from byte 16, and their rows, from byte 48.
        let mut configuration = [0u8; 64];
        configuration[0] = 1;
        for tile in 0..8 {
            configuration[16 + 2 * tile] = 64;
            configuration[48 + tile] = 16;
        }
        // SAFETY: the tiles are zero after the configuration; nothing else changes.
        unsafe {
            std::arch::asm!(
                "ldtilecfg [{configuration}]",
                "2:",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "dec {turns}",
                "jnz 2b",
                "tilerelease",
                configuration = in(reg) configuration.as_ptr(),
                turns = inout(reg) turns => _,
                options(nostack),
            );
        }
    }
}
