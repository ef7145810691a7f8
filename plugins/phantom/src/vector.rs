//! Three numbers with a little arithmetic: positions and directions, in mm.

/// A point or a direction (R, A, S).
pub type Point = [f32; 3];

pub fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub fn add(a: Point, b: Point) -> Point {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub fn scale(a: Point, s: f32) -> Point {
    [a[0] * s, a[1] * s, a[2] * s]
}

pub fn dot(a: Point, b: Point) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub fn norm(a: Point) -> f32 {
    dot(a, a).sqrt()
}

/// Length of (a, b): faster than `hypot`, which guards against overflow.
pub fn length(a: f32, b: f32) -> f32 {
    (a * a + b * b).sqrt()
}

/// 0 below 0, 1 above 1, smooth between.
pub fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// exp(-t²), cheaply and with bounded support: a bump of about width 1.
pub fn bump(t2: f32) -> f32 {
    let t = (1.0 - t2 * 0.2).max(0.0);
    let t2 = t * t;
    t2 * t2 * t
}

/// The larger of two distances, its edge rounded over `k` mm: the intersection of two bodies.
pub fn smooth_max(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.max(b) + h * h * k * 0.25
}

/// The smaller of two distances, its edge rounded over `k` mm: the union of two bodies.
pub fn smooth_min(a: f32, b: f32, k: f32) -> f32 {
    -smooth_max(-a, -b, k)
}
