//! Layers as the kernels read them: batch normalisation folded in, weights transformed and in the order of use.

use crate::kernel::{Buffer, Kernels, to_bf16};
use crate::kernel::{MAX_GROUP, has_up, shuffled};

/// Bytes that a group of tiles may use of a core's second-level cache (1 MiB or 2 MiB nowadays).
const CACHE: usize = 832 << 10;

/// How a layer is computed.
pub(crate) enum Method {
    /// `at`: words from the start of the weights to those of an element (z, y, x; x fastest).
    Winograd {
        weights: Buffer,
        at: Vec<usize>,
    },
    Direct {
        weights: Buffer,
        chunks: Vec<Chunk>,
    },
    First {
        weights: Vec<f32>,
        inputs: usize,
    },
}

/// A part of the input channels and taps of a direct convolution.
pub(crate) struct Chunk {
    /// Whether it reads the up-scaled source.
    pub up: bool,
    pub pieces: Vec<Piece>,
    /// Words from the start of the weights to those of a corner of the tile.
    pub at: [usize; 8],
}

/// Sixteen words of one tap.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub tap: [usize; 3],
    /// Items into the voxel.
    pub channel: usize,
}

/// Words from the start of the scratch to its parts.
#[derive(Default)]
pub(crate) struct Offsets {
    pub sums: usize,
    pub outs: usize,
    pub end: usize,
}

pub(crate) struct Layer {
    /// Channels of the source at the layer's scale and of the coarse source, padded; 0 without it.
    pub plain: usize,
    pub up: usize,
    /// Axes along which the coarse source is up-scaled; without a coarse source none.
    pub up_axes: [bool; 3],
    /// Output channels, padded.
    pub outputs: usize,
    pub bias: Vec<f32>,
    pub slope: f32,
    pub method: Method,
    /// Tiles worked on at once, and output channels of them.
    pub group: usize,
    pub chunk: usize,
    pub scratch: Offsets,
    /// Multiplications and additions per tile that are really done.
    pub work: f64,
}

/// A folded convolution: `weight[out][in][z][y][x]`, and which of the input channels are up-scaled (those come
/// first).
pub(crate) struct Folded<'a> {
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub up: usize,
    pub plain: usize,
    pub up_axes: [bool; 3],
    pub slope: f32,
}

/// A packed number of the kernels' precision.
struct Packer<'a> {
    kernels: &'a Kernels,
    words: Vec<u32>,
}

impl Packer<'_> {
    /// Appends the panels of `blocks` blocks of input items: for each block of columns, word for word, the columns.
    /// `value(output, block, item)`.
    fn panels(&mut self, outputs: usize, blocks: usize, value: impl Fn(usize, usize, usize) -> f32) -> usize {
        let at = self.words.len();
        for column in (0..outputs).step_by(self.kernels.columns) {
            for block in 0..blocks {
                for word in 0..16 {
                    for o in column..column + self.kernels.columns {
                        self.words.push(if self.kernels.pair == 1 {
                            value(o, block, word).to_bits()
                        } else {
                            let half = |i| u32::from(to_bf16(value(o, block, 2 * word + i)));
                            half(0) | half(1) << 16
                        });
                    }
                }
            }
        }
        at
    }
}

/// The transform of taps along one axis, for the elements 0 to 3.
const PLAIN: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
/// The same for an axis along which the input is up-scaled by repetition.
const UP: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];

/// The 64 elements of a filter of 3 x 3 x 3 taps, x fastest in both.
fn transformed(taps: &[f32], tables: [&[[f64; 3]; 4]; 3]) -> [f32; 64] {
    let mut x = [[0f64; 4]; 9];
    for (line, taps) in x.iter_mut().zip(taps.chunks_exact(3)) {
        *line = tables[0].map(|t| (0..3).map(|k| t[k] * f64::from(taps[k])).sum());
    }
    let mut y = [[[0f64; 4]; 4]; 3];
    for (z, plane) in y.iter_mut().enumerate() {
        for (line, t) in plane.iter_mut().zip(tables[1]) {
            *line = [0, 1, 2, 3].map(|i| (0..3).map(|k| t[k] * x[3 * z + k][i]).sum());
        }
    }
    std::array::from_fn(|e| (0..3).map(|k| tables[2][e / 16][k] * y[k][e / 4 % 4][e % 4]).sum::<f64>() as f32)
}

