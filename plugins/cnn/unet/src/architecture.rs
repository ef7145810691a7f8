//! The shape of the network: its layers, and what sizes go through it.
//!
//! Patel et al., Scientific Reports 9 (2019): a 3D U-Net with valid convolutions, batch normalisation after each
//! and leaky ReLU. Shapes are in voxels in the order x, y, z.

/// What a 3D U-Net looks like. Scale 0 is full resolution, scale `depth` the bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Architecture {
    /// Channels of the input image.
    pub inputs: usize,
    /// Classes of the output, background (class 0) included.
    pub outputs: usize,
    /// Channels of the first convolution; 32 in the paper.
    pub width: usize,
    /// How many times the network pools; 3 in the paper.
    pub depth: usize,
    /// Pooling and up-scaling along x, y and z: 2, 2, 2 for thin slices or 2, 2, 1 for thick ones.
    pub pool: [usize; 3],
    /// Slope of the leaky ReLU below zero.
    pub slope: f32,
}

/// One convolution. All but the last have a 3 x 3 x 3 kernel, batch normalisation and leaky ReLU; the last is
/// 1 x 1 x 1 and goes into the softmax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `down0.0`, `down0.1`, `down1.0` ..., `bottom.0`, `bottom.1`, `up2.0`, `up2.1`, ..., `up0.1`, `output`.
    pub name: String,
    /// Input channels. The first convolution of `upN` has those of the up-scaled map first, then those of the skip.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel size along every axis: 3 or 1.
    pub kernel: usize,
}

/// How large a map is after a step of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// A layer's name, `poolN` (into scale N + 1) or `upN` (up-scaled to scale N).
    pub name: String,
    /// Voxels along x, y, z.
    pub shape: [usize; 3],
}

/// The paper's leaky ReLU is Lasagne's, whose slope is 0.01.
const SLOPE: f32 = 0.01;

impl Architecture {
    /// The network for thin slices: pools along every axis.
    pub fn thin(width: usize) -> Architecture {
        Architecture { inputs: 1, outputs: 2, width, depth: 3, pool: [2, 2, 2], slope: SLOPE }
    }

    /// The network for thick slices: pools in the plane only.
    pub fn thick(width: usize) -> Architecture {
        Architecture { pool: [2, 2, 1], ..Architecture::thin(width) }
    }

    /// Whether the numbers make a network: an error says which do not.
    pub fn check(&self) -> Result<(), String> {
        if self.inputs == 0 || self.inputs > 64 {
            return Err(format!("the network has {} input channels; 1 to 64 are possible", self.inputs));
        }
        if self.outputs < 2 || self.outputs > 16 {
            return Err(format!("the network has {} classes; 2 to 16 are possible", self.outputs));
        }
        if self.width == 0 || self.width > 256 {
            return Err(format!("the network is {} channels wide; 1 to 256 are possible", self.width));
        }
        if self.depth == 0 || self.depth > 5 {
            return Err(format!("the network pools {} times; 1 to 5 are possible", self.depth));
        }
        if self.pool != [2, 2, 1] && self.pool != [2, 2, 2] {
            return Err(format!(
                "the network pools by {:?}; [2, 2, 2] and [2, 2, 1] are possible",
                self.pool
            ));
        }
        if !(0.0..=1.0).contains(&self.slope) {
            return Err(format!("the leaky ReLU has slope {}; 0 to 1 is possible", self.slope));
        }
        Ok(())
    }

    /// Channels that leave scale `s` on the way down: `width * 2^(s + 1)`.
    pub(crate) fn channels(&self, s: usize) -> usize {
        self.width << (s + 1)
    }

    /// Every convolution in the order in which they run, which is the order of [`crate::Weights`].
    pub fn layers(&self) -> Vec<Layer> {
        let layer = |name: String, inputs, outputs| Layer { name, inputs, outputs, kernel: 3 };
        let mut layers = Vec::new();
        for s in 0..=self.depth {
            let name = if s == self.depth { "bottom".to_owned() } else { format!("down{s}") };
            let inputs = if s == 0 { self.inputs } else { self.channels(s - 1) };
            layers.push(layer(format!("{name}.0"), inputs, self.width << s));
            layers.push(layer(format!("{name}.1"), self.width << s, self.channels(s)));
        }
        for s in (0..self.depth).rev() {
            let c = self.channels(s);
            layers.push(layer(format!("up{s}.0"), self.channels(s + 1) + c, c));
            layers.push(layer(format!("up{s}.1"), c, c));
        }
        let inputs = self.channels(0);
        layers.push(Layer { name: "output".to_owned(), inputs, outputs: self.outputs, kernel: 1 });
        layers
    }

