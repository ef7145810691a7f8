//! Outlines of masks.

/// A line between two points in voxels; whole numbers are voxel centres.
pub type Segment = [[f64; 2]; 2];

/// The outline of the pixels of `plane` (rows of `width`) that equal `label`, by marching squares at level
/// 0.5: it passes halfway between a centre inside and one outside, cuts corners, and closes at the border of
/// the plane. Pixels that touch at a corner only are kept apart. (Lorensen and Cline 1987, in the plane.)
pub fn outline(plane: &[u32], width: usize, label: u32) -> Vec<Segment> {
    let mut out = Vec::new();
    if width == 0 {
        return out;
    }
    let height = plane.len() / width;
    let empty: &[u32] = &[];
    let row = |y: usize| if (1..=height).contains(&y) { &plane[(y - 1) * width..y * width] } else { empty };
    // Cell (x, y) has its corners at (x - 1, y - 1) and (x, y).
    for y in 0..=height {
        let (above, below) = (row(y), row(y + 1));
        if !above.contains(&label) && !below.contains(&label) {
            continue;
        }
        let inside = |row: &[u32], x: usize| x > 0 && row.get(x - 1) == Some(&label);
        let (mut a, mut c) = (false, false);
        for x in 0..=width {
            let (b, d) = (inside(above, x + 1), inside(below, x + 1));
            if !(a == b && c == d && a == c) {
                cell(&mut out, x as f64 - 1.0, y as f64 - 1.0, [a, b, c, d]);
            }
            (a, c) = (b, d);
        }
    }
    out
}

/// Lines through a cell whose corners are: a left above, b right above, c left below, d right below.
fn cell(out: &mut Vec<Segment>, x: f64, y: f64, [a, b, c, d]: [bool; 4]) {
    let top = [x + 0.5, y];
    let left = [x, y + 0.5];
    let right = [x + 1.0, y + 0.5];
    let bottom = [x + 0.5, y + 1.0];
    match [a, b, c, d].map(u8::from) {
        [1, 0, 0, 0] | [0, 1, 1, 1] => out.push([left, top]),
        [0, 1, 0, 0] | [1, 0, 1, 1] => out.push([top, right]),
        [0, 0, 1, 0] | [1, 1, 0, 1] => out.push([left, bottom]),
        [0, 0, 0, 1] | [1, 1, 1, 0] => out.push([bottom, right]),
        [1, 1, 0, 0] | [0, 0, 1, 1] => out.push([left, right]),
        [1, 0, 1, 0] | [0, 1, 0, 1] => out.push([top, bottom]),
        [1, 0, 0, 1] => out.extend([[left, top], [bottom, right]]),
        [0, 1, 1, 0] => out.extend([[top, right], [left, bottom]]),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(segments: &[Segment]) -> f64 {
        segments.iter().map(|[p, q]| (p[0] - q[0]).hypot(p[1] - q[1])).sum()
    }

    /// Whether every end point belongs to two segments.
    fn closed(segments: &[Segment]) -> bool {
        let mut ends: Vec<[i64; 2]> =
            segments.iter().flatten().map(|p| p.map(|v| (2.0 * v) as i64)).collect();
        ends.sort_unstable();
        ends.chunks(2).all(|pair| pair.len() == 2 && pair[0] == pair[1])
    }

    #[test]
    fn a_rectangle_is_outlined_halfway_to_its_neighbours() {
        // Columns 2 to 4, rows 1 to 2 of an 8 x 5 plane.
        let plane: Vec<u32> = (0..40)
            .map(|n| if (2..=4).contains(&(n % 8)) && (1..=2).contains(&(n / 8)) { 7 } else { 0 })
            .collect();
        let lines = outline(&plane, 8, 7);
        let coordinate = |axis: usize| lines.iter().flatten().map(move |p| p[axis]);
        let low = |axis| coordinate(axis).fold(f64::INFINITY, f64::min);
        let high = |axis| coordinate(axis).fold(f64::NEG_INFINITY, f64::max);
        assert_eq!([low(0), high(0), low(1), high(1)], [1.5, 4.5, 0.5, 2.5]);
        // Sides of 3 and 2 less half a pixel at either end, and four cut corners of half a pixel's diagonal.
        assert!((length(&lines) - (2.0 * 2.0 + 2.0 * 1.0 + 4.0 * 0.5f64.sqrt())).abs() < 1e-12);
        assert!(closed(&lines));
        assert!(lines.contains(&[[1.5, 1.0], [2.0, 0.5]]));
        assert!(outline(&plane, 8, 3).is_empty());
    }

    #[test]
    fn the_border_closes_the_outline() {
        let lines = outline(&[1, 1, 1, 1], 2, 1);
        assert!(closed(&lines));
        assert_eq!(lines.len(), 8);
        assert!(lines.iter().flatten().all(|p| p.iter().all(|v| (-0.5..=1.5).contains(v))));
    }

    #[test]
    fn pixels_that_touch_at_a_corner_stay_apart() {
        let lines = outline(&[1, 0, 0, 1], 2, 1);
        assert!(closed(&lines));
        assert!(lines.contains(&[[0.0, 0.5], [0.5, 0.0]]) && lines.contains(&[[0.5, 1.0], [1.0, 0.5]]));
        assert!((length(&lines) - 8.0 * 0.5f64.sqrt()).abs() < 1e-12);
    }
}