impl Layer {
    /// The first convolution, straight from the input's planes.
    pub fn first(kernels: &Kernels, folded: &Folded) -> Layer {
        let n = folded.bias.len();
        let outputs = kernels.channels(n);
        let taps = folded.plain * 27;
        let mut weights = Vec::with_capacity(outputs * taps);
        for column in (0..outputs).step_by(kernels.columns) {
            for tap in 0..taps {
                let of = |o: usize| if o < n { folded.weight[o * taps + tap] } else { 0.0 };
                weights.extend((column..column + kernels.columns).map(of));
            }
        }
        let method = Method::First { weights, inputs: folded.plain };
        let work = 8.0 * 2.0 * (taps * outputs) as f64;
        Layer { plain: 0, up: 0, work, ..Layer::with(kernels, folded, method, 0, 0) }
    }

    fn with(kernels: &Kernels, folded: &Folded, method: Method, group: usize, chunk: usize) -> Layer {
        let outputs = kernels.channels(folded.bias.len());
        let mut bias = folded.bias.to_vec();
        bias.resize(outputs, 0.0);
        let pad = |n: usize| if n == 0 { 0 } else { kernels.channels(n) };
        Layer {
            plain: pad(folded.plain),
            up: pad(folded.up),
            up_axes: folded.up_axes,
            outputs,
            bias,
            slope: folded.slope,
            method,
            group,
            chunk,
            scratch: Offsets::default(),
            work: 0.0,
        }
    }

    /// Tiles of a group that takes `per_row` words of scratch a tile.
    fn group_of(kernels: &Kernels, per_row: usize) -> usize {
        let most = MAX_GROUP / kernels.rows;
        (CACHE / 4 / per_row / kernels.rows).clamp(1, most) * kernels.rows
    }

    /// By Winograd's filtering.
    pub fn winograd(kernels: &Kernels, folded: &Folded) -> Layer {
        let method = Method::Winograd { weights: Buffer::new(0), at: Vec::new() };
        let mut layer = Layer::with(kernels, folded, method, 0, 0);
        let items = 16 * kernels.pair;
        let (plain, up, outputs) = (layer.plain / items, layer.up / items, layer.outputs);
        let mut packer = Packer { kernels, words: Vec::new() };
        let fan_in = folded.up + folded.plain;
        let mut at = Vec::new();
        let axes = folded.up_axes;
        let mut elements = Vec::with_capacity(folded.weight.len() / 27 * 64);
        for (filter, taps) in folded.weight.chunks_exact(27).enumerate() {
            let up = filter % fan_in < folded.up;
            elements.extend(transformed(taps, axes.map(|a| if a && up { &UP } else { &PLAIN })));
        }
        let mut multiplied = 0;
        for element in 0..64 {
            let with_up = has_up(axes, element % 16) && !(axes[2] && element / 16 == 2);
            let value = |o: usize, block: usize, item: usize| {
                if o >= folded.bias.len() {
                    return 0.0;
                }
                let item = shuffled(kernels.pair, item);
                if block < plain {
                    let channel = block * items + item;
                    if channel < folded.plain {
                        elements[(o * fan_in + folded.up + channel) * 64 + element]
                    } else {
                        0.0
                    }
                } else {
                    let channel = (block - plain) * items + item;
                    if channel < folded.up { elements[(o * fan_in + channel) * 64 + element] } else { 0.0 }
                }
            };
            let blocks = plain + if with_up { up } else { 0 };
            multiplied += blocks * items * outputs;
            at.push(packer.panels(outputs, blocks, value));
        }
        layer.method = Method::Winograd { weights: Buffer::from_words(&packer.words), at };
        layer.chunk = outputs.min(64.max(kernels.columns));
        let elements = (0..16).filter(|&xi| has_up(axes, xi)).count();
        let inputs = 16 * (16 * plain + elements * up);
        let per_row = inputs + 16 * layer.chunk + 8 * outputs;
        layer.group = Layer::group_of(kernels, per_row);
        let sums = layer.group * inputs;
        let outs = sums + layer.group * 16 * layer.chunk;
        layer.scratch = Offsets { sums, outs, end: outs + layer.group * 8 * outputs };
        layer.work = 2.0 * multiplied as f64;
        layer
    }

