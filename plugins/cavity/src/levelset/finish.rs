//! Leaves one piece without holes.

use ichor_image::{Connectivity, Parallel, fill_holes, largest_component};

/// Turns phi around where its inside is not the largest piece, or a hole in it. Returns voxels inside.
pub fn one_piece(par: &dyn Parallel, phi: &mut [f32], shape: [usize; 3]) -> usize {
    let inside: Vec<u8> = phi.iter().map(|&p| u8::from(p < 0.0)).collect();
    let whole = fill_holes(par, &largest_component(par, &inside, shape, Connectivity::Six), shape);
    let mut count = 0;
    for (p, &w) in phi.iter_mut().zip(&whole) {
        let size = p.abs().max(1e-3);
        *p = if w != 0 { -size } else { size };
        count += usize::from(w != 0);
    }
    count
}
