//! The haematoma: a star-shaped clot with protuberances, held by dura and skull, and its satellites.

use crate::clot::Clot;
use crate::draw::Draw;
use crate::lesion::{Lesion, Site};
use crate::star::{Star, directions, sphere};
use crate::texture::Texture;
use crate::vector::{Point, add, dot, norm, scale, smooth, sub};

/// Where a haematoma may be: tells for a point (mm) whether there is brain of the right compartment.
pub type Allowed<'a> = &'a dyn Fn(Point) -> bool;

/// A haematoma in head coordinates (mm).
pub struct Haematoma {
    pub lesion: Lesion,
    pub centre: Point,
    star: Star,
    /// Unit axes of the ellipsoid that the shape starts from, divided by its relative half axes.
    stretch: [Point; 3],
    /// Radius of the ball of the clot's volume.
    pub radius: f32,
    satellites: Vec<(Point, f32)>,
    clot: Clot,
    /// Protuberances of the surface.
    pub protuberances: u32,
}

impl Haematoma {
    /// Makes the haematoma at `centre`. `up` is the direction (head coordinates) away from gravity, which
    /// levels a fluid.
    ///
    /// # Errors
    /// The volume, mL, that the place holds, when it is less than that of the lesion.
    pub fn new(
        seed: u64,
        lesion: Lesion,
        centre: Point,
        allowed: Allowed,
        texture: &Texture,
        up: Point,
    ) -> Result<Self, f64> {
        let d = &mut Draw::new(seed, 4);
        let stretch = axes(d, lesion.site);
        let protuberances = (8.0 * lesion.irregularity).round() as u32;
        let shape = form(d, &stretch, lesion.irregularity, protuberances, texture);
        let nodes = directions();
        let base: Vec<f32> = nodes.iter().map(|&n| shape(n)).collect();
        let limit: Vec<f32> = nodes.iter().map(|&n| room(centre, n, allowed)).collect();
        let total = lesion.ml * 1000.0;
        // Satellites are at most 15 % of the whole and under 10 mm wide.
        let most = (0.15 * total / lesion.satellites.max(1) as f32 * 0.2387).cbrt().min(4.8);
        let mut wanted: Vec<f32> = (0..lesion.satellites).map(|_| most * d.range(0.55, 1.0)).collect();
        loop {
            let beside: f32 = wanted.iter().map(|r| 4.18879 * r * r * r).sum();
            let Some(star) = solve(&base, &limit, f64::from(total - beside)) else {
                return Err(Star::new(limit).volume() / 1000.0);
            };
            let satellites = place(d, centre, &star, &wanted, allowed);
            if satellites.len() == wanted.len() {
                let clot = Clot::new(d, &lesion, centre, &star, up);
                let radius = (total * 0.238_732).cbrt();
                return Ok(Self { lesion, centre, star, stretch, radius, satellites, clot, protuberances });
            }
            wanted = satellites.iter().map(|s| s.1).collect();
        }
    }

    /// Density of the blood at `p`, if there is blood. `stirred` is `p` or a place near by: there the density is looked up
    /// and satellites are, which are balls until they are stirred.
    pub fn blood(&self, p: Point, stirred: Point, texture: &Texture) -> Option<f32> {
        let d = sub(p, self.centre);
        let r2 = dot(d, d);
        if r2 < self.star.reach * self.star.reach && r2 < self.star.radius(d).powi(2) {
            return Some(self.clot.density(stirred, sub(stirred, self.centre), self.radius, texture));
        }
        let near = |s: &&(Point, f32)| {
            let d = sub(stirred, s.0);
            dot(d, d) < s.1 * s.1
        };
        self.satellites.iter().find(near).map(|_| self.lesion.blood_hu - 4.0)
    }

    /// How much of `p` is oedema, 0 to 1: a rim of uneven width.
    pub fn oedema(&self, p: Point, texture: &Texture) -> f32 {
        let width = self.lesion.oedema_mm;
        let d = sub(p, self.centre);
        let r = norm(d);
        if width <= 0.0 || r > self.star.reach + 1.8 * width + 2.0 {
            return 0.0;
        }
        let beyond = r - self.star.radius(d);
        let here = width * (1.0 + 0.35 * texture.at(p, 11.0)).max(0.2);
        smooth((here - beyond) / (1.5 + 0.2 * width) + 0.5)
    }

    /// Where the tissue now at `p` was before the clot pushed it: away from the centre without change of
    /// volume (r³ - r₀³ = pushed volume), in the metric of the clot's ellipsoid.
    pub fn origin(&self, p: Point) -> Point {
        let d = sub(p, self.centre);
        if dot(d, d) > 36.0 * self.radius * self.radius {
            return p;
        }
        let r = norm([dot(d, self.stretch[0]), dot(d, self.stretch[1]), dot(d, self.stretch[2])]).max(1e-3);
        let pushed = self.lesion.pushed * self.radius.powi(3);
        let before = (r.powi(3) - pushed).max(0.02 * r.powi(3)).cbrt();
        // Fades to nothing at six radii.
        let fade = smooth(2.0 - norm(d) / (3.0 * self.radius));
        add(p, scale(d, (before / r - 1.0) * fade))
    }

    /// Distance from the centre beyond which there is no blood, mm.
    pub fn reach(&self) -> f32 {
        let far = |s: &(Point, f32)| norm(sub(s.0, self.centre)) + s.1;
        self.satellites.iter().map(far).fold(self.star.reach, f32::max)
    }

