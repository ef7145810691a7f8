//! The stage: a synthetic haematoma put into a head CT that is there, with its mask and truth.

mod blood;
mod grain;
mod scan;
mod seat;

use crate::draw::Draw;
use crate::haematoma::Haematoma;
use crate::lesion::{Lesion, Site, Wishes};
use crate::place;
use crate::texture::Texture;
use crate::truth::{self, Counts};
use crate::vector::{Point, lerp, norm, sub};
use blood::Blood;
use grain::Grain;
use ichor_image::resample::Sample;
use ichor_sdk::prelude::*;
use scan::{Scan, scan_bytes};

/// Where the haematoma lies.
#[derive(Param, Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Putamen or thalamus.
    Deep,
    /// White matter of a lobe.
    Lobar,
    /// Cerebellar hemisphere.
    Infratentorial,
    /// One of the others, as often as in patients: 55 % deep, 32 % lobar, 13 % infratentorial.
    Random,
}

/// Puts a synthetic haematoma into a head CT, with its mask and the truth about it.
///
/// The haematoma is that of `phantom-head`: a clot with lobes, swirls, hypodense patches, satellites and a rim of
/// oedema. The tissue is pushed away from its centre without change of volume up to three radii of the clot; from
/// there to six, and in the last 16 mm before the cavity's border, the push fades to nothing. There sulci and
/// cisterns narrow, as in a head. Blood is only where the cavity is and no bone, and shares voxels with tissue as the scan's
/// slice thickness and sharpness make it. The scan's own noise is measured and blood has noise of the same strength
/// and spectrum; noise elsewhere stays where it is while the tissue under it moves. What is not touched keeps its
/// bytes.
///
/// Falx, tentorium, lobes and ventricles are not recognised: their places are taken from the form of the cavity, so a
/// haematoma may lie across a sulcus, and the falx gives way with the brain. A parameter that is left out is drawn
/// from the seed. It is a model: what is measured on it tells about programs, not about patients.
#[derive(Stage)]
#[stage(id = "insert-haematoma", version = "1.0.0")]
#[input(ct, kind = "volume", unit = "HU", doc = "head CT without contrast")]
#[input(cavity, kind = "mask", grid = "ct", doc = "its cranial cavity, whole")]
#[output(ct, kind = "volume", like = "ct", doc = "the CT with the haematoma, of the same voxel type")]
#[output(
    haematoma,
    kind = "mask",
    grid = "ct",
    doc = "clot and satellites: the voxels with the most blood, as many as the volume asks"
)]
#[output(truth, kind = "table", doc = "true values: volumes, place, densities, shape, noise, what was drawn")]
pub struct InsertHaematoma {
    /// Seed of the haematoma; without it, the run's seed for this stage.
    seed: Option<u64>,
    /// Volume of the haematoma with its satellites; 0.3 to 100 mL if drawn (35 mL infratentorial).
    #[param(min = 0.05, max = 200.0, unit = "mL")]
    volume_ml: Option<f64>,
    /// Where the haematoma lies.
    #[param(default = "random")]
    place: Place,
    /// Density of clotted blood; 56 to 76 HU if drawn.
    #[param(min = 20.0, max = 120.0, unit = "HU")]
    hu: Option<f64>,
    /// Form of the haematoma: 0 an ellipsoid, 1 with many lobes.
    #[param(min = 0.0, max = 1.0)]
    irregularity: Option<f64>,
    /// Density of the haematoma: 0 fresh and uniform, 1 mixed: swirled with darker patches.
    #[param(min = 0.0, max = 1.0)]
    heterogeneity: Option<f64>,
    /// Share of the clot that is plasma above a level of settled cells (the patient lies on the back); 0 for none.
    #[param(min = 0.0, max = 0.9)]
    fluid_level: Option<f64>,
    /// Small haematomas beside the main one.
    #[param(max = 12)]
    satellites: Option<u32>,
    /// Mean width of the oedema round the haematoma.
    #[param(min = 0.0, max = 30.0, unit = "mm")]
    oedema_mm: Option<f64>,
    /// Share of the clot's volume by which tissue is pushed away; the rest takes the place of tissue. 0.7 to 1 if drawn.
    #[param(min = 0.0, max = 1.0)]
    mass_effect: Option<f64>,
    /// Thickness of a slice, over which it averages; without it, the distance of the slices.
    #[param(min = 0.1, max = 20.0, unit = "mm")]
    thickness: Option<f64>,
    /// Blur of the scanner within a slice, as the standard deviation of a Gaussian; without it, judged by the grain
    /// of the scan's noise.
    #[param(min = 0.0, max = 3.0, unit = "mm")]
    blur_mm: Option<f64>,
}

