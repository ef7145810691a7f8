//! The mask from which the front starts: the skull where there is bone, the atlases where there is none.

use super::coarse::Coarse;
use ichor_image::{Connectivity, Parallel, fill_holes, largest_component, open};

/// What bone encloses counts up to this far outside the atlases, mm: beyond it is a leak.
const LEAK_MM: f32 = 8.0;
/// Below it there is air, HU: outside the skull (sinuses, mastoid cells) unless it lies this deep in the atlases, mm.
const AIR_HU: f32 = -200.0;
const DEEP_MM: f32 = 6.0;
/// What hangs on the rest by less than twice this is cut off, mm: tissue beyond thin bone.
const OPEN_MM: f64 = 3.0;

/// Joins what bone encloses with what is inside by the atlases and is no bone; with one of the two, that alone.
pub fn begin(
    par: &dyn Parallel,
    coarse: &Coarse,
    enclosed: Option<&[u8]>,
    distance: Option<&[f32]>,
    bone_hu: f32,
) -> Vec<u8> {
    let (shape, spacing) = (coarse.grid.shape, coarse.grid.spacing());
    let joined: Vec<u8> = match (enclosed, distance) {
        (None, None) => return vec![0; coarse.hu.len()],
        (Some(enclosed), None) => return enclosed.to_vec(),
        (None, Some(distance)) => return distance.iter().map(|&d| u8::from(d < 0.0)).collect(),
        (Some(enclosed), Some(distance)) => (coarse.hu.iter().zip(enclosed).zip(distance))
            .map(|((&hu, &e), &d)| {
                let soft = hu <= bone_hu && hu > AIR_HU;
                u8::from(soft && (d < 0.0 || e != 0 && d < LEAK_MM) || hu <= bone_hu && d < -DEEP_MM)
            })
            .collect(),
    };
    let opened = open(par, &joined, shape, spacing, OPEN_MM);
    fill_holes(par, &largest_component(par, &opened, shape, Connectivity::Six), shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_image::{Affine, Grid, Serial};

    /// A ball of brain of 60 mm in a shell of bone with a hole at the top; what bone encloses lacks a cap under it.
    fn scene() -> (Coarse, Vec<u8>, Vec<f32>) {
        let grid = Grid::new([72; 3], Affine::from_spacing([2.0; 3], [-71.0; 3])).unwrap();
        let places: Vec<[f64; 3]> = (0..grid.len())
            .map(|n| grid.affine.apply([n % 72, n / 72 % 72, n / 5184].map(|v| v as f64)))
            .collect();
        let r = |p: &[f64; 3]| p.iter().map(|v| v * v).sum::<f64>().sqrt();
        let hu = |p: &[f64; 3]| match r(p) {
            d if d > 69.0 => -1000.0,
            d if (60.0..66.0).contains(&d) && p[0].hypot(p[1]) > 30.0 => 900.0,
            _ => 35.0,
        };
        let enclosed = |p: &[f64; 3]| u8::from(r(p) < 57.0 && p[2] < 40.0);
        let coarse = Coarse { hu: places.iter().map(|p| hu(p) as f32).collect(), grid, thickest: 1.0 };
        let enclosed = places.iter().map(enclosed).collect();
        // The atlases are 3 mm too large.
        let distance = places.iter().map(|p| (r(p) - 63.0) as f32).collect();
        (coarse, enclosed, distance)
    }

    fn radius(mask: &[u8], grid: &Grid, direction: [f64; 3]) -> f64 {
        let back = grid.affine.inverse().unwrap();
        let inside = |t: f64| {
            let v = back.apply(direction.map(|d| d * t)).map(|v| v.round() as usize);
            mask[grid.index(v[0], v[1], v[2])] != 0
        };
        (0..70).map(f64::from).take_while(|t| inside(*t)).last().unwrap()
    }

    #[test]
    fn skull_decides_where_there_is_bone_and_atlases_where_there_is_none() {
        let (coarse, enclosed, distance) = scene();
        let grid = coarse.grid;
        let both = begin(&Serial, &coarse, Some(&enclosed), Some(&distance), 200.0);
        let side = radius(&both, &grid, [1.0, 0.0, 0.0]);
        let top = radius(&both, &grid, [0.0, 0.0, 1.0]);
        assert!((58.0..61.0).contains(&side) && (60.0..64.5).contains(&top), "{side}, {top}");
        assert_eq!(begin(&Serial, &coarse, Some(&enclosed), None, 200.0), enclosed);
        let alone = begin(&Serial, &coarse, None, Some(&distance), 200.0);
        assert!(alone.iter().zip(&distance).all(|(m, d)| (*m != 0) == (*d < 0.0)));
        assert!(begin(&Serial, &coarse, None, None, 200.0).iter().all(|v| *v == 0));
    }

    #[test]
    fn air_beside_the_skull_is_outside_and_deep_inside_it_is_not() {
        let (mut coarse, enclosed, distance) = scene();
        let at = |x: f64| {
            let v = coarse.grid.affine.inverse().unwrap().apply([x, 1.0, 1.0]).map(|v| v.round() as usize);
            coarse.grid.index(v[0], v[1], v[2])
        };
        let (near, deep) = (at(61.0), at(45.0));
        for n in [near, deep] {
            coarse.hu[n] = -900.0;
        }
        let mask = begin(&Serial, &coarse, Some(&enclosed), Some(&distance), 200.0);
        assert_eq!((mask[near], mask[deep]), (0, 1));
    }
}