    /// Distance from the centre beyond which all is as it was, mm.
    pub fn influence(&self) -> f32 {
        (6.0 * self.radius).max(self.reach()).max(self.star.reach + 1.8 * self.lesion.oedema_mm + 2.0)
    }

    /// Volume of clot and satellites, mL.
    pub fn volume_ml(&self) -> f64 {
        let beside: f64 = self.satellites.iter().map(|s| 4.188_79 * f64::from(s.1).powi(3)).sum();
        (self.star.volume() + beside) / 1000.0
    }

    /// Sphericity of the main clot: 1 for a ball (surface of the ball of equal volume over the surface).
    pub fn sphericity(&self) -> f64 {
        (36.0 * std::f64::consts::PI * self.star.volume().powi(2)).cbrt() / self.star.area()
    }

    /// Volumes of the satellites, mL.
    pub fn satellites_ml(&self) -> Vec<f64> {
        self.satellites.iter().map(|s| 4.188_79e-3 * f64::from(s.1).powi(3)).collect()
    }

    /// Hypodense patches inside.
    pub fn patches(&self) -> usize {
        self.clot.patches()
    }
}

/// Axes of the starting ellipsoid: deep clots lie along the capsule, others anyhow.
fn axes(d: &mut Draw, site: Site) -> [Point; 3] {
    let long = d.range(1.05, if site == Site::Deep { 1.8 } else { 1.5 });
    let mid = d.range(0.85, 1.15);
    let unit = (long * mid).cbrt();
    let half = [mid / unit, long / unit, 1.0 / unit];
    let (sin, cos) = d.normal(0.0, if site == Site::Deep { 0.25 } else { 1.2 }).sin_cos();
    let (tilt_sin, tilt_cos) = d.normal(0.0, 0.25).sin_cos();
    let axis = [
        [cos, sin, 0.0],
        [-sin * tilt_cos, cos * tilt_cos, tilt_sin],
        [sin * tilt_sin, -cos * tilt_sin, tilt_cos],
    ];
    std::array::from_fn(|n| scale(axis[n], 1.0 / half[n]))
}

/// Radius of the shape in a direction, relative: the ellipsoid with protuberances and roughness.
fn form<'a>(
    d: &mut Draw,
    stretch: &'a [Point; 3],
    irregularity: f32,
    protuberances: u32,
    texture: &'a Texture,
) -> impl Fn(Point) -> f32 + 'a {
    let lobes: Vec<(Point, f32, f32)> = (0..protuberances)
        .map(|_| (d.direction(), d.range(18.0, 45.0), d.range(0.3, 0.75) * irregularity))
        .collect();
    let place = scale(d.direction(), 300.0);
    move |n| {
        let base = 1.0 / norm([dot(n, stretch[0]), dot(n, stretch[1]), dot(n, stretch[2])]);
        let lobed: f32 = lobes.iter().map(|l| l.2 * ((dot(n, l.0) - 1.0) * l.1 * 0.5).exp()).sum();
        let rough = irregularity * 0.11 * texture.at(add(place, scale(n, 10.0)), 5.0)
            + (0.02 + 0.05 * irregularity) * texture.at(add(place, scale(n, 10.0)), 2.2);
        base * (1.0 + lobed.min(1.2) + rough).max(0.3)
    }
}

/// How far from `centre` along `n` one may go, mm.
fn room(centre: Point, n: Point, allowed: Allowed) -> f32 {
    let step = 0.8f32;
    let mut r = 0.0;
    while r < 80.0 && allowed(add(centre, scale(n, r + step))) {
        r += step;
    }
    let (mut low, mut high) = (r, r + step);
    for _ in 0..6 {
        let mid = 0.5 * (low + high);
        if allowed(add(centre, scale(n, mid))) { low = mid } else { high = mid }
    }
    low.max(0.3)
}

/// The star of `base` times a factor, cut at `limit`, that has `volume` mm³.
fn solve(base: &[f32], limit: &[f32], volume: f64) -> Option<Star> {
    let star = |factor: f32| Star::new(base.iter().zip(limit).map(|(b, l)| (b * factor).min(*l)).collect());
    let (mut low, mut high) = (0.0f32, 120.0f32);
    if star(high).volume() < volume {
        return None;
    }
    for _ in 0..30 {
        let mid = 0.5 * (low + high);
        if star(mid).volume() < volume { low = mid } else { high = mid }
    }
    Some(star(high))
}

/// Places balls of the wanted radii near the star, clear of it and of each other; leaves out what finds none.
fn place(d: &mut Draw, centre: Point, star: &Star, wanted: &[f32], allowed: Allowed) -> Vec<(Point, f32)> {
    let probes = sphere(64);
    let mut out: Vec<(Point, f32)> = Vec::new();
    for &radius in wanted {
        for _ in 0..80 {
            let n = d.direction();
            let at = add(centre, scale(n, star.radius(n) + radius + d.range(3.0, 9.0)));
            let clear = |reach: f32| {
                probes.iter().all(|&u| {
                    let p = add(at, scale(u, reach));
                    let from = sub(p, centre);
                    allowed(p) && norm(from) > star.radius(from)
                })
            };
            let apart = out.iter().all(|s| norm(sub(s.0, at)) > s.1 + radius + 2.0);
            if apart && clear(radius) && clear(radius + 2.5) && allowed(at) {
                out.push((at, radius));
                break;
            }
        }
    }
    out
}
