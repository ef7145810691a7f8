//! From a picture in a file to an output of the kind that the pipeline says.

use crate::nifti_read::{Picture, Survey};
use ichor_sdk::Out;
use ichor_sdk::prelude::*;

/// What the voxels mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
pub enum Meaning {
    /// Measurements.
    Volume,
    /// 0 and 1.
    Mask,
    /// Numbers of what voxels belong to.
    Labels,
    /// 0 to 1.
    Probs,
}

/// The type of voxel that holds the values: as load-nifti chooses it.
pub fn dtype(picture: &Picture, survey: &Survey, meaning: Meaning) -> Result<DType, String> {
    let Survey { min, max, whole, finite } = *survey;
    let within = |least: f64, most: f64| least <= min && max <= most;
    if meaning != Meaning::Probs && picture.volumes > 1 {
        return Err(format!("holds {} volumes, one is needed", picture.volumes));
    }
    if !finite {
        return Err("has voxels that are NaN or infinite".into());
    }
    let range = || format!("its voxels lie between {min} and {max}");
    match meaning {
        Meaning::Mask if whole && within(0.0, 1.0) => Ok(DType::U8),
        Meaning::Mask => Err(format!("is no mask of 0 and 1: {}{}", range(), fractions(whole))),
        Meaning::Labels if whole && within(0.0, 255.0) => Ok(DType::U8),
        Meaning::Labels if whole && within(0.0, 65535.0) => Ok(DType::U16),
        Meaning::Labels if whole && within(0.0, f64::from(u32::MAX)) => Ok(DType::U32),
        Meaning::Labels => {
            Err(format!("holds no labels from 0 to {}: {}{}", u32::MAX, range(), fractions(whole)))
        }
        Meaning::Probs if within(0.0, 1.0) => Ok(DType::F32),
        Meaning::Probs => Err(format!("holds no probabilities from 0 to 1: {}", range())),
        Meaning::Volume if picture.is_integer() && within(-32768.0, 32767.0) => Ok(DType::I16),
        Meaning::Volume if picture.is_integer() && within(0.0, 65535.0) => Ok(DType::U16),
        Meaning::Volume if within(f64::from(f32::MIN), f64::from(f32::MAX)) => Ok(DType::F32),
        Meaning::Volume => Err(format!("holds values beyond float32: {}", range())),
    }
}

fn fractions(whole: bool) -> &'static str {
    if whole { "" } else { ", and are not whole numbers" }
}

/// Makes the output of this kind and type; `fill` writes a voxel's value. In a plan it is declared only.
pub fn emit(
    run: &Context,
    port: Out,
    (meaning, unit, dtype): (Meaning, Unit, DType),
    grid: &Grid,
    picture: Option<&Picture>,
) -> Result<()> {
    let volumes = picture.map_or(1, |p| p.volumes);
    match (meaning, dtype) {
        (Meaning::Mask, _) => fill(run, picture, run.new_mask(port, grid)?, |v| v as u8),
        (Meaning::Probs, _) => fill(run, picture, run.new_probs(port, volumes, grid)?, |v| v as f32),
        (Meaning::Labels, DType::U8) => fill(run, picture, run.new_labels(port, grid)?, |v| v as u8),
        (Meaning::Labels, DType::U16) => fill(run, picture, run.new_labels(port, grid)?, |v| v as u16),
        (Meaning::Labels, _) => fill(run, picture, run.new_labels(port, grid)?, |v| v as u32),
        (Meaning::Volume, DType::I16) => fill(run, picture, run.new_volume(port, unit, grid)?, |v| v as i16),
        (Meaning::Volume, DType::U16) => fill(run, picture, run.new_volume(port, unit, grid)?, |v| v as u16),
        (Meaning::Volume, _) => fill(run, picture, run.new_volume(port, unit, grid)?, |v| v as f32),
    }
    Ok(())
}

/// Fills `out` with the picture's values, which `dtype` found to fit.
fn fill<T: Send>(
    par: &dyn Parallel,
    picture: Option<&Picture>,
    out: &mut [T],
    convert: impl Fn(f64) -> T + Sync,
) {
    const CHUNK: usize = 1 << 16;
    const PIECE: usize = 1 << 10;
    let Some(picture) = picture else { return };
    for_each_chunk(par, out, CHUNK, &|n, part| {
        let mut values = [0.0; PIECE];
        for (m, piece) in part.chunks_mut(PIECE).enumerate() {
            let values = &mut values[..piece.len()];
            picture.values(n * CHUNK + m * PIECE, values);
            piece.iter_mut().zip(values).for_each(|(o, v)| *o = convert(*v));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nifti_read::tests::from;
    use crate::nifti_write::file;
    use ichor_image::Serial;

    fn picture(dtype: DType, volumes: usize, voxels: Voxels) -> Picture {
        let n = match voxels {
            Voxels::F32(v) => v.len(),
            Voxels::U32(v) => v.len(),
            Voxels::U16(v) => v.len(),
            Voxels::I16(v) => v.len(),
            Voxels::U8(v) => v.len(),
        };
        let unit = Affine([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
        let grid = Grid::new([n / volumes, 1, 1], unit).unwrap();
        from(&file(&grid, volumes, dtype, voxels)).unwrap()
    }

    #[test]
    fn types_are_the_smallest_that_hold_the_values() {
        use Meaning::*;
        let floats = |v: &[f32]| picture(DType::F32, 1, Voxels::F32(v));
        let words = |v: &[u32]| picture(DType::U32, 1, Voxels::U32(v));
        let of = |picture: &Picture, meaning| dtype(picture, &picture.survey(&Serial), meaning);
        for (picture, meaning, wanted) in [
            (floats(&[0.0, 1.0, -0.0]), Mask, DType::U8),
            (floats(&[0.0, 300.0]), Labels, DType::U16),
            (words(&[u32::MAX]), Labels, DType::U32),
            (words(&[255]), Labels, DType::U8),
            (floats(&[0.0, 1.0]), Probs, DType::F32),
            (floats(&[0.0, 1.0]), Volume, DType::F32),
            (words(&[0, 32767]), Volume, DType::I16),
            (words(&[0, 32768]), Volume, DType::U16),
            (words(&[65536]), Volume, DType::F32),
        ] {
            assert_eq!(of(&picture, meaning), Ok(wanted), "{picture:?} as {meaning:?}");
        }
        let refused = |picture: &Picture, meaning| of(picture, meaning).unwrap_err();
        assert_eq!(refused(&words(&[0, 2]), Mask), "is no mask of 0 and 1: its voxels lie between 0 and 2");
        assert!(refused(&floats(&[0.5]), Mask).ends_with("and are not whole numbers"));
        assert!(refused(&floats(&[-1.0]), Labels).contains("no labels"));
        assert!(refused(&floats(&[1.001]), Probs).contains("no probabilities"));
        for meaning in [Volume, Mask, Labels, Probs] {
            assert!(refused(&floats(&[f32::NAN, 0.0]), meaning).contains("NaN"));
        }
        let two = picture(DType::U8, 2, Voxels::U8(&[0, 1, 1, 0]));
        assert!(refused(&two, Mask).contains("2 volumes"));
        assert_eq!(of(&two, Probs), Ok(DType::F32));
    }

    #[test]
    fn all_voxels_are_filled() {
        let voxels: Vec<u16> = (0..200_000u32).map(|n| (n % 65521) as u16).collect();
        let mut out = vec![9u16; voxels.len()];
        fill(&Serial, Some(&picture(DType::U16, 10, Voxels::U16(&voxels))), &mut out, |v| v as u16);
        assert!(out == voxels);
    }
}
