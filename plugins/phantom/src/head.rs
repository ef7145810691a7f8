//! A head: what is at a point.

use crate::base::FORAMEN_Z;
use crate::calcification::calcification;
use crate::cavity::{Inner, inner};
use crate::cerebrum::{cerebrum, pial_depth};
use crate::dura::{Dura, dura, infratentorial};
use crate::face::{canal, face};
use crate::frame::Frame;
use crate::haematoma::Haematoma;
use crate::hindbrain::{brainstem, hindbrain};
use crate::lesion::{Lesion, Wishes};
use crate::outline::skin;
use crate::place::{self, midline_shift};
use crate::scalp::scalp;
use crate::skull::{bone, thickness};
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::{Point, lerp, scale};
use crate::vessels::vessel;
use crate::{draw::Draw, ventricles::ventricles};
use ichor_image::Parallel;
use ichor_image::parallel::map_ranges;
use ichor_sdk::{Error, Result};

/// Density of air.
pub const AIR: f32 = -1000.0;

/// What is at a point.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample {
    /// Density, HU.
    pub hu: f32,
    /// [`CAVITY`] and [`BLOOD`].
    pub parts: u8,
}

/// Inside the inner table and above the plane of the foramen magnum.
pub const CAVITY: u8 = 1;
/// In the haematoma.
pub const BLOOD: u8 = 2;

const NOTHING: Sample = Sample { hu: AIR, parts: 0 };

/// A person's head, perhaps with a haematoma.
pub struct Head {
    pub subject: Subject,
    texture: Texture,
    frame: Frame,
    pub haematoma: Option<Haematoma>,
}

impl Head {
    /// The head of `seed`, with look-alikes of a strength from 0 to 1. `up` is the direction away from gravity in head coordinates.
    ///
    /// # Errors
    /// The haematoma does not fit.
    pub fn new(
        par: &dyn Parallel,
        seed: u64,
        cavity_ml: Option<f64>,
        look_alikes: f32,
        wishes: &Wishes,
        up: Point,
    ) -> Result<Self> {
        let subject = Subject::varied(seed, cavity_ml, look_alikes);
        let texture = Texture::new(Draw::new(seed, 0));
        let frame = Frame::new(&subject, 1.0);
        let mut head = Self { subject, texture, frame, haematoma: None };
        // The reference head scaled so that the cavity has its volume.
        let size = (f64::from(head.subject.cavity_ml) / head.cavity_ml(par)).cbrt();
        head.frame = Frame::new(&head.subject, size as f32);
        if let Some(lesion) = Lesion::new(seed, wishes) {
            head.haematoma = Some(head.bleed(seed, lesion, up)?);
        }
        Ok(head)
    }

    fn bleed(&self, seed: u64, lesion: Lesion, up: Point) -> Result<Haematoma> {
        let site = lesion.site;
        let q = place::centre(seed, &lesion, self.frame.scale);
        let side = q[0].signum();
        let gap = self.subject.gap + 0.5;
        let allowed = |p: Point| {
            let q = self.frame.to_reference(p);
            place::allowed(site, side, gap, q, inner(&self.subject, &self.texture, q))
        };
        let ml = lesion.ml;
        Haematoma::new(seed, lesion, self.frame.of_reference(q), &allowed, &self.texture, up).map_err(|holds| {
            Error::bad_params(format!(
                "a {} haematoma of {ml} mL does not fit this head at the drawn place, which holds {holds:.0} mL; lower \
                 `haematoma_ml` or choose another `site` or seed",
                site.name()
            ))
        })
    }

    /// The random field that belongs to this head.
    pub fn texture(&self) -> &Texture {
        &self.texture
    }

    /// Millimetres of this head for one of the reference head.
    pub fn size(&self) -> f32 {
        self.frame.scale
    }

    /// Volume of the cavity, mL: inside the inner table, above the plane of the foramen magnum. Integrated on
    /// a lattice of 2 mm with a soft edge.
    pub fn cavity_ml(&self, par: &dyn Parallel) -> f64 {
        const STEP: f32 = 2.0;
        let reach = 1.25 * self.frame.scale;
        let n = [80.0, 105.0, 88.0].map(|half: f32| (half * reach / STEP).ceil() as i32);
        let planes = map_ranges(par, (2 * n[2] + 1) as usize, 4, &|range| {
            let mut sum = 0.0f64;
            for k in range {
                let z = (k as i32 - n[2]) as f32 * STEP;
                for j in -n[1]..=n[1] {
                    for i in -n[0]..=n[0] {
                        let p = [i as f32 * STEP, j as f32 * STEP, z];
                        let q = self.frame.to_reference(p);
                        let d = inner(&self.subject, &self.texture, q).distance * self.frame.scale;
                        sum += f64::from((0.5 - d / STEP).clamp(0.0, 1.0));
                    }
                }
            }
            sum
        });
        planes.iter().sum::<f64>() * f64::from(STEP).powi(3) / 1000.0
    }

    /// Shift of the septum pellucidum off the midline, mm; positive to the right.
    pub fn midline_shift(&self) -> f32 {
        midline_shift(|x| {
            let q = self.frame.to_reference([x, 8.0, 13.0 * self.frame.scale]);
            let inner = inner(&self.subject, &self.texture, q);
            self.undisplaced([x, 8.0, 13.0 * self.frame.scale], q, inner)[0]
        })
    }

    /// Where in the reference brain the tissue at `p` (reference `q`) comes from.
    fn undisplaced(&self, p: Point, q: Point, inner: Inner) -> Point {
        let Some(haematoma) = &self.haematoma else { return q };
        let from = self.frame.to_reference(haematoma.origin(p));
        let share = place::gives(haematoma.lesion.site, q, inner.distance);
        std::array::from_fn(|n| lerp(q[n], from[n], share))
    }

