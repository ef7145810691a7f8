//! Features of the Image Biomarker Standardisation Initiative (IBSI).

mod aggregation;
mod glcm;
mod intensity;
mod levels;
mod local;
mod morphology;
mod names;
mod neighbours;
mod ngtdm;
mod region;
mod sizes;
mod texture;
mod zones;

use crate::fragile::note;
use crate::lesion::{Lesion, axial, axial_last, of_clusters};
use aggregation::Aggregation;
use ichor_image::{Clusters, Connectivity};
use ichor_sdk::prelude::*;
use levels::Discretisation;
use names::Name;
use region::Region;
use std::borrow::Cow;

/// Measures a haematoma's shape, intensities and texture as the IBSI defines them.
///
/// Names and formulas are those of the reference manual of the Image Biomarker Standardisation Initiative
/// (arXiv:1612.07003; Zwanenburg et al., Radiology 2020;295:328-338); each definition has the feature's
/// four-letter code. Slices are those of the voxel axis that runs most
/// superior-inferior. Neighbours are voxels, whatever their distance: with thick slices take a 2D or 2.5D
/// aggregation, or bring the CT and the mask to cubic voxels (stage `resample`) before. Shape is that of the whole mask; intensities and textures are of the voxels that
/// `resegmentation_range` leaves. Lesions are connected by faces, edges or corners.
///
/// What is not defined, such as a correlation of equal values, is null. Moran's I and Geary's C, which compare
/// every pair of voxels, are null beyond 10 000 voxels.
///
/// Where a definition says `fragile in`, the value moved on phantoms by more than 10 % (a sign or a count: in a tenth of
/// them) from thin slices to slices of 5 mm, by a shift of half a voxel, or when noise doubled (docs/benchmarks/density.md).
#[derive(Stage)]
#[stage(id = "radiomics", version = "1.0.0")]
#[input(ct, kind = "volume", doc = "CT or another image")]
#[input(mask, kind = "mask", grid = "ct", doc = "haematoma")]
#[output(table, kind = "table", doc = "measurements: lesion, name, value, unit, definition")]
pub struct Radiomics {
    /// Also measures each lesion by itself: `1` is the largest, and so on by decreasing volume.
    #[param(default = false)]
    per_lesion: bool,
    /// Lowest and highest intensity that counts for intensities and textures; all without it.
    #[param(unit = "HU")]
    resegmentation_range: Option<[f64; 2]>,
    /// How intensities become grey levels.
    #[param(default = "fixed-bin-size")]
    discretisation: Method,
    /// Width of a bin for `fixed-bin-size`; the first begins at the lower end of `resegmentation_range`, or at the
    /// lowest intensity.
    #[param(default = 5.0, min = 0.000001, unit = "HU")]
    bin_size: f64,
    /// Bins over the range of intensities for `fixed-bin-number`.
    #[param(default = 32, min = 1, max = 1024)]
    bin_number: u32,
    /// Which matrices of slices and directions are merged, and which features averaged.
    #[param(default = "2D slice-merged")]
    aggregation: Aggregation,
    /// Coarseness parameter alpha of the neighbouring grey level dependence: levels that differ by no more depend
    /// on each other.
    #[param(default = 0, min = 0, max = 1024)]
    dependence_coarseness: u32,
    /// Measures morphology.
    #[param(default = true)]
    morphology: bool,
    /// Measures intensity statistics, the histogram and the intensity-volume histogram.
    #[param(default = true)]
    intensity: bool,
    /// Measures the local and global intensity peak: slow on fine voxels.
    #[param(default = false)]
    local_intensity: bool,
    /// Measures the six texture families.
    #[param(default = true)]
    texture: bool,
}

/// IBSI 2.7.
#[derive(Clone, Copy, Debug, PartialEq, Param)]
enum Method {
    /// FBS.
    FixedBinSize,
    /// FBN.
    FixedBinNumber,
}

