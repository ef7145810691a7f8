//! A convolution over a range of planes, safe to call: it alone hands tiles to the kernels, each to one call.

use super::{Buffer, Kernel, Map, first};
use crate::pack::{Layer, Method};
use crate::{Isa, Precision};
use ichor_image::parallel::Parallel;
use std::ops::Range;
use std::sync::Mutex;

/// Tiles that a call of a kernel works on at most.
pub(crate) const MAX_GROUP: usize = 64;

type Run = unsafe fn(&Job, usize, *mut u32);

/// The loops compiled for one instruction set and precision.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    winograd: Run,
    direct: Run,
    first: unsafe fn(&first::Job, usize),
    /// Bytes of an item of a map.
    pub item: usize,
    /// Items in a word.
    pub pair: usize,
    /// Tiles in a group are a multiple of this.
    pub rows: usize,
    /// Output channels are a multiple of this.
    pub columns: usize,
}

macro_rules! entries {
    ($name:ident, $kernel:ty $(, #[$attribute:meta])?) => {
        /// The loops compiled for this instruction set.
        pub(crate) fn $name() -> super::convolve::Kernels {
            $(#[$attribute])?
            unsafe fn winograd(job: &super::convolve::Job, tile: usize, scratch: *mut u32) {
                // SAFETY: passed on to the caller.
                unsafe {
                    <$kernel as super::Kernel>::begin();
                    super::winograd::group::<$kernel>(job, tile, scratch);
                    <$kernel as super::Kernel>::end();
                }
            }
            $(#[$attribute])?
            unsafe fn direct(job: &super::convolve::Job, tile: usize, scratch: *mut u32) {
                // SAFETY: passed on to the caller.
                unsafe {
                    <$kernel as super::Kernel>::begin();
                    super::direct::group::<$kernel>(job, tile, scratch);
                    <$kernel as super::Kernel>::end();
                }
            }
            $(#[$attribute])?
            unsafe fn first(job: &super::first::Job, row: usize) {
                // SAFETY: passed on to the caller.
                unsafe { <$kernel as super::Kernel>::first(job, row) }
            }
            super::convolve::Kernels::of::<$kernel>(winograd, direct, first)
        }
    };
}
pub(crate) use entries;

impl Kernels {
    pub(crate) fn of<K: Kernel>(winograd: Run, direct: Run, first: unsafe fn(&first::Job, usize)) -> Kernels {
        let (item, pair) = (size_of::<K::Item>(), K::PAIR);
        Kernels { winograd, direct, first, item, pair, rows: K::ROWS, columns: 16 * K::COLS }
    }

    /// An error says that the processor lacks `isa`.
    pub fn new(isa: Isa, precision: Precision) -> Result<Kernels, String> {
        if !isa.available() {
            return Err(format!("this processor lacks the instruction set {}", isa.name()));
        }
        Ok(match (isa, precision) {
            (Isa::Portable, Precision::F32) => super::portable::f32_entries(),
            (Isa::Portable, Precision::Bf16) => super::portable::bf16_entries(),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, Precision::F32) => super::avx2::f32_entries(),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, Precision::Bf16) => super::avx2::half_entries(),
            #[cfg(target_arch = "x86_64")]
            (_, Precision::F32) => super::avx512::f32_entries(),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512, Precision::Bf16) => super::avx512::half_entries(),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx512Bf16, Precision::Bf16) => super::avx512::pair_entries(),
            #[cfg(target_arch = "x86_64")]
            (Isa::Amx, Precision::Bf16) => super::avx512::tile_entries(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => super::portable::f32_entries(),
        })
    }

    /// Maps have a multiple of this many channels: whole words for the next layer, whole columns from the last.
    pub fn channels(&self, channels: usize) -> usize {
        channels.next_multiple_of(self.columns.max(16 * self.pair))
    }
}

/// A map as the kernels see it.
#[derive(Clone, Copy)]
pub(crate) struct View {
    data: *mut u8,
    pub channels: usize,
    pub shape: [usize; 3],
    pub planes: usize,
}

impl View {
    fn new(map: &Map) -> View {
        View { data: map.buffer.pointer(), channels: map.channels, shape: map.shape, planes: map.planes }
    }

    #[inline(always)]
    pub fn items<K: Kernel>(&self) -> *mut K::Item {
        self.data.cast()
    }

    /// Items from the start to a voxel.
    #[inline(always)]
    pub fn voxel(&self, [x, y, z]: [usize; 3]) -> usize {
        ((z % self.planes * self.shape[1] + y) * self.shape[0] + x) * self.channels
    }
}

/// What a layer reads.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sources<'a> {
    /// A map at the layer's own scale.
    pub plain: Option<&'a Map>,
    /// A coarse map, up-scaled by repetition.
    pub up: Option<&'a Map>,
}

