//! From one scale to the next: pooling, repetition, and the skip beside what comes from below.

use crate::map::Map;
use ichor_image::Parallel;

/// The largest of every block, and its place in the block.
pub fn pool(par: &dyn Parallel, x: &Map, by: [usize; 3]) -> (Map, Vec<u8>) {
    let mut out = Map::zeros(x.channels, std::array::from_fn(|a| x.shape[a] / by[a]));
    let mut places = vec![0u8; out.count()];
    let (slab, [w, h, _]) = (out.slab(), out.shape);
    let data = x.values();
    let cells: Vec<std::sync::Mutex<&mut [u8]>> =
        places.chunks_mut(slab).map(std::sync::Mutex::new).collect();
    out.for_each_slab(par, &|z, to| {
        let Ok(mut places) = cells[z].lock() else { return };
        let rows = to.chunks_mut(w).zip(places.chunks_mut(w));
        for (n, (to, place)) in rows.enumerate() {
            let (c, j) = (n / h, n % h);
            to.fill(f32::NEG_INFINITY);
            for q in 0..by[1] * by[2] {
                let (ky, kz) = (q % by[1], q / by[1]);
                let from = (z * by[2] + kz) * x.slab() + c * x.plane() + (j * by[1] + ky) * x.shape[0];
                let from = data[from..][..x.shape[0]].chunks_exact(by[0]);
                for ((to, place), from) in to.iter_mut().zip(place.iter_mut()).zip(from) {
                    for (k, &v) in from.iter().enumerate() {
                        let larger = v > *to;
                        *to = if larger { v } else { *to };
                        *place = if larger { (q * by[0] + k) as u8 } else { *place };
                    }
                }
            }
        }
    });
    (out, places)
}

/// Adds the gradient of the pooled map where the largest values were.
pub fn pool_backward(par: &dyn Parallel, dy: &Map, places: &[u8], by: [usize; 3], dx: &mut Map) {
    let [w, h, d] = dy.shape;
    let (shape, slab, plane) = (dx.shape, dx.slab(), dx.plane());
    dx.for_each_slab(par, &|z, to| {
        let block = z / by[2];
        if block >= d {
            return;
        }
        for n in 0..dy.slab() {
            let at = block * dy.slab() + n;
            let p = usize::from(places[at]);
            if p / (by[0] * by[1]) == z % by[2] {
                let (c, j, i) = (n / (w * h), n / w % h, n % w);
                let place = c * plane + (j * by[1] + p / by[0] % by[1]) * shape[0] + i * by[0] + p % by[0];
                debug_assert!(place < slab);
                to[place] += dy.values()[at];
            }
        }
    });
}

/// What comes from below, every voxel repeated, and the middle of the skip behind it.
pub fn join(par: &dyn Parallel, below: &Map, skip: &Map, by: [usize; 3]) -> Map {
    let shape: [usize; 3] = std::array::from_fn(|a| below.shape[a] * by[a]);
    let cut: [usize; 3] = std::array::from_fn(|a| (skip.shape[a] - shape[a]) / 2);
    let mut out = Map::zeros(below.channels + skip.channels, shape);
    let plane = out.plane();
    out.for_each_slab(par, &|z, slab| {
        for (c, to) in slab.chunks_mut(plane).enumerate() {
            for (j, to) in to.chunks_mut(shape[0]).enumerate() {
                if c < below.channels {
                    let from = z / by[2] * below.slab() + c * below.plane() + j / by[1] * below.shape[0];
                    let from = &below.values()[from..];
                    to.iter_mut().enumerate().for_each(|(i, t)| *t = from[i / by[0]]);
                } else {
                    let c = c - below.channels;
                    let from =
                        (z + cut[2]) * skip.slab() + c * skip.plane() + (j + cut[1]) * skip.shape[0] + cut[0];
                    to.copy_from_slice(&skip.values()[from..][..shape[0]]);
                }
            }
        }
    });
    out
}

/// The gradients of what comes from below and of the skip.
pub fn join_backward(
    par: &dyn Parallel,
    dy: &Map,
    below: (usize, [usize; 3]),
    skip: [usize; 3],
    by: [usize; 3],
) -> [Map; 2] {
    let (channels, shape) = below;
    let mut down = Map::zeros(channels, shape);
    let (plane, row) = (dy.plane(), dy.shape[0]);
    down.for_each_slab(par, &|z, slab| {
        for (c, to) in slab.chunks_mut(shape[0] * shape[1]).enumerate() {
            for (j, to) in to.chunks_mut(shape[0]).enumerate() {
                for n in 0..by[1] * by[2] {
                    let (kz, ky) = (n / by[1], n % by[1]);
                    let from = (z * by[2] + kz) * dy.slab() + c * plane + (j * by[1] + ky) * row;
                    let from = &dy.values()[from..][..row];
                    to.iter_mut().zip(from.chunks(by[0])).for_each(|(t, f)| *t += f.iter().sum::<f32>());
                }
            }
        }
    });
    let cut: [usize; 3] = std::array::from_fn(|a| (skip[a] - dy.shape[a]) / 2);
    let mut side = Map::zeros(dy.channels - channels, skip);
    side.for_each_slab(par, &|z, slab| {
        if !(cut[2]..cut[2] + dy.shape[2]).contains(&z) {
            return;
        }
        for (c, to) in slab.chunks_mut(skip[0] * skip[1]).enumerate() {
            for j in 0..dy.shape[1] {
                let from = (z - cut[2]) * dy.slab() + (c + channels) * plane + j * row;
                to[(j + cut[1]) * skip[0] + cut[0]..][..row].copy_from_slice(&dy.values()[from..][..row]);
            }
        }
    });
    [down, side]
}