impl Run for Radiomics {
    fn run(&self, run: &Context) -> Result<()> {
        if let Some([low, high]) = self.resegmentation_range
            && low >= high
        {
            return Err(Error::bad_params(format!(
                "`resegmentation_range` is [{low}, {high}]: the first must be lower than the second"
            )));
        }
        let (ct, mask) = (run.input(Self::CT)?, run.input(Self::MASK)?);
        let (mask, grid) = (mask.mask()?, ct.grid());
        let table = match ct.voxels() {
            Voxels::U8(v) => self.measure(run, v, mask, grid),
            Voxels::I16(v) => self.measure(run, v, mask, grid),
            Voxels::U16(v) => self.measure(run, v, mask, grid),
            Voxels::F32(v) => self.measure(run, v, mask, grid),
            Voxels::U32(_) => Err("a volume holds i16, u16 or f32".to_owned()),
        };
        run.check_cancelled()?;
        run.emit_table(Self::TABLE, &table.map_err(Error::bad_input)?)
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let input = run.input(Self::CT)?;
        let voxels = input.grid().len() as u64;
        // Copies with slices last; and of the box around the mask, which specks make as large as the image, levels,
        // zones and distances.
        let copy = if axial(input.grid()) == 2 { 0 } else { 5 * voxels };
        Ok(Need { scratch_bytes: copy + 10 * voxels, device_bytes: 0 })
    }
}

impl Radiomics {
    fn measure<T: Voxel + Into<f32>>(
        &self,
        par: &dyn Parallel,
        ct: &[T],
        mask: &[u8],
        grid: &Grid,
    ) -> Result<Table, String> {
        let (ct, _) = axial_last(ct, grid);
        let (mask, grid) = axial_last(mask, grid);
        let found = Clusters::new(par, &mask, grid.shape, Connectivity::TwentySix);
        let (whole, mut each) = of_clusters(&found, self.per_lesion);
        drop(found);
        each.sort_by_key(|lesion| std::cmp::Reverse(lesion.voxels())); // stable: ties stay in scan order
        let mut table = Table::measurements();
        let lesions = std::iter::once(("all".to_owned(), whole))
            .chain(each.into_iter().enumerate().map(|(n, lesion)| ((n + 1).to_string(), lesion)));
        for (name, lesion) in lesions {
            self.rows(&mut table, par, &name, lesion, &ct, &grid)?;
        }
        Ok(table)
    }

    fn rows<T: Voxel + Into<f32>>(
        &self,
        table: &mut Table,
        par: &dyn Parallel,
        name: &str,
        lesion: Lesion,
        ct: &[T],
        grid: &Grid,
    ) -> Result<(), String> {
        let value = |i, j, k| ct[grid.index(i as usize, j as usize, k as usize)].into();
        let region = Region::new(lesion, self.resegmentation_range, value);
        for row in self.features(par, &region, grid, &|j, k| {
            Cow::Owned(ct[grid.index(0, j, k)..][..grid.shape[0]].iter().map(|&v| v.into()).collect())
        })? {
            let reason = match row.value.is_finite() {
                true => "",
                false if region.values.is_empty() => "; undefined here: the mask is empty",
                false if region.voxels_kept() == 0 && row.family != "morph" => {
                    "; undefined here: `resegmentation_range` leaves no voxel"
                }
                false
                    if matches!(row.name.1, "N365" | "NPT7")
                        && region.voxels_kept() > morphology::MOST_FOR_PAIRS =>
                {
                    "; undefined here: more than 10 000 voxels"
                }
                false => "; undefined here: too few voxels or grey levels, all equal",
            };
            let words = row.name.0.replace('_', " ");
            let quantity = format!("{}_{}", row.family, row.name.0);
            let fragile = note(&quantity);
            let definition = format!("IBSI {}: {words}{}{fragile}{reason}", row.name.1, row.how);
            table.measure(name, &quantity, row.value, row.unit, &definition);
        }
        Ok(())
    }

