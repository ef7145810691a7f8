//! Convex hulls in space, exact for whole coordinates.

/// Faces of the convex hull of `points`, each three positions in it, counter-clockwise from outside (for
/// right-handed axes). `points` is sorted, and doubles removed, on the way. Empty when all points lie in a plane.
///
/// Quickhull (Barber, Dobkin and Huhdanpaa 1996) with whole numbers, so that no face is ever on the wrong side:
/// coordinates must differ by less than 2^19.
pub fn hull3(points: &mut Vec<[i32; 3]>) -> Vec<[u32; 3]> {
    points.sort_unstable();
    points.dedup();
    let Some(mut faces) = first(points) else { return Vec::new() };
    for n in 0..points.len() as u32 {
        if let Some(face) = faces.iter_mut().find(|f| f.above(points[n as usize]) > 0) {
            face.outside.push(n);
        }
    }
    let mut open: Vec<usize> = (0..faces.len()).collect();
    while let Some(at) = open.pop() {
        if faces[at].dead || faces[at].outside.is_empty() {
            continue;
        }
        let face = &faces[at];
        let far = |n: &u32| face.above(points[*n as usize]);
        let Some(apex) = face.outside.iter().copied().max_by_key(far) else { continue };
        grow(points, &mut faces, at, apex, &mut open);
    }
    faces.into_iter().filter(|f| !f.dead).map(|f| f.corners).collect()
}

struct Face {
    corners: [u32; 3],
    /// The face across the edge from each corner to the next.
    beside: [usize; 3],
    normal: [i64; 3],
    origin: [i32; 3],
    /// Points above this face that no earlier face took.
    outside: Vec<u32>,
    dead: bool,
}

impl Face {
    fn new(points: &[[i32; 3]], corners: [u32; 3]) -> Self {
        let [a, b, c] = corners.map(|n| points[n as usize]);
        let (u, v) = (minus(b, a), minus(c, a));
        Self { corners, beside: [0; 3], normal: cross(u, v), origin: a, outside: Vec::new(), dead: false }
    }

    /// Positive for a point on the outer side, 0 in the face's plane.
    fn above(&self, p: [i32; 3]) -> i64 {
        dot(self.normal, minus(p, self.origin))
    }
}

/// A tetrahedron of four points that are not in a plane.
fn first(points: &[[i32; 3]]) -> Option<Vec<Face>> {
    let [a, .., b] = points else { return None };
    let line = minus(*b, *a);
    let off = |p: &[i32; 3]| {
        let n = cross(line, minus(*p, *a));
        n.map(|v| i128::from(v) * i128::from(v)).iter().sum::<i128>()
    };
    let c = (0..points.len()).max_by_key(|n| off(&points[*n]))?;
    let base = Face::new(points, [0, points.len() as u32 - 1, c as u32]);
    let d = (0..points.len()).max_by_key(|n| base.above(points[*n]).abs())?;
    let height = base.above(points[d]);
    if height == 0 {
        return None;
    }
    let [a, mut b, mut c] = base.corners;
    let d = d as u32;
    if height > 0 {
        (b, c) = (c, b);
    }
    // Each edge, with the face on its other side.
    let corners = [[a, b, c], [a, d, b], [b, d, c], [c, d, a]];
    let mut faces: Vec<Face> = corners.into_iter().map(|f| Face::new(points, f)).collect();
    for n in 0..4 {
        for e in 0..3 {
            let (from, to) = (corners[n][e], corners[n][(e + 1) % 3]);
            let other = corners.iter().position(|f| (0..3).any(|m| f[m] == to && f[(m + 1) % 3] == from));
            faces[n].beside[e] = other?;
        }
    }
    Some(faces)
}