    /// The size after every step for an input of shape `input`. An error says at which step the size does not fit.
    pub fn sizes(&self, input: [usize; 3]) -> Result<Vec<Size>, String> {
        self.check()?;
        let mut sizes = Vec::new();
        let mut skips = Vec::new();
        let mut shape = input;
        let fails = |name: &str, shape: [usize; 3], why: &str| {
            format!(
                "an input of {input:?} voxels does not fit the network: at `{name}` a map of {shape:?} {why}"
            )
        };
        let convolve = |shape: &mut [usize; 3], name: String, sizes: &mut Vec<Size>| {
            if shape.iter().any(|&n| n < 3) {
                return Err(fails(&name, *shape, "is smaller than the 3 x 3 x 3 kernel"));
            }
            *shape = shape.map(|n| n - 2);
            sizes.push(Size { name, shape: *shape });
            Ok(())
        };
        for s in 0..=self.depth {
            let name = if s == self.depth { "bottom".to_owned() } else { format!("down{s}") };
            convolve(&mut shape, format!("{name}.0"), &mut sizes)?;
            convolve(&mut shape, format!("{name}.1"), &mut sizes)?;
            if s < self.depth {
                skips.push(shape);
                let name = format!("pool{s}");
                if (0..3).any(|a| !shape[a].is_multiple_of(self.pool[a])) {
                    return Err(fails(&name, shape, &format!("is not divisible by {:?}", self.pool)));
                }
                shape = [0, 1, 2].map(|a| shape[a] / self.pool[a]);
                sizes.push(Size { name, shape });
            }
        }
        for s in (0..self.depth).rev() {
            shape = [0, 1, 2].map(|a| shape[a] * self.pool[a]);
            let name = format!("up{s}");
            if (0..3).any(|a| skips[s][a] < shape[a] || !(skips[s][a] - shape[a]).is_multiple_of(2)) {
                return Err(fails(&name, shape, &format!("cannot be centred in the skip of {:?}", skips[s])));
            }
            sizes.push(Size { name, shape });
            convolve(&mut shape, format!("up{s}.0"), &mut sizes)?;
            convolve(&mut shape, format!("up{s}.1"), &mut sizes)?;
        }
        sizes.push(Size { name: "output".to_owned(), shape });
        Ok(sizes)
    }

    /// The shape of the output for an input of shape `input`.
    pub fn output_shape(&self, input: [usize; 3]) -> Result<[usize; 3], String> {
        Ok(self.sizes(input)?.last().map_or(input, |last| last.shape))
    }

    /// The shape of the input that gives an output of exactly shape `output`.
    pub fn input_for(&self, output: [usize; 3]) -> Result<[usize; 3], String> {
        self.check()?;
        let mut input = [0; 3];
        for axis in 0..3 {
            let (mut n, p) = (output[axis], self.pool[axis]);
            for _ in 0..self.depth {
                n += 4;
                if n == 4 || !n.is_multiple_of(p) {
                    let near = self.output_at_least(output);
                    return Err(format!(
                        "no input gives an output of {output:?} voxels; {near:?} is possible"
                    ));
                }
                n /= p;
            }
            n += 4;
            for _ in 0..self.depth {
                n = n * p + 4;
            }
            input[axis] = n;
        }
        Ok(input)
    }

    /// The smallest possible output that is at least `wanted` along every axis.
    pub fn output_at_least(&self, wanted: [usize; 3]) -> [usize; 3] {
        [0, 1, 2].map(|axis| {
            let p = self.pool[axis];
            // Upwards from a bottom of n voxels the output is p (p (p n - 4) - 4) - 4.
            let up = |n: usize| {
                (0..self.depth)
                    .try_fold(n, |n, _| (n * p).checked_sub(4))
                    .filter(|&n| n > 0 && n >= wanted[axis])
            };
            let step = p.pow(self.depth as u32);
            let mut n = wanted[axis] / step;
            loop {
                match up(n) {
                    Some(out) => return out,
                    None => n += 1,
                }
            }
        })
    }