    fn features(
        &self,
        par: &dyn Parallel,
        region: &Region,
        grid: &Grid,
        image_row: &(dyn Fn(usize, usize) -> Cow<'static, [f32]> + Sync),
    ) -> Result<Vec<Feature>, String> {
        let mut out = Vec::new();
        let mut add = |family: &'static str, names: &[Name], values: &[f64], how: &str, unit: Units| {
            for (n, (name, value)) in names.iter().zip(values).enumerate() {
                out.push(Feature { family, name: *name, value: *value, unit: unit(n), how: how.to_owned() });
            }
        };
        if self.morphology {
            let values = morphology::morphology(par, region, grid);
            add("morph", &names::MORPHOLOGY, &values, "", |n| {
                ["mm3", "mm3", "mm2", "1/mm", "1", "1", "1", "1", "1", "mm", "mm", "mm", "mm", "mm"]
                    .get(n)
                    .unwrap_or(if n == 22 { &"HU.mm3" } else { &"1" })
            });
        }
        if self.local_intensity {
            let values = local::peaks(par, region, grid, image_row);
            add("loc", &names::LOCAL_INTENSITY, &values, ": mean over a sphere of 1 mL", |_| "HU");
        }
        if !self.intensity && !self.texture {
            return Ok(out);
        }
        let kept: Vec<f32> = region.kept().map(|(v, _)| v).collect();
        let counted = if kept.is_empty() { Vec::new() } else { intensity::histogram(&kept) };
        let ends = counted.first().zip(counted.last()).map(|(a, b)| (a.0, b.0));
        let range = self.resegmentation_range;
        let (rule, how) = match self.discretisation {
            Method::FixedBinSize => (
                Discretisation::Size { width: self.bin_size, lower: range.map(|r| r[0]) },
                format!("fixed bin size {}", self.bin_size),
            ),
            Method::FixedBinNumber => (
                Discretisation::Number(self.bin_number as usize),
                format!("fixed bin number {}", self.bin_number),
            ),
        };
        let how = match range {
            Some([low, high]) => format!("; {how}, intensities {low} to {high}"),
            None => format!("; {how}"),
        };
        let discretised = ends.map(|(low, high)| rule.levels(low, high)).transpose()?;
        if self.intensity {
            let statistics = discretised.as_ref().map(|_| intensity::statistics(&counted));
            let within = range.map_or(String::new(), |[a, b]| format!("; intensities {a} to {b}"));
            add("stat", &names::INTENSITY_STATISTICS, &statistics.unwrap_or([f64::NAN; 18]), &within, |n| {
                match n {
                    1 | 16 => "HU2",
                    2 | 3 | 14 | 15 => "1",
                    _ => "HU",
                }
            });
            let histogram = discretised.as_ref().map(|(level, ng)| {
                let mut counts = vec![0; *ng];
                counted.iter().for_each(|&(v, c)| counts[level(v as f32) as usize - 1] += c);
                let counts = counts.into_iter().enumerate().filter(|c| c.1 > 0);
                intensity::levels(&counts.map(|(n, c)| ((n + 1) as f64, c)).collect(), *ng)
            });
            add("ih", &names::INTENSITY_HISTOGRAM, &histogram.unwrap_or([f64::NAN; 23]), &how, |_| "1");
            let volumes = discretised.as_ref().map(|_| intensity::volume_histogram(&counted, range));
            add("ivh", &names::INTENSITY_VOLUME_HISTOGRAM, &volumes.unwrap_or([f64::NAN; 6]), &within, |n| {
                match n {
                    2 | 3 | 5 => "HU",
                    _ => "1",
                }
            });
        }
        if self.texture {
            let texture = discretised.map(|(level, ng)| {
                let grey = |n: usize| if region.keep[n] { level(region.values[n]) } else { 0 };
                let (data, shape) = levels::draw(&region.lesion, grey);
                let levels = levels::Levels { data, shape, ng, voxels: kept.len() };
                let (inside, _) = levels::draw(&region.lesion, |_| 1u8);
                let alpha = self.dependence_coarseness as u16;
                texture::texture(par, &levels, &inside, self.aggregation, alpha)
            });
            let of = |part: fn(&texture::Texture) -> &[f64], n: usize| -> Vec<f64> {
                texture.as_ref().map_or(vec![f64::NAN; n], |t| part(t).to_vec())
            };
            let directed = format!("; {}{how}", self.aggregation.name());
            let space = format!("; {}{how}", self.aggregation.space());
            add("glcm", &names::GLCM, &of(|t| &t.glcm, 25), &directed, |_| "1");
            add("glrlm", &names::GLRLM, &of(|t| &t.glrlm, 16), &directed, |_| "1");
            add("glszm", &names::GLSZM, &of(|t| &t.glszm, 16), &space, |_| "1");
            add("gldzm", &names::GLDZM, &of(|t| &t.gldzm, 16), &space, |_| "1");
            add("ngtdm", &names::NGTDM, &of(|t| &t.ngtdm, 5), &space, |_| "1");
            add("ngldm", &names::NGLDM, &of(|t| &t.ngldm, 17), &space, |_| "1");
        }
        Ok(out)
    }
}

type Units = fn(usize) -> &'static str;

struct Feature {
    family: &'static str,
    name: Name,
    value: f64,
    unit: &'static str,
    /// Aggregation and discretisation, for the definition.
    how: String,
}

#[cfg(test)]
mod tests;