/// Least distance of blood from the cavity's border, mm.
const GAP: f32 = 2.0;
/// Places that are tried for one without too much CSF.
const TRIES: u64 = 24;
/// Share of CSF about the centre that is as good as none.
const LITTLE_CSF: f32 = 0.06;

impl InsertHaematoma {
    fn lesion(&self, seed: u64) -> Result<Lesion> {
        let site = match self.place {
            Place::Deep => Site::Deep,
            Place::Lobar => Site::Lobar,
            Place::Infratentorial => Site::Cerebellar,
            Place::Random => Site::Random,
        };
        let wishes = Wishes {
            haematoma_ml: self.volume_ml,
            site: Some(site),
            irregularity: self.irregularity,
            heterogeneity: self.heterogeneity,
            fluid_level: self.fluid_level,
            satellites: self.satellites,
            oedema_mm: self.oedema_mm,
            blood_hu: self.hu,
        };
        let mut lesion = Lesion::new(seed, &wishes)
            .ok_or_else(|| Error::bad_params("`volume_ml` is 0: there is nothing to insert"))?;
        if let Some(share) = self.mass_effect {
            lesion.pushed = share as f32;
        }
        Ok(lesion)
    }

    /// The haematoma at the first drawn place that is brain and holds it.
    fn bleed(&self, seed: u64, lesion: &Lesion, scan: &Scan, texture: &Texture) -> Result<Haematoma> {
        let seat = &scan.seat;
        let radius = (lesion.ml * 238.732).cbrt();
        let mut best: Option<(f32, Haematoma)> = None;
        let mut holds = 0.0f64;
        for attempt in 0..TRIES {
            let q = place::centre(seed.wrapping_add(attempt << 32), lesion, seat.scale());
            let side = q[0].signum();
            let centre = seat.of_reference(q);
            let allowed = |p: Point| {
                let room = scan.room(p) - GAP;
                room > 0.0 && place::allowed(lesion.site, side, 0.0, seat.to_reference(p), seat::inner(room))
            };
            if !allowed(centre) {
                continue;
            }
            let csf = scan.csf(centre, 0.8 * radius);
            if best.as_ref().is_some_and(|b| b.0 <= csf) {
                continue;
            }
            match Haematoma::new(seed, lesion.clone(), centre, &allowed, texture, seat.anterior()) {
                Ok(made) => best = Some((csf, made)),
                Err(possible) => holds = holds.max(possible),
            }
            if best.as_ref().is_some_and(|b| b.0 < LITTLE_CSF) {
                break;
            }
        }
        best.map(|b| b.1).ok_or_else(|| {
            Error::bad_params(format!(
                "a {} haematoma of {} mL does not fit this cavity: of {TRIES} places tried none holds more than \
                 {holds:.1} mL; lower `volume_ml`, or choose another `place` or seed",
                self.word(lesion),
                lesion.ml
            ))
        })
    }

