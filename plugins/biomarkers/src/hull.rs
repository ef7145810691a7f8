//! Convex hulls in the plane.

/// Vertices of the convex hull of `points`, counter-clockwise, none of them on a side (monotone chain,
/// Andrew 1979). `points` is sorted on the way.
///
/// A hull may be taken in voxel indices and mapped to millimetres afterwards: convexity is affine.
pub fn hull(points: &mut Vec<[i32; 2]>) -> Vec<[i32; 2]> {
    points.sort_unstable();
    points.dedup();
    if points.len() < 3 {
        return points.clone();
    }
    let mut out = half(points.iter());
    out.pop();
    out.extend(half(points.iter().rev()));
    out.pop();
    out
}

fn half<'a>(points: impl Iterator<Item = &'a [i32; 2]>) -> Vec<[i32; 2]> {
    let mut chain: Vec<[i32; 2]> = Vec::new();
    for &p in points {
        while let [.., a, b] = chain[..]
            && turn(a, b, p) <= 0
        {
            chain.pop();
        }
        chain.push(p);
    }
    chain
}

fn turn(a: [i32; 2], b: [i32; 2], c: [i32; 2]) -> i64 {
    let d = |p: [i32; 2], axis: usize| i64::from(p[axis]) - i64::from(a[axis]);
    d(b, 0) * d(c, 1) - d(b, 1) * d(c, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hull_of_a_square_with_points_inside_and_on_its_sides() {
        let mut points = vec![[2, 2], [0, 0], [1, 1], [2, 0], [1, 0], [0, 2], [0, 1], [2, 2]];
        assert_eq!(hull(&mut points), [[0, 0], [2, 0], [2, 2], [0, 2]]);
    }

    #[test]
    fn hulls_of_few_or_collinear_points_keep_the_ends() {
        assert_eq!(hull(&mut vec![[3, 4]]), [[3, 4]]);
        assert_eq!(hull(&mut vec![[0, 0], [1, 1], [2, 2], [3, 3]]), [[0, 0], [3, 3]]);
        assert!(hull(&mut vec![]).is_empty());
    }
}
