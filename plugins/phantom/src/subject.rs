//! What differs between heads, drawn from the seed within published or usual ranges.

use crate::draw::Draw;
use crate::look_alikes::{LookAlikes, vary};

/// One person's anatomy in numbers. Distances in mm at the size of the reference head, densities in HU.
///
/// Ranges: intracranial volume of adults 1100-1700 mL (Wolf 2003; Buckner 2004 gives means near 1350 and 1500
/// by sex); vault thickness 4-10 mm, thinnest at the temples (Lynnerup 2001; Mahinda 2009: frontal 6-7,
/// parietal 5-6, occipital 7-8); CT numbers of tissues as in textbooks (air -1000, fat -100 to -70, muscle
/// 40-60, CSF 0-10, white matter 24-30, grey matter 34-40, clotted blood 55-85, calcification 150-400,
/// oedema 14-22, dura 50-60, diploe 300-700, cortical bone 1000-1800).
pub struct Subject {
    /// Volume inside the inner table down to the foramen magnum, mL.
    pub cavity_ml: f32,
    /// Width, length and height relative to each other.
    pub stretch: [f32; 3],
    /// How much narrower the front is than the back.
    pub egg: f32,
    /// Shear of the left against the right (plagiocephaly), and two bends.
    pub skew: [f32; 3],
    /// Roughness of the inner table's form.
    pub bumps: f32,
    /// Mean thickness of the vault.
    pub vault: f32,
    /// Scalp over the vault.
    pub scalp: f32,
    /// 0 young and full, 1 old and shrunken: widens gaps, sulci and ventricles.
    pub atrophy: f32,
    /// CSF between inner table and brain.
    pub gap: f32,
    /// Half the width of a sulcus at its mouth.
    pub sulcus: f32,
    /// Depth of the sulci.
    pub sulcus_depth: f32,
    /// Spacing of the gyri.
    pub gyrus: f32,
    /// Thickness of the cortex.
    pub cortex: f32,
    /// Widths of the left (index 0, x < 0) and right lateral ventricle, third and fourth, relative.
    pub ventricle: [f32; 3],
    /// Half the thickness of the falx and tentorium.
    pub dura: f32,
    /// Bend of the falx off the midline at its middle.
    pub falx_bend: f32,
    /// Hypodensity of the white matter round the ventricles, HU.
    pub leukoaraiosis: f32,
    /// Size of the frontal sinus, 0 for none.
    pub frontal_sinus: f32,
    /// Share of air in the mastoid.
    pub mastoid: f32,
    pub calcified: Calcified,
    pub hu: Densities,
    pub look_alikes: LookAlikes,
}

/// Which of the usual calcifications there are; radii in mm, 0 for none.
pub struct Calcified {
    pub pineal: f32,
    /// Left and right.
    pub choroid: [f32; 2],
    pub pallidum: f32,
    pub falx: f32,
    pub carotid: f32,
    pub hu: f32,
}

/// CT numbers of this person's tissues.
pub struct Densities {
    pub fat: f32,
    pub muscle: f32,
    pub skin: f32,
    pub cortical: f32,
    pub diploe: f32,
    pub csf: f32,
    pub white: f32,
    pub grey: f32,
    pub dura: f32,
    pub vessel: f32,
    pub petrous: f32,
}

impl Subject {
    /// The subject of `seed` with look-alikes of a strength from 0 (none) to 1.
    pub fn varied(seed: u64, cavity_ml: Option<f64>, look_alikes: f32) -> Self {
        let mut subject = Self::new(seed, cavity_ml);
        vary(&mut subject, seed, look_alikes);
        subject
    }

    /// The subject of `seed` without look-alikes.
    pub fn new(seed: u64, cavity_ml: Option<f64>) -> Self {
        let d = &mut Draw::new(seed, 1);
        let drawn_ml = d.normal(1400.0, 120.0).clamp(1120.0, 1680.0);
        let atrophy = d.range(0.0, 1.0);
        let calcified = {
            let d = &mut Draw::new(seed, 2);
            let mut some = |chance: f32, low: f32, high: f32| {
                let (yes, radius) = (d.chance(chance), d.range(low, high));
                if yes { radius } else { 0.0 }
            };
            Calcified {
                pineal: some(0.65, 1.2, 3.2),
                choroid: [some(0.7, 1.8, 4.5), some(0.7, 1.8, 4.5)],
                pallidum: some(0.15, 2.0, 4.0),
                falx: some(0.25, 3.0, 9.0),
                carotid: some(0.45, 0.8, 1.6),
                hu: d.range(150.0, 400.0),
            }
        };
        Self {
            cavity_ml: cavity_ml.map_or(drawn_ml, |v| v as f32),
            stretch: [d.normal(1.0, 0.03), d.normal(1.0, 0.03), d.normal(1.0, 0.025)],
            egg: d.range(0.08, 0.2),
            skew: [d.normal(0.0, 0.02), d.normal(0.0, 0.015), d.normal(0.0, 0.02)],
            bumps: d.range(0.8, 2.0),
            vault: d.normal(6.6, 0.8),
            scalp: d.range(4.0, 8.0),
            atrophy,
            gap: 1.2 + 2.8 * atrophy + d.range(0.0, 0.6),
            sulcus: 0.5 + 1.3 * atrophy + d.range(0.0, 0.25),
            sulcus_depth: d.range(15.0, 21.0),
            gyrus: d.range(4.6, 5.8),
            cortex: d.normal(3.1, 0.25),
            ventricle: {
                let size = 0.82 + 0.8 * atrophy + d.normal(0.0, 0.08);
                [size * d.normal(1.0, 0.08), size * d.normal(1.0, 0.08), 0.8 + 0.6 * atrophy]
            },
            dura: d.range(0.4, 0.75),
            falx_bend: d.normal(0.0, 1.0),
            leukoaraiosis: (d.range(-3.0, 8.0) + 4.0 * (atrophy - 0.5)).max(0.0),
            frontal_sinus: if d.chance(0.9) { d.range(0.35, 1.0) } else { 0.0 },
            mastoid: d.range(0.35, 0.65),
            calcified,
            hu: Densities {
                fat: d.range(-105.0, -80.0),
                muscle: d.range(48.0, 60.0),
                skin: d.range(20.0, 50.0),
                cortical: d.range(1150.0, 1600.0),
                diploe: d.range(350.0, 650.0),
                csf: d.range(3.0, 9.0),
                white: d.range(25.0, 29.0),
                grey: d.range(35.0, 39.0),
                dura: d.range(50.0, 60.0),
                vessel: d.range(42.0, 54.0),
                petrous: d.range(1500.0, 1900.0),
            },
            look_alikes: LookAlikes::none(),
        }
    }
}