    fn word(&self, lesion: &Lesion) -> &'static str {
        if lesion.site == Site::Cerebellar { "infratentorial" } else { lesion.site.name() }
    }

    /// Writes the images and returns the truth. `ct` is where the CT goes, `check` tells when to stop.
    fn insert<T: Sample>(
        &self,
        par: &dyn Parallel,
        seed: u64,
        source: (&[T], &[u8], &Grid),
        (ct, mask): (&mut [T], &mut [u8]),
        check: &dyn Fn(f64, &str) -> Result<()>,
    ) -> Result<Table> {
        let (from, cavity, grid) = source;
        ct.copy_from_slice(from);
        mask.fill(0);
        check(0.0, "reading the scan")?;
        let lesion = self.lesion(seed)?;
        let mut scan = Scan::new(par, from, cavity, grid)?;
        check(0.4, "finding a place")?;
        let texture = Texture::new(Draw::new(seed, 0));
        let haematoma = self.bleed(seed, &lesion, &scan, &texture)?;
        let around = scan.clean_near(par, haematoma.centre, haematoma.reach());
        let grain = Grain::new(par, &scan, &around);
        let thickness = self.thickness.unwrap_or(scan.spacing[scan.through]);
        let blur = self.blur_mm.unwrap_or(grain.blur_mm);
        check(0.5, "bleeding")?;
        let blood = Blood::new(par, &scan, &haematoma, &texture, [thickness, blur]);
        let count = haematoma.volume_ml() * 1000.0 / grid.voxel_volume_mm3();
        let voxels = blood.most(count.round() as usize);
        let noise = grain.field(par, &scan, &blood.window, seed ^ 0x6772_6169_6e00);
        let denoised = scan.denoised(par);
        let seat = &scan.seat;
        let tissue = denoised.matter(&scan);
        check(0.7, "pushing the brain aside")?;
        let plane = grid.shape[0] * grid.shape[1];
        for_each_chunk(par, ct, plane, &|k, plane| {
            let window = &scan.bounds;
            if (k as isize) < window.begin[2] || k as isize >= window.end[2] {
                return;
            }
            for j in 0..scan.shape[1] {
                for i in 0..scan.shape[0] {
                    let v = [i, j, k - window.begin[2] as usize];
                    let here = scan.index(v);
                    if scan.cavity[here] == 0 {
                        continue;
                    }
                    let p = scan.head(v);
                    let (share, hu) = blood.at(v);
                    if share == 0.0 && norm(sub(p, haematoma.centre)) > haematoma.influence() {
                        continue;
                    }
                    let q = seat.to_reference(p);
                    let gives = place::gives(lesion.site, q, -scan.depth[here]);
                    let origin = haematoma.origin(p);
                    let origin: Point = std::array::from_fn(|n| lerp(p[n], origin[n], gives));
                    let moved = norm(sub(origin, p)) > 1e-3;
                    let wet = haematoma.oedema(p, &texture);
                    if share == 0.0 && !moved && wet == 0.0 {
                        continue;
                    }
                    let mut tissue_hu =
                        if moved { denoised.at(&scan, scan.voxel(origin), here) } else { denoised.hu[here] };
                    if wet > 0.0 {
                        tissue_hu += wet * tissue.soak(tissue_hu, lesion.oedema_hu);
                    }
                    let dry = 1.0 - share;
                    let mut value = dry * (tissue_hu + scan.hu[here] - denoised.hu[here]) + share * hu;
                    if share > 0.0 {
                        value += (1.0 - dry * dry).sqrt() * noise.at(v);
                    }
                    let at = i + window.begin[0] as usize + grid.shape[0] * (j + window.begin[1] as usize);
                    plane[at] = T::from_f32(value);
                }
            }
        });
        check(0.95, "measuring")?;
        let mut counts = Counts { blood: blood.sums, ..Counts::default() };
        for v in voxels {
            let at = grid.index(
                (v[0] as isize + scan.bounds.begin[0]) as usize,
                (v[1] as isize + scan.bounds.begin[1]) as usize,
                (v[2] as isize + scan.bounds.begin[2]) as usize,
            );
            mask[at] = 1;
            let hu = f64::from(ct[at].to_f32());
            counts.voxels[1] += 1;
            counts.ct[0] += hu;
            counts.ct[1] += hu * hu;
        }
        let shift = place::midline_shift(|x| {
            let p = seat.of_reference([0.0, 8.0, 13.0]);
            let p = [p[0] + x, p[1], p[2]];
            let gives = place::gives(lesion.site, seat.to_reference(p), -scan.room(p));
            seat.to_reference([lerp(p[0], haematoma.origin(p)[0], gives), p[1], p[2]])[0]
        });
        let voxel_ml = grid.voxel_volume_mm3() / 1000.0;
        let mut t = Table::measurements();
        let asked = f64::from(lesion.ml);
        t.measure("all", "volume_asked", asked, "mL", "volume that was asked for, or drawn");
        t.measure(
            "all",
            "haematoma_volume",
            haematoma.volume_ml(),
            "mL",
            "clot and satellites, integrated before sampling",
        );
        let made = counts.voxels[1] as f64 * voxel_ml;
        t.measure("all", "haematoma_volume_voxels", made, "mL", "the mask `haematoma`");
        t.measure("all", "seed", seed.to_string(), "", "seed of the haematoma");
        let world = seat.world(haematoma.centre);
        for (name, value) in ["centre_r", "centre_a", "centre_s"].into_iter().zip(world) {
            t.measure("all", name, value, "mm", "the clot's centre in the image's world, RAS+");
        }
        truth::haematoma(&mut t, &haematoma, shift, &counts);
        let pushed = f64::from(lesion.pushed);
        t.measure(
            "all",
            "mass_effect",
            pushed,
            "",
            "share of the clot's volume by which tissue is pushed away",
        );
        t.measure(
            "all",
            "noise_sd",
            f64::from(grain.sd_at(&scan, haematoma.centre)),
            "HU",
            "noise of the scan beside the haematoma, and of its blood",
        );
        t.measure("all", "blur", blur, "mm", "blur of the scanner within a slice, standard deviation");
        t.measure("all", "thickness", thickness, "mm", "slice thickness over which blood is averaged");
        Ok(t)
    }
}