/// The last layer and where the probabilities go.
pub(crate) struct Classes<'a> {
    /// A row of (padded) channels a class.
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    /// Planes of classes 1 and up.
    pub out: &'a mut [f32],
}

/// Where a layer's values go.
#[derive(Default)]
pub(crate) struct Sink<'a> {
    pub out: Option<&'a mut Map>,
    /// Their maximum over 2 x 2 x 2 voxels, or over 2 x 2 in the plane.
    pub pooled: Option<(&'a mut Map, bool)>,
    /// Those of a box; where it starts.
    pub skip: Option<(&'a mut Map, [usize; 3])>,
    pub classes: Option<Classes<'a>>,
}

pub(crate) struct JobClasses<'a> {
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub out: *mut f32,
}

/// A run over some planes of tiles. A tile is 2 x 2 x 2 voxels of the output.
pub(crate) struct Job<'a> {
    pub layer: &'a Layer,
    pub plain: Option<View>,
    pub up: Option<View>,
    /// Shape of the layer's output.
    pub shape: [usize; 3],
    /// Tiles along x, y, z of the run.
    pub tiles: [usize; 3],
    /// The first plane of tiles.
    pub first: usize,
    pub out: Option<View>,
    pub pooled: Option<View>,
    pub pool_z: bool,
    pub skip: Option<(View, [usize; 3])>,
    pub classes: Option<JobClasses<'a>>,
}

// SAFETY: the pointers lead to maps that are borrowed as long as the job lives; tiles write disjoint voxels.
unsafe impl Sync for Job<'_> {}
// SAFETY: as above; rows write disjoint voxels.
unsafe impl Sync for first::Job {}

impl Job<'_> {
    /// Fills `tiles` with those from number `first` on; behind the last one it is repeated. Returns how many there are.
    #[inline(always)]
    pub fn tiles_from(&self, first: usize, tiles: &mut [[usize; 3]]) -> usize {
        let [nx, ny, nz] = self.tiles;
        let total = nx * ny * nz;
        for (r, tile) in tiles.iter_mut().enumerate() {
            let n = (first + r).min(total - 1);
            *tile = [n % nx, n / nx % ny, n / nx / ny + self.first];
        }
        tiles.len().min(total - first)
    }

    /// The tile's first voxel; -1 along an axis where the tile hangs over the border.
    #[inline(always)]
    pub fn first_voxel(&self, tile: [usize; 3]) -> [isize; 3] {
        [0, 1, 2].map(|a| 2 * tile[a] as isize - isize::from(self.layer.up_axes[a]))
    }
}

/// Scratch memory that the threads take turns with.
pub(crate) struct Scratch {
    words: usize,
    free: Mutex<Vec<Buffer>>,
}

impl Scratch {
    pub fn new(words: usize) -> Scratch {
        Scratch { words, free: Mutex::new(Vec::new()) }
    }

    fn with(&self, body: impl FnOnce(*mut u32)) {
        let free = || self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let taken = free().pop();
        let buffer = taken.unwrap_or_else(|| Buffer::new(4 * self.words));
        body(buffer.pointer().cast());
        free().push(buffer);
    }
}

/// Planes of tiles of a layer whose output has `n` planes, and planes of output complete after `tiles` of them.
pub(crate) fn tile_planes(layer: &Layer, n: usize) -> usize {
    (n + usize::from(layer.up_axes[2])).div_ceil(2)
}

