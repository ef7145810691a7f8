//! The stage: a head CT made from a seed, with its truth.

use crate::draw::Draw;
use crate::head::{Head, pivot};
use crate::kernel::Kernel;
use crate::lesion::{Site, Wishes};
use crate::pose::{Pose, grid};
use crate::sampling::{Sampling, slice_bytes};
use crate::scanner::Scanner;
use crate::truth::{Counts, truth};
use ichor_sdk::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Makes a synthetic head CT with a haematoma, and the truth about it.
///
/// The head is a body in continuous space: scalp, skull with diploe, sutures and air cells, orbits, sinuses,
/// CSF, folded cortex, white matter, deep nuclei, ventricles, falx, tentorium, venous sinuses, cerebellum,
/// brain stem, calcifications, vessels. Its form and densities are drawn from the seed. A haematoma pushes the
/// tissue aside. Voxels are averages over their extent; then come the scanner's blur, streaks and noise. A
/// parameter that is left out is drawn from the seed. The same seed and parameters give the same bytes.
///
/// It is a model: what is measured on it tells about programs, not about patients.
#[derive(Stage)]
#[stage(id = "phantom-head", version = "1.1.0")]
#[output(ct, kind = "volume", unit = "HU", doc = "CT of the head, i16")]
#[output(
    cavity,
    kind = "mask",
    grid = "ct",
    doc = "inside the inner table, above the plane of the foramen magnum"
)]
#[output(haematoma, kind = "mask", grid = "ct", doc = "clot and satellites")]
#[output(truth, kind = "table", doc = "true values: volumes, densities, shape, what was drawn")]
pub struct PhantomHead {
    /// Seed of the head; without it, the run's seed for this stage.
    seed: Option<u64>,
    /// Voxels along i, j and k.
    #[param(default = [512, 512, 36], min = 1, max = 2048)]
    shape: [usize; 3],
    /// Distance of voxel centres along i, j and k.
    #[param(default = [0.45, 0.45, 5.0], min = 0.1, max = 20.0, unit = "mm")]
    spacing: [f64; 3],
    /// Thickness of a slice, over which it averages; without it, the spacing along k.
    #[param(min = 0.1, max = 20.0, unit = "mm")]
    thickness: Option<f64>,
    /// Directions in which i, j and k grow: R or L, A or P, S or I.
    #[param(default = "LPS")]
    orientation: String,
    /// Turn of the head about the axes R, A, S (pitch, roll, yaw); drawn within some 8 degrees if left out.
    #[param(min = -180.0, max = 180.0, unit = "degree")]
    rotation: Option<[f64; 3]>,
    /// Shift of the head along R, A, S; drawn within some 6 mm if left out.
    #[param(min = -200.0, max = 200.0, unit = "mm")]
    shift: Option<[f64; 3]>,
    /// Volume of the cranial cavity; 1100 to 1700 mL if drawn.
    #[param(min = 600.0, max = 2200.0, unit = "mL")]
    cavity_ml: Option<f64>,
    /// Volume of the haematoma with its satellites; 0 for none; 0.3 to 100 mL if drawn.
    #[param(min = 0.0, max = 300.0, unit = "mL")]
    haematoma_ml: Option<f64>,
    /// Where the haematoma lies.
    #[param(default = "random")]
    site: Site,
    /// Form of the haematoma: 0 an ellipsoid, 1 with many protuberances.
    #[param(min = 0.0, max = 1.0)]
    irregularity: Option<f64>,
    /// Density of the haematoma: 0 uniform, 1 swirled with hypodense patches.
    #[param(min = 0.0, max = 1.0)]
    heterogeneity: Option<f64>,
    /// Share of the clot that is plasma above a level of settled cells (the patient lies on the back); 0 for
    /// none.
    #[param(min = 0.0, max = 0.9)]
    fluid_level: Option<f64>,
    /// Small haematomas beside the main one.
    #[param(max = 12)]
    satellites: Option<u32>,
    /// Mean width of the oedema round the haematoma.
    #[param(min = 0.0, max = 30.0, unit = "mm")]
    oedema_mm: Option<f64>,
    /// Density of clotted blood; 56 to 76 HU if drawn.
    #[param(min = 20.0, max = 120.0, unit = "HU")]
    blood_hu: Option<f64>,
    /// Standard deviation of the noise in the middle of the brain for slices of 5 mm; thinner slices have
    /// more, as 1/sqrt(thickness); 1.2 to 5.5 HU drawn if null.
    #[param(default = 3.5, min = 0.0, max = 50.0, unit = "HU")]
    noise_hu: Option<f64>,
    /// Reconstruction kernel.
    #[param(default = "soft")]
    kernel: Kernel,
    /// Strength of streaks from dense bone: 0 none, 1 usual; 0.2 to 3 drawn if null.
    #[param(default = 1.0, min = 0.0, max = 5.0)]
    streaks: Option<f64>,
    /// Strength of what is like blood and is none, and of how heads differ: brain bright or brain without CSF
    /// beside bone, an uneven skull base, dense or wide venous sinuses, thick or dense falx and tentorium, more,
    /// larger, fainter and denser calcifications, old infarcts, other calibration, a wider range of poses. 0 none,
    /// 1 much; 0.3 to 1 drawn if null.
    #[param(default = 0.0, min = 0.0, max = 1.0)]
    look_alikes: Option<f64>,
    /// Whether the head rests in a holder.
    #[param(default = true)]
    holder: bool,
}