/// Replaces all faces that a point sees by faces from their rim to it.
fn grow(points: &[[i32; 3]], faces: &mut Vec<Face>, at: usize, apex: u32, open: &mut Vec<usize>) {
    let p = points[apex as usize];
    let (mut seen, mut rim) = (vec![at], Vec::new());
    faces[at].dead = true;
    let mut next = 0;
    while let Some(&face) = seen.get(next) {
        next += 1;
        for e in 0..3 {
            let other = faces[face].beside[e];
            if faces[other].dead {
                continue;
            }
            if faces[other].above(p) > 0 {
                faces[other].dead = true;
                seen.push(other);
            } else {
                rim.push((faces[face].corners[e], faces[face].corners[(e + 1) % 3], other));
            }
        }
    }
    let begin = faces.len();
    let starts: std::collections::BTreeMap<u32, usize> =
        rim.iter().enumerate().map(|(n, (from, ..))| (*from, begin + n)).collect();
    let ends: std::collections::BTreeMap<u32, usize> =
        rim.iter().enumerate().map(|(n, (_, to, _))| (*to, begin + n)).collect();
    for (n, &(from, to, other)) in rim.iter().enumerate() {
        let mut face = Face::new(points, [from, to, apex]);
        face.beside = [other, starts[&to], ends[&from]];
        for e in 0..3 {
            if faces[other].corners[e] == to && faces[other].corners[(e + 1) % 3] == from {
                faces[other].beside[e] = begin + n;
            }
        }
        faces.push(face);
        open.push(begin + n);
    }
    for face in seen {
        for point in std::mem::take(&mut faces[face].outside) {
            if let Some(face) = faces[begin..].iter_mut().find(|f| f.above(points[point as usize]) > 0) {
                face.outside.push(point);
            }
        }
    }
}

fn minus(a: [i32; 3], b: [i32; 3]) -> [i64; 3] {
    std::array::from_fn(|c| i64::from(a[c]) - i64::from(b[c]))
}

fn cross(a: [i64; 3], b: [i64; 3]) -> [i64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [i64; 3], b: [i64; 3]) -> i64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::random::at;

    fn six_volumes(points: &[[i32; 3]], faces: &[[u32; 3]]) -> i64 {
        let p = |n: u32| points[n as usize].map(i64::from);
        faces.iter().map(|f| dot(p(f[0]), cross(p(f[1]), p(f[2])))).sum()
    }

    #[test]
    fn a_block_of_points_has_the_hull_of_its_corners() {
        let mut points: Vec<[i32; 3]> = (0..7 * 5 * 4).map(|n| [n % 7 - 3, n / 7 % 5, n / 35 + 8]).collect();
        let faces = hull3(&mut points);
        assert_eq!(six_volumes(&points, &faces), 6 * 6 * 4 * 3);
    }

    #[test]
    fn points_in_a_plane_a_line_or_none_have_no_hull() {
        for mut points in [
            vec![],
            vec![[1, 2, 3]; 5],
            (0..9).map(|n| [n, 2 * n, -n]).collect(),
            (0..30).map(|n| [n % 5, n / 5, n % 5 + n / 5]).collect(),
        ] {
            assert!(hull3(&mut points).is_empty());
        }
    }

    #[test]
    fn every_point_is_inside_and_every_edge_between_two_faces() {
        for seed in 0..40 {
            let range = [3, 9, 1000][seed as usize % 3];
            let mut points: Vec<[i32; 3]> = (0..200)
                .map(|n| std::array::from_fn(|c| (at(seed, 3 * n + c as u64) % range) as i32))
                .collect();
            let faces = hull3(&mut points);
            for f in &faces {
                let face = Face::new(&points, *f);
                assert!(points.iter().all(|p| face.above(*p) <= 0));
                for e in 0..3 {
                    let (from, to) = (f[e], f[(e + 1) % 3]);
                    let back = faces.iter().filter(|g| (0..3).any(|m| g[m] == to && g[(m + 1) % 3] == from));
                    assert_eq!(back.count(), 1);
                }
            }
            assert!(six_volumes(&points, &faces) > 0);
        }
    }
}
