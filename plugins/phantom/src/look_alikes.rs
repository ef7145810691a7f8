//! What a program may take for blood in a real head, and how real heads and scanners differ: drawn on top of a
//! subject, the more the greater the strength.

use crate::draw::Draw;
use crate::subject::Subject;
use crate::vector::{Point, bump, lerp, smooth, sub};

/// Additions to a subject. [`LookAlikes::none`] is a head without them.
pub struct LookAlikes {
    /// Brightening of the brain under the skull by beam hardening and scatter, HU, and how far it reaches, mm.
    pub rim: [f32; 2],
    /// The same by veiling glare and slanting, rough bone: stronger and narrower.
    pub glare: [f32; 2],
    /// Dura on the inner table, mm.
    pub lining: f32,
    /// Unevenness of the skull's floor, mm.
    pub jags: f32,
    /// Density of blood in the venous sinuses over that of the arteries, HU.
    pub sinus_hu: f32,
    /// Width of the left and right transverse, and of the other sinuses, relative.
    pub sinus: [f32; 3],
    /// Thickness of the tentorium over that of the falx.
    pub tentorium: f32,
    /// Density of the choroid plexus over that of grey matter, HU.
    pub plexus: f32,
    /// Half the thickness of a calcified plaque on the falx, mm.
    pub plaque: f32,
    /// Calcified specks in the brain: place (reference head), radius (mm), HU.
    pub specks: Vec<(Point, f32, f32)>,
    /// An old infarct: place, radius (mm), HU.
    pub infarct: Option<(Point, f32, f32)>,
}

impl LookAlikes {
    /// A head without look-alikes.
    pub fn none() -> Self {
        Self {
            rim: [2.5, 5.0],
            glare: [0.0, 1.0],
            lining: 0.0,
            jags: 0.0,
            sinus_hu: 4.0,
            sinus: [1.0; 3],
            tentorium: 1.0,
            plexus: 4.0,
            plaque: 1.6,
            specks: Vec::new(),
            infarct: None,
        }
    }

    /// Brightening `depth` mm under the inner table, HU.
    pub fn brightening(&self, depth: f32) -> f32 {
        let wide = self.rim[0] * bump((depth / self.rim[1]).powi(2));
        if self.glare[0] > 0.0 && depth < 2.2 * self.glare[1] {
            wide + self.glare[0] * bump((depth / self.glare[1]).powi(2))
        } else {
            wide
        }
    }

    /// Density of a speck at `q`, if there is one.
    pub fn speck(&self, q: Point) -> Option<f32> {
        let at = |s: &&(Point, f32, f32)| sub(q, s.0).iter().map(|v| v * v).sum::<f32>() < s.1 * s.1;
        self.specks.iter().find(at).map(|s| s.2)
    }

    /// Density of brain of `hu` at `q`, where an old infarct may be; `rough` is a field of unit variance.
    pub fn infarcted(&self, q: Point, hu: f32, rough: impl Fn() -> f32) -> f32 {
        let Some((centre, radius, low)) = self.infarct else { return hu };
        let r2: f32 = sub(q, centre).iter().map(|v| v * v).sum();
        if r2 > 2.6 * radius * radius {
            return hu;
        }
        let beyond = r2.sqrt() / radius - 1.0 + 0.2 * rough();
        lerp(hu, low.min(hu), smooth(0.5 - 2.5 * beyond))
    }
}

/// Draws look-alikes and a wider variety of a head into `s`. `strength` runs from 0, which changes nothing, to 1.
///
/// The ranges at 1 surround what a GE HiSpeed scan (120 kVp, 4 and 7 mm, STD+) shows: beside the vault 88, 52,
/// 45 and 40 HU at 1.4, 2.6, 3.5 and 5 mm from where bone has 400 HU; falx and sinuses 45 to 65 HU; calcified plexus of 10 mm
/// and over 300 HU. Densities of the sinuses follow the haematocrit: about 50 to 75 HU.
pub fn vary(s: &mut Subject, seed: u64, strength: f32) {
    if strength <= 0.0 {
        return;
    }
    let d = &mut Draw::new(seed, 7);
    let toward = |from: f32, to: f32| lerp(from, to, strength);
    // Scanners differ in their calibration, and people in their haematocrit and water.
    let offset = strength * d.normal(0.0, 1.3);
    let hu = &mut s.hu;
    hu.white += offset - strength * d.range(-1.0, 2.5);
    hu.grey += offset + strength * d.range(-1.5, 1.5);
    hu.csf += 0.7 * offset;
    hu.vessel += offset + strength * d.range(-3.0, 9.0);
    hu.dura = toward(hu.dura, d.range(44.0, 74.0));
    hu.diploe = toward(hu.diploe, d.range(300.0, 950.0));
    hu.cortical = toward(hu.cortical, d.range(900.0, 1800.0));
    s.gap *= toward(1.0, d.range(0.0, 1.05).powi(2));
    s.vault *= toward(1.0, d.range(0.8, 1.25));
    s.leukoaraiosis *= toward(1.0, d.range(0.6, 1.9));
    s.dura *= toward(1.0, d.log_range(0.6, 2.4));
    calcify(s, d, strength);
    let look = &mut s.look_alikes;
    look.rim = [toward(2.5, d.range(0.0, 18.0)), toward(5.0, d.range(2.5, 8.0))];
    look.glare = [strength * d.range(0.0, 110.0), d.range(1.1, 3.0)];
    look.lining = if d.chance(0.75 * strength) { d.range(0.3, 1.6) } else { 0.0 };
    look.jags = strength * d.range(0.0, 1.7);
    look.sinus_hu = toward(4.0, d.range(0.0, 20.0));
    look.sinus = [0, 1, 2].map(|_| toward(1.0, d.range(0.6, 1.7)));
    look.tentorium = toward(1.0, d.log_range(0.7, 1.8));
    look.plexus = toward(4.0, d.range(0.0, 18.0));
    let infarct = (d.chance(0.3 * strength), d.log_range(5.0, 24.0), d.range(7.0, 24.0));
    let place = brain(d);
    look.infarct = infarct.0.then_some((place, infarct.1, infarct.2));
}

/// More, larger, fainter and denser calcifications.
fn calcify(s: &mut Subject, d: &mut Draw, strength: f32) {
    let c = &mut s.calcified;
    for radius in &mut c.choroid {
        *radius *= lerp(1.0, d.range(0.8, 1.9), strength);
    }
    c.pineal *= lerp(1.0, d.range(0.8, 1.6), strength);
    c.hu = lerp(c.hu, d.log_range(80.0, 800.0), strength);
    let (more, radius) = (d.chance(0.25 * strength), d.range(3.0, 12.0));
    if more {
        c.falx = c.falx.max(radius);
    }
    let look = &mut s.look_alikes;
    look.plaque = lerp(1.6, d.range(0.7, 3.2), strength);
    let many = if d.chance(0.35 * strength) { d.count(1, 4) } else { 0 };
    look.specks = (0..many).map(|_| (brain(d), d.log_range(0.8, 2.6), d.log_range(110.0, 600.0))).collect();
}

/// A place in the brain of the reference head, above the floor.
fn brain(d: &mut Draw) -> Point {
    let n = d.direction();
    let r = d.range(0.2, 1.0).cbrt();
    [52.0 * r * n[0], -15.0 + 66.0 * r * n[1], 14.0 + 40.0 * r * n[2]]
}
