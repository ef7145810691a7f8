//! How much of the head is in each slice, on a coarse grid: whether it is cut off.

use crate::findings::{Findings, Verdict};
use crate::voxels::{Sample, Visit};
use ichor_image::{Connectivity, fill_holes_slices, largest_component};
use ichor_sdk::prelude::*;

/// Side of a cell in the plane of a slice, mm.
const CELL_MM: f64 = 3.0;
/// Tissue is above, bone is above, HU.
const TISSUE: f32 = -200.0;
const BONE: f32 = 250.0;
/// A skull encloses at least so much somewhere, cm².
const SKULL_CM2: f64 = 40.0;
/// The top slice may hold so much of the largest area of cavity and of tissue.
const VERTEX_CAVITY: f64 = 0.04;
const VERTEX_TISSUE: f64 = 0.35;
/// The bottom slice may hold so much of the largest area of cavity.
const BASE_CAVITY: f64 = 0.4;

/// Areas in each slice along an axis, in cm².
pub struct Areas {
    /// Of the largest connected thing: the head without the table.
    tissue: Vec<f64>,
    /// Of what bone encloses.
    cavity: Vec<f64>,
}

/// Measures slices across `axis`.
pub struct Measure<'a> {
    pub par: &'a dyn Parallel,
    pub grid: &'a Grid,
    pub axis: usize,
}

impl Visit for Measure<'_> {
    type Out = Areas;

    fn visit<T: Sample>(self, voxels: &[T]) -> Areas {
        let full = self.grid.shape;
        let spacing = self.grid.spacing();
        let mut cell = spacing.map(|s| ((CELL_MM / s).round() as usize).max(1));
        cell[self.axis] = 1;
        let shape: [usize; 3] = std::array::from_fn(|a| full[a].div_ceil(cell[a]));
        let (nx, ny) = (shape[0], shape[1]);
        // Bits: 1 tissue, 2 bone.
        let mut cells = vec![0u8; shape.iter().product()];
        for_each_chunk(self.par, &mut cells, nx * ny, &|z, slab| {
            for k in z * cell[2]..((z + 1) * cell[2]).min(full[2]) {
                for j in 0..full[1] {
                    let row = voxels.get(full[0] * (j + full[1] * k)..).and_then(|r| r.get(..full[0]));
                    let at = nx * (j / cell[1]);
                    for (i, v) in row.unwrap_or_default().chunks(cell[0]).enumerate() {
                        let (mut tissue, mut bone) = (0, false);
                        for hu in v.iter().map(|v| v.hu()) {
                            tissue += usize::from(hu > TISSUE);
                            bone |= hu > BONE;
                        }
                        slab[at + i] |= u8::from(2 * tissue > v.len()) | u8::from(bone) << 1;
                    }
                }
            }
        });
        let bit = |bit: u8| cells.iter().map(|&c| u8::from(c & bit != 0)).collect::<Vec<u8>>();
        let tissue = largest_component(self.par, &bit(1), shape, Connectivity::Six);
        let bone = bit(2);
        let mut cavity = fill_holes_slices(self.par, &bone, shape, self.axis);
        cavity.iter_mut().zip(&bone).for_each(|(c, b)| *c &= 1 - b);
        let size: f64 = (0..3).filter(|&a| a != self.axis).map(|a| cell[a] as f64 * spacing[a]).product();
        let areas = |mask: &[u8]| {
            let mut out = vec![0.0; shape[self.axis]];
            for (n, _) in mask.iter().enumerate().filter(|&(_, &v)| v != 0) {
                out[[n % nx, n / nx % ny, n / nx / ny][self.axis]] += size / 100.0;
            }
            out
        };
        Areas { tissue: areas(&tissue), cavity: areas(&cavity) }
    }
}

impl Areas {
    /// Whether the head is cut off; `up` tells whether the axis points to the head's top.
    pub fn judge(&self, f: &mut Findings, up: bool) {
        let largest = |areas: &[f64]| areas.iter().copied().fold(0.0, f64::max);
        let (tissue, cavity) = (largest(&self.tissue), largest(&self.cavity));
        if cavity < SKULL_CM2 {
            let text = "no closed skull was found, so whether the head is cut off is not known";
            f.add("skull", cavity, "cm2", Verdict::Warn, text);
            return;
        }
        f.add("skull", cavity, "cm2", Verdict::Ok, "largest area that bone encloses in a slice");
        let end = |areas: &[f64], top: bool| {
            if top == up { areas.last() } else { areas.first() }.copied().unwrap_or(0.0)
        };
        let (top, above) = (end(&self.cavity, true) / cavity, end(&self.tissue, true) / tissue);
        let cut = top > VERTEX_CAVITY || above > VERTEX_TISSUE;
        let text = format!(
            "of its largest area does the cavity have in the top slice; tissue has {:.0} %{}",
            100.0 * above,
            if cut { ": the vertex seems to be cut off" } else { "" }
        );
        f.add("cavity at the top", 100.0 * top, "%", if cut { Verdict::Warn } else { Verdict::Ok }, text);
        let (bottom, below) = (end(&self.cavity, false) / cavity, end(&self.tissue, false) / tissue);
        let cut = bottom > BASE_CAVITY;
        let text = format!(
            "of its largest area does the cavity have in the bottom slice; tissue has {:.0} %{}",
            100.0 * below,
            if cut { ": the scan seems to begin above the foramen magnum" } else { "" }
        );
        f.add(
            "cavity at the bottom",
            100.0 * bottom,
            "%",
            if cut { Verdict::Warn } else { Verdict::Ok },
            text,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::Serial;

    /// Verdicts at the top and at the bottom for an ellipsoid skull cut to slices `from..to` of 40.
    fn verdicts(from: usize, to: usize, up: bool) -> [Verdict; 2] {
        let shape = [64, 80, to - from];
        let mut hu = Vec::new();
        for k in from..to {
            for j in 0..80i32 {
                for i in 0..64i32 {
                    let at = |v: f64, middle: f64, half: f64| ((v - middle) / half).powi(2);
                    let k = if up { k as f64 } else { 39.0 - k as f64 };
                    let r = at(i.into(), 31.5, 28.0) + at(j.into(), 36.5, 34.0) + at(k, 20.0, 19.0);
                    let table = j > 74;
                    hu.push(if r < 0.8 {
                        30i16
                    } else if r < 1.0 {
                        900
                    } else if table {
                        100
                    } else {
                        -1000
                    });
                }
            }
        }
        let grid = Grid::new(shape, Affine::from_spacing([2.5, 2.5, 4.0], [0.0; 3])).unwrap();
        let mut f = Findings::default();
        Measure { par: &Serial, grid: &grid, axis: 2 }.visit(&hu).judge(&mut f, up);
        assert_eq!(f.0[0].verdict, Verdict::Ok);
        [f.0[1].verdict, f.0[2].verdict]
    }

    #[test]
    fn a_cut_head_is_seen() {
        assert_eq!(verdicts(0, 40, true), [Verdict::Ok; 2]);
        assert_eq!(verdicts(0, 36, true), [Verdict::Warn, Verdict::Ok]);
        assert_eq!(verdicts(10, 40, true), [Verdict::Ok, Verdict::Warn]);
        assert_eq!(verdicts(10, 40, false), [Verdict::Warn, Verdict::Ok]);
    }
}