impl Run for InsertHaematoma {
    fn run(&self, run: &Context) -> Result<()> {
        let (ct, cavity) = (run.input(Self::CT)?, run.input(Self::CAVITY)?);
        let grid = *ct.grid();
        if !grid.same_as(cavity.grid()) {
            return Err(Error::bad_input(format!(
                "the CT has {grid} and the cavity {}, or they lie apart; resample one like the other",
                cavity.grid()
            )));
        }
        let inside = cavity.mask()?;
        let mask = run.new_mask(Self::HAEMATOMA, &grid)?;
        let seed = self.seed.unwrap_or_else(|| run.seed());
        let check = |fraction: f64, what: &str| {
            run.progress(fraction, what);
            run.check_cancelled()
        };
        let table = match ct.voxels() {
            Voxels::I16(v) => self.insert(
                run,
                seed,
                (v, inside, &grid),
                (run.new_like(Self::CT, &ct, &grid)?, mask),
                &check,
            ),
            Voxels::U16(v) => self.insert(
                run,
                seed,
                (v, inside, &grid),
                (run.new_like(Self::CT, &ct, &grid)?, mask),
                &check,
            ),
            Voxels::F32(v) => self.insert(
                run,
                seed,
                (v, inside, &grid),
                (run.new_like(Self::CT, &ct, &grid)?, mask),
                &check,
            ),
            _ => Err(Error::bad_input("the CT has whole numbers that cannot be HU; give i16 or f32")),
        }?;
        run.emit_table(Self::TRUTH, &table)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let ct = run.input(Self::CT)?;
        let grid = *ct.grid();
        match ct.dtype() {
            DType::I16 => run.new_like::<i16>(Self::CT, &ct, &grid).map(|_| ()),
            DType::U16 => run.new_like::<u16>(Self::CT, &ct, &grid).map(|_| ()),
            _ => run.new_like::<f32>(Self::CT, &ct, &grid).map(|_| ()),
        }?;
        run.new_mask(Self::HAEMATOMA, &grid)?;
        Ok(Need { scratch_bytes: scan_bytes(&grid), device_bytes: 0 })
    }
}

#[cfg(test)]
mod tests;