    /// As the convolution is defined.
    pub fn direct(kernels: &Kernels, folded: &Folded) -> Layer {
        let method = Method::Direct { weights: Buffer::new(0), chunks: Vec::new() };
        let mut layer = Layer::with(kernels, folded, method, 0, 0);
        let items = 16 * kernels.pair;
        let outputs = layer.outputs;
        layer.group =
            Layer::group_of(kernels, 64 * 16 + 8 * outputs).min(2 * kernels.rows.next_multiple_of(14));
        layer.group = layer.group.next_multiple_of(kernels.rows).min(MAX_GROUP / kernels.rows * kernels.rows);
        let fan_in = folded.up + folded.plain;
        let mut packer = Packer { kernels, words: Vec::new() };
        let mut chunks = Vec::new();
        let mut most = 0;
        let mut multiplied = 0;
        for up in [false, true] {
            let padded = if up { layer.up } else { layer.plain };
            let taps = [0, 1, 2].map(|a| if up && folded.up_axes[a] { 2 } else { 3 });
            let mut pieces = Vec::new();
            for tap in 0..taps[0] * taps[1] * taps[2] {
                let tap = [tap % taps[0], tap / taps[0] % taps[1], tap / taps[0] / taps[1]];
                pieces.extend((0..padded).step_by(items).map(|channel| Piece { tap, channel }));
            }
            // Sixteen words, up to 64 times: 56 KiB of rows for 14 tiles, weights of 128 KiB for 32 columns.
            for pieces in pieces.chunks(64) {
                most = most.max(pieces.len());
                let mut at = [0; 8];
                for corner in 0..8 {
                    if corner > 0 && !(up && (0..3).any(|a| folded.up_axes[a] && corner >> a & 1 == 1)) {
                        at[corner] = at[0];
                        continue;
                    }
                    // Along an up-scaled axis a near corner has taps g0, g1 + g2 and a far one g0 + g1, g2.
                    let of_tap = |axis: usize, tap: usize, k: usize| {
                        if up && folded.up_axes[axis] {
                            let far = corner >> axis & 1;
                            usize::from(k > far) == tap
                        } else {
                            tap == k
                        }
                    };
                    let value = |o: usize, block: usize, item: usize| {
                        let Piece { tap, channel } = pieces[block];
                        let channel = channel + item;
                        let real = if up { folded.up } else { folded.plain };
                        if o >= folded.bias.len() || channel >= real {
                            return 0.0;
                        }
                        let channel = if up { channel } else { folded.up + channel };
                        let weights = &folded.weight[(o * fan_in + channel) * 27..][..27];
                        let mut sum = 0.0;
                        for (k, &w) in weights.iter().enumerate() {
                            let k = [k % 3, k / 3 % 3, k / 9];
                            if (0..3).all(|a| of_tap(a, tap[a], k[a])) {
                                sum += f64::from(w);
                            }
                        }
                        sum as f32
                    };
                    at[corner] = packer.panels(outputs, pieces.len(), value);
                }
                multiplied += 8 * pieces.len() * items * outputs;
                chunks.push(Chunk { up, pieces: pieces.to_vec(), at });
            }
        }
        // Corners that differ only along axes without up-scaling share weights.
        for chunk in chunks.iter_mut().filter(|c| c.up) {
            for corner in 0..8 {
                let same = (0..3).map(|a| if folded.up_axes[a] { corner & 1 << a } else { 0 }).sum::<usize>();
                chunk.at[corner] = chunk.at[same];
            }
        }
        layer.method = Method::Direct { weights: Buffer::from_words(&packer.words), chunks };
        layer.chunk = outputs;
        let outs = layer.group * most * 16;
        layer.scratch = Offsets { sums: outs, outs, end: outs + layer.group * 8 * outputs };
        layer.work = 2.0 * multiplied as f64;
        layer
    }

    /// Bytes of its packed weights.
    pub fn bytes(&self) -> usize {
        match &self.method {
            Method::Winograd { weights, .. } | Method::Direct { weights, .. } => weights.bytes(),
            Method::First { weights, .. } => 4 * weights.len(),
        }
    }
}