/// What the stage makes, in the arrays it is given.
struct Images<'a> {
    ct: &'a mut [i16],
    cavity: &'a mut [u8],
    haematoma: &'a mut [u8],
}

impl PhantomHead {
    /// Fills the images of `grid` and returns the truth. Asks `stop` once a slice and tells it how far it is.
    fn make(
        &self,
        par: &dyn Parallel,
        seed: u64,
        grid: &Grid,
        images: Images,
        stop: &(dyn Fn(f64) -> bool + Sync),
    ) -> Result<Table> {
        let d = &mut Draw::new(seed, 6);
        let drawn_rotation = [d.normal(0.0, 5.0), d.normal(0.0, 3.0), d.normal(0.0, 4.0)].map(f64::from);
        let drawn_shift = [d.normal(0.0, 3.0), d.normal(0.0, 4.0), d.normal(0.0, 3.0)].map(f64::from);
        let scanner_draw = &mut Draw::new(seed, 8);
        let drawn_noise = scanner_draw.log_range(1.2, 5.5);
        let drawn_streaks = scanner_draw.log_range(0.2, 3.0);
        let drawn_strength = scanner_draw.range(0.3, 1.0);
        let strength = self.look_alikes.map_or(drawn_strength, |v| v as f32);
        let drawn_rotation: [f64; 3] = {
            // Heads lie tilted against the slices, by a tilted gantry if not by themselves.
            let sd = [7.0, 3.0, 4.0].map(|sd: f32| sd * strength);
            std::array::from_fn(|a| drawn_rotation[a] + f64::from(scanner_draw.normal(0.0, sd[a])))
        };
        let pose = Pose::new(self.rotation.unwrap_or(drawn_rotation), self.shift.unwrap_or(drawn_shift));
        let head = Head::new(par, seed, self.cavity_ml, strength, &self.wishes(), pose.up())?;
        let cavity_ml = head.cavity_ml(par);
        let thickness = self.thickness.unwrap_or(self.spacing[2]);
        let sampling = Sampling::new(&head, grid, pose.to_head(grid, pivot(head.size())), thickness);
        let scanner = Scanner {
            seed,
            kernel: self.kernel.response(scanner_draw),
            noise_hu: self.noise_hu.map_or(drawn_noise, |v| v as f32),
            streaks: self.streaks.map_or(drawn_streaks, |v| v as f32),
            thickness,
            holder: self.holder,
        };
        let slice = grid.shape[0] * grid.shape[1];
        let parts = images.ct.chunks_mut(slice).zip(images.cavity.chunks_mut(slice));
        let mut parts: Vec<_> = parts
            .zip(images.haematoma.chunks_mut(slice))
            .map(|((ct, cavity), haematoma)| (ct, cavity, haematoma, Counts::default()))
            .collect();
        let done = AtomicUsize::new(0);
        let total = parts.len();
        for_each_chunk(par, &mut parts, 1, &|k, part| {
            if stop(done.load(Ordering::Relaxed) as f64 / total as f64) {
                return;
            }
            for (ct, cavity, haematoma, counts) in part {
                let made = sampling.slice(&head, k);
                counts.blood = made.blood_sums;
                ct.copy_from_slice(&scanner.scan(&head, grid, k, made.hu));
                for n in 0..slice {
                    cavity[n] = u8::from(made.cavity[n] >= 0.4999);
                    haematoma[n] = u8::from(made.blood[n] >= 0.4999);
                    counts.voxels[0] += usize::from(cavity[n]);
                    if haematoma[n] == 1 {
                        let hu = f64::from(ct[n]);
                        counts.voxels[1] += 1;
                        counts.ct[0] += hu;
                        counts.ct[1] += hu * hu;
                    }
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
        });
        let mut counts = Counts::default();
        parts.iter().for_each(|p| counts.add(&p.3));
        Ok(truth(&head, grid, seed, cavity_ml, &counts))
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            haematoma_ml: self.haematoma_ml,
            site: Some(self.site),
            irregularity: self.irregularity,
            heterogeneity: self.heterogeneity,
            fluid_level: self.fluid_level,
            satellites: self.satellites,
            oedema_mm: self.oedema_mm,
            blood_hu: self.blood_hu,
        }
    }
}

impl Run for PhantomHead {
    fn run(&self, run: &Context) -> Result<()> {
        let grid = grid(self.shape, self.spacing, &self.orientation)?;
        let seed = self.seed.unwrap_or_else(|| run.seed());
        let images = Images {
            ct: run.new_volume(Self::CT, Unit::Hu, &grid)?,
            cavity: run.new_mask(Self::CAVITY, &grid)?,
            haematoma: run.new_mask(Self::HAEMATOMA, &grid)?,
        };
        let last = Mutex::new(());
        let table = self.make(run, seed, &grid, images, &|fraction| {
            if let Ok(_one) = last.try_lock() {
                run.progress(fraction, "scanning");
            }
            run.cancelled()
        })?;
        run.check_cancelled()?;
        run.emit_table(Self::TRUTH, &table)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let grid = grid(self.shape, self.spacing, &self.orientation)?;
        run.new_volume::<i16>(Self::CT, Unit::Hu, &grid)?;
        run.new_mask(Self::CAVITY, &grid)?;
        run.new_mask(Self::HAEMATOMA, &grid)?;
        let slice = slice_bytes(&grid, self.thickness.unwrap_or(self.spacing[2]));
        let at_once = run.max_threads().min(grid.shape[2]);
        Ok(Need { scratch_bytes: slice * at_once as u64, device_bytes: 0 })
    }
}

#[cfg(test)]
mod tests;
