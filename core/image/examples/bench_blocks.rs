//! Times the building blocks on a synthetic head: `cargo run --release -p ichor-image --example bench_blocks --
//! [BLOCK] [THREADS] [NX NY NZ]`. BLOCK is `components`, `distance`, `morphology`, `holes`, `gaussian`,
//! `resample`, `random` or `all`.

#![allow(clippy::print_stdout, reason = "an example for people")]

use ichor_image::parallel::Threads;
use ichor_image::*;
use std::time::Instant;

/// Processor time of this process so far, all threads together; the kernel counts in hundredths of a second.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = after_name.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    (fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / 100.0
}

/// The best of three runs; the processor time tells how much of it was work when the machine is busy.
fn timed<T>(name: &str, work: impl Fn() -> T) {
    let (mut best, mut least) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..3 {
        let (start, used) = (Instant::now(), processor_seconds());
        drop(std::hint::black_box(work()));
        best = best.min(start.elapsed().as_secs_f64());
        least = least.min(processor_seconds() - used);
    }
    println!("{name:44} {best:7.3} s, processor {least:5.2} s");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |n: usize, default: usize| args.get(n).and_then(|v| v.parse().ok()).unwrap_or(default);
    let block = args.first().map_or("all", String::as_str);
    let threads = Threads(number(1, 2));
    let par: &dyn Parallel = &threads;
    let shape = [number(2, 512), number(3, 512), number(4, 400)];
    let spacing = [0.45, 0.45, 0.45];
    let n: usize = shape.iter().product();
    let wants = |name: &str| block == name || block == "all";
    let place = |at: usize| [at % shape[0], at / shape[0] % shape[1], at / shape[0] / shape[1]];
    let radius = |at: usize, scale: f64| {
        let p = place(at);
        (0..3).map(|a| ((p[a] as f64 / shape[a] as f64 - 0.5) / scale).powi(2)).sum::<f64>()
    };
    println!("{shape:?}, {} threads", threads.0);

    let mut head = vec![0u8; n];
    let mut specks = vec![0u8; n];
    let mut haematoma = vec![0u8; n];
    for at in 0..n {
        head[at] = u8::from(radius(at, 0.4) < 1.0);
        haematoma[at] = u8::from(radius(at, 0.12) < 1.0);
        specks[at] = haematoma[at] | u8::from(random::at(1, at as u64).is_multiple_of(100)) & head[at];
    }
    if wants("components") {
        timed("components 26, head with 1% specks", || {
            components(par, &specks, shape, Connectivity::TwentySix)
        });
        timed("components 6, head with 1% specks", || components(par, &specks, shape, Connectivity::Six));
        let noise: Vec<u8> = (0..n as u64).map(|at| (random::at(2, at) & 1) as u8).collect();
        timed("components 26, half of all voxels", || {
            components(par, &noise, shape, Connectivity::TwentySix)
        });
        timed("largest component 26", || largest_component(par, &specks, shape, Connectivity::TwentySix));
        timed("bounding box", || bounding_box(par, &head, shape));
    }
    if wants("distance") {
        timed("distance to a haematoma", || distance_to(par, &haematoma, shape, spacing));
        let outside: Vec<u8> = head.iter().map(|v| 1 - v).collect();
        timed("distance to the outside of the head", || distance_to(par, &outside, shape, spacing));
        timed("distance to specks", || distance_to(par, &specks, shape, spacing));
    }
    if wants("morphology") {
        timed("dilate a haematoma by 3 mm", || dilate(par, &haematoma, shape, spacing, 3.0));
        timed("close a haematoma by 3 mm", || close(par, &haematoma, shape, spacing, 3.0));
        timed("close a head by 3 mm", || close(par, &head, shape, spacing, 3.0));
    }
    if wants("holes") {
        let holes: Vec<u8> = head.iter().zip(&specks).map(|(h, s)| h & !s).collect();
        timed("fill holes of a head", || fill_holes(par, &holes, shape));
        timed("fill holes of its slices across z", || fill_holes_slices(par, &holes, shape, 2));
        timed("fill holes of its slices across x", || fill_holes_slices(par, &holes, shape, 0));
    }
    let ct: Vec<i16> =
        (0..n).map(|at| (random::at(3, at as u64) % 80) as i16 + 1000 * i16::from(head[at]) - 1000).collect();
    if wants("gaussian") {
        let floats: Vec<f32> = ct.iter().map(|&v| f32::from(v)).collect();
        for sigma in [1.0, 3.0] {
            timed(&format!("gaussian, sigma {sigma} voxels"), || gaussian(par, &floats, shape, [sigma; 3]));
        }
    }
    if wants("resample") {
        let from = Grid { shape, affine: Affine::from_spacing(spacing, [0.0; 3]) };
        let mut tilted = from;
        let (s, c) = 0.1f64.sin_cos();
        tilted.affine =
            Affine([[0.45 * c, -0.45 * s, 0.0, 9.0], [0.45 * s, 0.45 * c, 0.0, -9.0], from.affine.0[2]]);
        let run = |name: &str, to: Grid, interpolation, smooth: bool| {
            let profile = if smooth { Profile::Gaussian } else { Profile::Point };
            let how = Resampling { interpolation, profile };
            timed(&format!("resample i16 {name}"), || {
                let mut out = vec![0i16; to.len()];
                resample_into(par, &ct, &from, &to, how, -1024, &mut out);
                out
            });
        };
        use Interpolation::{Cubic, Linear, Nearest};
        for (name, how) in [("nearest", Nearest), ("linear", Linear), ("cubic", Cubic)] {
            if let Ok(iso) = from.respaced([1.0; 3]) {
                run(&format!("{name} to 1 mm"), iso, how, false);
                run(&format!("{name} to 1 mm, smoothed"), iso, how, true);
            }
            if let Ok(thick) = from.respaced([0.0, 0.0, 5.0]) {
                run(&format!("{name} to 5 mm slices, smoothed"), thick, how, true);
            }
            if let Ok(fine) = from.respaced([0.44; 3]) {
                run(&format!("{name} to 0.44 mm"), fine, how, false);
            }
            run(&format!("{name}, turned by 6 degrees"), tilted, how, false);
        }
    }
    if wants("random") {
        timed("a normal number for each voxel", || {
            let mut out = vec![0f32; n];
            parallel::for_each_chunk(par, &mut out, 1 << 16, &|chunk, part| {
                for (m, v) in part.iter_mut().enumerate() {
                    *v = random::normal_at(4, ((chunk << 16) + m) as u64) as f32;
                }
            });
            out
        });
    }
}
