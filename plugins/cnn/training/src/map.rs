//! Feature maps.

use ichor_image::Parallel;
use ichor_image::parallel::for_each_chunk;
use std::sync::Mutex;

/// Numbers that kernels may read behind the last plane of a map.
const SLACK: usize = 64;

/// Arrays of maps that are gone, for the next ones of the same size: a patch makes the same ones as the patch before,
/// and fresh memory costs a fifth of the time.
static GONE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Gives the memory of maps that are gone back.
pub(crate) fn forget() {
    if let Ok(mut gone) = GONE.lock() {
        gone.clear();
    }
}

/// Feature maps of one patch, plane by plane: x fastest, then y, then the channel, then z.
#[derive(Debug)]
pub struct Map {
    /// Feature maps.
    pub channels: usize,
    /// Voxels along x, y and z.
    pub shape: [usize; 3],
    data: Vec<f32>,
}

impl Map {
    /// All zero.
    pub fn zeros(channels: usize, shape: [usize; 3]) -> Self {
        let n = channels * shape.iter().product::<usize>() + SLACK;
        let old = GONE.lock().ok().and_then(|mut gone| {
            let at = gone.iter().rposition(|d| d.len() == n)?;
            Some(gone.swap_remove(at))
        });
        let data = old.map_or_else(
            || vec![0.0; n],
            |mut data| {
                data.fill(0.0);
                data
            },
        );
        Self { channels, shape, data }
    }

    /// From one volume after another, x fastest.
    ///
    /// # Panics
    /// There are not as many numbers as voxels.
    pub fn from_volumes(values: &[f32], channels: usize, shape: [usize; 3]) -> Self {
        let mut out = Self::zeros(channels, shape);
        let plane = out.plane();
        assert_eq!(values.len(), out.count(), "values and shape disagree");
        for (n, to) in out.values_mut().chunks_mut(plane).enumerate() {
            let (z, c) = (n / channels, n % channels);
            to.copy_from_slice(&values[plane * (c * shape[2] + z)..][..plane]);
        }
        out
    }

    /// Numbers of a plane of one channel.
    pub fn plane(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// Numbers of a z, all channels.
    pub fn slab(&self) -> usize {
        self.channels * self.plane()
    }

    /// Numbers in all.
    pub fn count(&self) -> usize {
        self.slab() * self.shape[2]
    }

    /// The numbers.
    pub fn values(&self) -> &[f32] {
        &self.data[..self.count()]
    }

    /// The numbers, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        let n = self.count();
        &mut self.data[..n]
    }

    /// The numbers and what kernels may read behind them.
    pub(crate) fn with_slack(&self) -> &[f32] {
        &self.data
    }

    /// Calls `body(z, slab)` for every z.
    pub(crate) fn for_each_slab(&mut self, par: &dyn Parallel, body: &(dyn Fn(usize, &mut [f32]) + Sync)) {
        let slab = self.slab();
        for_each_chunk(par, self.values_mut(), slab, body);
    }
}

impl Clone for Map {
    fn clone(&self) -> Self {
        let mut out = Self::zeros(self.channels, self.shape);
        out.data.copy_from_slice(&self.data);
        out
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Ok(mut gone) = GONE.lock() {
            gone.push(std::mem::take(&mut self.data));
        }
    }
}