    /// Voxels that the network loses on each side along x, y, z: 44 for the thin network.
    pub fn margin(&self) -> [usize; 3] {
        self.pool.map(|p| {
            // (input - output) / 2; every scale s but the bottom loses 2 + 2 voxels a side down and up.
            (0..self.depth).map(|s| 4 * p.pow(s as u32)).sum::<usize>() + 2 * p.pow(self.depth as u32)
        })
    }

    /// Tiles whose origins differ by multiples of this along x, y, z give bit-identical values where they overlap:
    /// the product of the poolings, and 2 along an axis without pooling (the convolutions work in pairs).
    pub fn alignment(&self) -> [usize; 3] {
        self.pool.map(|p| p.pow(self.depth as u32).max(2))
    }

    /// Learned numbers: weights and biases, and scale and shift of the batch normalisations. About 16.3 million
    /// for the paper's network.
    pub fn parameters(&self) -> usize {
        let layer = |l: &Layer| {
            let norm = if l.kernel == 3 { 2 * l.outputs } else { 0 };
            l.inputs * l.outputs * l.kernel.pow(3) + l.outputs + norm
        };
        self.layers().iter().map(layer).sum()
    }

    /// Multiplications and additions of the convolutions as the paper writes them (up-scaled maps convolved at
    /// full resolution) for an input of shape `input`.
    pub fn flops(&self, input: [usize; 3]) -> Result<f64, String> {
        let sizes = self.sizes(input)?;
        let of = |l: &Layer| {
            let voxels =
                sizes.iter().find(|s| s.name == l.name).map_or(0, |s| s.shape.iter().product::<usize>());
            2.0 * (l.inputs * l.outputs * l.kernel.pow(3)) as f64 * voxels as f64
        };
        Ok(self.layers().iter().map(of).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thin_sizes_are_the_papers() {
        let sizes = Architecture::thin(32).sizes([124; 3]).unwrap();
        let x: Vec<usize> = sizes.iter().map(|s| s.shape[0]).collect();
        assert_eq!(x, [122, 120, 60, 58, 56, 28, 26, 24, 12, 10, 8, 16, 14, 12, 24, 22, 20, 40, 38, 36, 36]);
        assert!(sizes.iter().all(|s| s.shape == [s.shape[0]; 3]));
    }

    #[test]
    fn thick_patch_loses_28_slices() {
        let net = Architecture::thick(32);
        assert_eq!(net.output_shape([124, 124, 40]).unwrap(), [36, 36, 12]);
        assert_eq!(net.margin(), [44, 44, 14]);
        assert_eq!(net.input_for([36, 36, 12]).unwrap(), [124, 124, 40]);
        assert_eq!(net.alignment(), [8, 8, 2]);
    }

    #[test]
    fn layers_are_the_papers() {
        let net = Architecture::thin(32);
        let channels: Vec<_> = net.layers().iter().map(|l| (l.inputs, l.outputs)).collect();
        let down = [(1, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)];
        let up = [(768, 256), (256, 256), (384, 128), (128, 128), (192, 64), (64, 64), (64, 2)];
        assert_eq!(channels, [&down[..], &up[..]].concat());
        assert_eq!(net.parameters() / 100_000, 163);
        assert!((0.45e12..0.50e12).contains(&net.flops([124; 3]).unwrap()));
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let net = Architecture::thin(4);
        assert!(net.output_shape([125, 124, 124]).unwrap_err().contains("pool0"));
        assert!(net.output_shape([84; 3]).is_err());
        assert!(net.input_for([37, 36, 36]).unwrap_err().contains("[44, 36, 36]"));
        assert_eq!(net.output_at_least([1, 36, 37]), [4, 36, 44]);
        assert_eq!(Architecture::thick(4).output_at_least([30, 36, 17]), [36, 36, 17]);
        for n in [4, 12, 108, 252] {
            let input = net.input_for([n; 3]).unwrap();
            assert_eq!((input[0], net.output_shape(input).unwrap()), (n + 88, [n; 3]));
        }
    }
}