impl Kernels {
    /// Computes the planes `tiles` of tiles of a layer whose output has shape `shape`.
    #[allow(clippy::too_many_arguments)]
    pub fn convolve(
        &self,
        par: &dyn Parallel,
        layer: &Layer,
        sources: Sources,
        shape: [usize; 3],
        tiles: Range<usize>,
        sink: Sink,
        scratch: &Scratch,
    ) {
        // What the kernels rely on.
        let fits = |source: Option<&Map>, channels: usize| source.map_or(0, |m| m.channels) == channels;
        assert!(
            fits(sources.plain, layer.plain)
                && fits(sources.up, layer.up)
                && scratch.words >= layer.scratch.end
        );
        let count = [0, 1, 2].map(|a| (shape[a] + usize::from(layer.up_axes[a])).div_ceil(2));
        assert!(tiles.end <= count[2] && layer.group <= MAX_GROUP);
        assert!(sink.out.as_ref().is_none_or(|m| m.channels == layer.outputs && m.shape == shape));
        assert!(
            sink.skip.as_ref().is_none_or(|(m, _)| m.channels == layer.outputs && m.planes == m.shape[2])
        );
        assert!(sink.pooled.as_ref().is_none_or(|(m, z)| {
            let pool = [2, 2, if *z { 2 } else { 1 }];
            m.channels == layer.outputs && [0, 1, 2].map(|a| m.shape[a] * pool[a]) == shape && layer.up == 0
        }));
        assert!(sink.classes.as_ref().is_none_or(|c| {
            let voxels = shape.iter().product::<usize>();
            c.weights.len() == c.bias.len() * layer.outputs && c.out.len() == (c.bias.len() - 1) * voxels
        }));
        if tiles.is_empty() {
            return;
        }
        let job = Job {
            layer,
            plain: sources.plain.map(View::new),
            up: sources.up.map(View::new),
            shape,
            tiles: [count[0], count[1], tiles.len()],
            first: tiles.start,
            out: sink.out.map(|m| View::new(m)),
            pool_z: sink.pooled.as_ref().is_some_and(|p| p.1),
            pooled: sink.pooled.map(|(m, _)| View::new(m)),
            skip: sink.skip.map(|(m, crop)| (View::new(m), crop)),
            classes: sink.classes.map(|c| JobClasses {
                weights: c.weights,
                bias: c.bias,
                out: c.out.as_mut_ptr(),
            }),
        };
        let run = match layer.method {
            Method::Winograd { .. } => self.winograd,
            Method::Direct { .. } => self.direct,
            Method::First { .. } => return,
        };
        let groups = job.tiles.iter().product::<usize>().div_ceil(layer.group);
        par.for_each(groups, 2, &|range| {
            scratch.with(|words| {
                for group in range.clone() {
                    // SAFETY: the constructor checked the instruction set, the asserts above the shapes; each
                    // group is run once, and groups share no tile.
                    unsafe { run(&job, group * layer.group, words) };
                }
            });
        });
    }

    /// Computes `planes` of the first convolution from an input of shape `shape`.
    pub fn first(
        &self,
        par: &dyn Parallel,
        layer: &Layer,
        input: &[f32],
        shape: [usize; 3],
        planes: Range<usize>,
        out: &mut Map,
    ) {
        let Method::First { weights, inputs } = &layer.method else { return };
        assert!(input.len() == inputs * shape.iter().product::<usize>());
        assert!(
            out.shape == shape.map(|n| n - 2) && out.channels == layer.outputs && planes.end <= out.shape[2]
        );
        assert!(weights.len() == inputs * 27 * layer.outputs && layer.bias.len() == layer.outputs);
        let job = first::Job {
            input: input.as_ptr(),
            inputs: *inputs,
            shape,
            weights: weights.as_ptr(),
            bias: layer.bias.as_ptr(),
            slope: layer.slope,
            out: View::new(out),
            first_z: planes.start,
        };
        par.for_each(planes.len() * out.shape[1], 8, &|range| {
            for row in range {
                // SAFETY: the constructor checked the instruction set, the asserts above the shapes; each row is
                // run once.
                unsafe { (self.first)(&job, row) };
            }
        });
    }
}
