//! Density inside the haematoma: swirls, hypodense patches, a fluid level.

use crate::draw::Draw;
use crate::lesion::Lesion;
use crate::star::{Star, sphere};
use crate::texture::Texture;
use crate::vector::{Point, add, dot, norm, scale, smooth, sub};

/// The clot's inner make-up.
pub struct Clot {
    hu: f32,
    swirl: f32,
    /// Centre, radius, drop in HU.
    patches: Vec<(Point, f32, f32)>,
    fluid: Option<Fluid>,
}

struct Fluid {
    up: Point,
    /// Height along `up` over the clot's centre.
    level: f32,
    plasma: f32,
}

impl Clot {
    pub fn new(d: &mut Draw, lesion: &Lesion, centre: Point, star: &Star, up: Point) -> Self {
        let h = lesion.heterogeneity;
        let many = (6.0 * h).round() as usize;
        let ball = (lesion.ml * 1000.0 * 0.238_732).cbrt();
        let patches = (0..many)
            .map(|_| {
                let n = d.direction();
                let at = add(centre, scale(n, star.radius(n) * d.range(0.1, 0.75)));
                (at, ball * d.range(0.12, 0.32), d.range(14.0, 34.0) * (0.5 + 0.5 * h))
            })
            .collect();
        let plasma = d.range(26.0, 36.0);
        let fluid = (lesion.fluid_level > 0.0).then(|| Fluid {
            up,
            level: level(star, up, lesion.fluid_level),
            plasma,
        });
        Self { hu: lesion.blood_hu, swirl: 1.5 + 5.5 * h, patches, fluid }
    }

    pub fn patches(&self) -> usize {
        self.patches.len()
    }

    /// Density at `p`, which is `d` from the centre of a clot of radius `radius`.
    pub fn density(&self, p: Point, d: Point, radius: f32, texture: &Texture) -> f32 {
        if let Some(fluid) = &self.fluid
            && dot(d, fluid.up) > fluid.level
        {
            return fluid.plasma + 1.0 * texture.at(p, 4.0);
        }
        let mut hu = self.hu + self.swirl * texture.at(p, (0.3 * radius).clamp(2.0, 8.0));
        if self.fluid.is_some() {
            hu += 5.0; // red cells have settled
        }
        let mut drop = 0.0f32;
        for (centre, r, by) in &self.patches {
            let off = norm(sub(p, *centre)) / r + 0.2 * texture.at(p, 0.6 * r + 1.0);
            drop = drop.max(by * smooth((1.15 - off) / 0.3));
        }
        hu - drop
    }
}

/// Height along `up` above which lies the share `plasma` of the star's volume.
fn level(star: &Star, up: Point, plasma: f32) -> f32 {
    const SHELLS: usize = 16;
    let mut points: Vec<(f32, f32)> = Vec::new();
    for n in sphere(2048) {
        let r = star.radius(n);
        for k in 0..SHELLS {
            let part = ((k as f32 + 0.5) / SHELLS as f32).cbrt();
            points.push((dot(n, up) * r * part, r * r * r));
        }
    }
    points.sort_by(|a, b| b.0.total_cmp(&a.0));
    let all: f32 = points.iter().map(|p| p.1).sum();
    let mut above = 0.0;
    for (height, weight) in points {
        above += weight;
        if above >= plasma * all {
            return height;
        }
    }
    f32::MIN
}