    /// What is at `p` (head coordinates, mm).
    pub fn at(&self, p: Point) -> Sample {
        let q = self.frame.to_reference(p);
        // Most of the air is far from the head; ears and nose fit into this ellipse.
        let around = (q[0] / 90.0).powi(2) + (q[1] / 113.0).powi(2);
        if around > 1.0 || q[2] > 100.0 {
            return NOTHING;
        }
        let (subject, texture) = (&self.subject, &self.texture);
        let inner = inner(subject, texture, q);
        if inner.distance < 0.0 {
            return self.content(p, q, inner);
        }
        if inner.vault > 30.0 && q[2] > -2.0 {
            return NOTHING;
        }
        let outside = |hu: f32| Sample { hu, parts: 0 };
        if q[2] < FORAMEN_Z
            && let Some(hu) = canal(subject, q)
        {
            return outside(hu);
        }
        let depth = inner.distance;
        let thick = if depth < 24.0 { thickness(subject, texture, q, inner) } else { 0.0 };
        if depth < thick {
            return outside(bone(subject, texture, q, depth, thick, inner));
        }
        let under = -skin(subject, q, inner);
        if under < 0.0 {
            // Air of the auditory canal reaches the skin by itself.
            return NOTHING;
        }
        if let Some(hu) = face(subject, texture, q) {
            return outside(hu);
        }
        outside(scalp(subject, texture, q, under, depth - thick))
    }

    /// What is inside the cavity.
    fn content(&self, p: Point, q: Point, inner: Inner) -> Sample {
        let (subject, texture) = (&self.subject, &self.texture);
        if let Some(haematoma) = &self.haematoma
            && let Some(hu) = haematoma.blood(p, p, texture)
        {
            return Sample { hu, parts: CAVITY | BLOOD };
        }
        let from = self.undisplaced(p, q, inner);
        let (hu, is_tissue) = self.brain(from, inner);
        let mut hu = hu;
        if is_tissue && let Some(haematoma) = &self.haematoma {
            let wet = haematoma.oedema(p, texture);
            if wet > 0.0 {
                // Oedema spreads in white matter; the cortex takes less.
                let h = &subject.hu;
                let white = ((h.grey - hu) / (h.grey - h.white)).clamp(0.0, 1.0);
                hu = lerp(hu, haematoma.lesion.oedema_hu.min(hu), wet * (0.4 + 0.6 * white));
            }
        }
        // Residual beam hardening: brain under the skull is a little bright.
        hu += subject.look_alikes.brightening(inner.distance);
        Sample { hu, parts: CAVITY }
    }

    /// Density of the contents at `q`, and whether it is brain tissue.
    fn brain(&self, q: Point, inner: Inner) -> (f32, bool) {
        let (subject, texture) = (&self.subject, &self.texture);
        let hu = &subject.hu;
        if let Some(part) = dura(subject, q, inner) {
            return (
                if matches!(part, Dura::Sinus) { hu.vessel + subject.look_alikes.sinus_hu } else { hu.dura },
                false,
            );
        }
        if let Some(value) = calcification(subject, texture, q) {
            return (value, false);
        }
        if let Some(value) = subject.look_alikes.speck(q) {
            return (value, false);
        }
        let infarcted = |hu: f32| subject.look_alikes.infarcted(q, hu, || texture.at(q, 9.0));
        let to_ventricle = ventricles(subject, q);
        if let Some(value) = vessel(subject, q, to_ventricle) {
            return (value, false);
        }
        if to_ventricle < 0.0 {
            return (hu.csf, false);
        }
        if infratentorial(q) || brainstem(q) < 0.0 {
            let value = infarcted(hindbrain(subject, texture, q, inner));
            return (value, value > 20.0);
        }
        let depth = pial_depth(subject, texture, q, inner);
        if depth < 0.0 {
            return (hu.csf, false);
        }
        (infarcted(cerebrum(subject, texture, q, depth, to_ventricle)), true)
    }
}

/// Middle of the field of view in the reference head, about which the head turns.
pub const PIVOT: Point = [0.0, -10.0, 12.0];

/// The pivot in a head of this size.
pub fn pivot(size: f32) -> Point {
    scale(PIVOT, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FORAMEN, foramen_level};
    use ichor_image::Serial;

    #[test]
    fn the_foramen_magnum_is_open_and_the_cavity_ends_in_its_plane() {
        for seed in 1..=5 {
            let wishes = Wishes { haematoma_ml: Some(0.0), ..Wishes::default() };
            let head = Head::new(&Serial, seed, None, 0.0, &wishes, [0.0, 1.0, 0.0]).unwrap();
            for n in 0..21 * 21 * 12 {
                let [i, j, k] = [n % 21, n / 21 % 21, n / 441].map(|v| v as f32);
                let q =
                    [0.1 * (i - 10.0) * FORAMEN[1], FORAMEN[0] + 0.1 * (j - 10.0) * FORAMEN[2], -49.5 - k];
                if foramen_level(q[0], q[1]) > 0.9 || q[2] < FORAMEN_Z - 4.0 {
                    continue;
                }
                let found = head.at(head.frame.of_reference(q));
                assert!((0.0..100.0).contains(&found.hu), "{} HU at {q:?} of seed {seed}", found.hu);
                assert_eq!(found.parts & CAVITY, u8::from(q[2] > FORAMEN_Z), "at {q:?} of seed {seed}");
            }
        }
    }
}
