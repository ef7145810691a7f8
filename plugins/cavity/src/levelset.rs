//! A narrow-band geodesic active contour that ends at the inner table of the skull.
//!
//! The front is where phi = 0; phi < 0 inside, in mm. It moves by
//!
//! phi_t = |grad phi| (beta kappa g - c F) + eta grad g . grad phi - gamma u (phi - phi_prior)
//!
//! (Caselles, Kimmel and Sapiro, "Geodesic active contours", IJCV 22:61, 1997, with a region term; solved by
//! upwind differences: Osher and Sethian, J. Comput. Phys. 79:12, 1988; in a narrow band: Adalsteinsson and
//! Sethian, J. Comput. Phys. 118:269, 1995.) kappa is the curvature, g the edge indicator, F in -1..1 is
//! the distance along the normal from the front to the half height between brain and bone (`pull`) over 0.75 mm, 0
//! where no bone lies ahead, and u is 1 there, `prior_at_bone` elsewhere: the prior where there is no skull, the
//! skull elsewhere.

pub mod band;
pub mod edge;
pub mod evolve;
pub mod finish;
pub mod native;
pub mod pull;
pub mod redistance;
pub mod work;

/// How the front moves.
#[derive(Clone, Copy, Debug)]
pub struct Motion {
    /// c: weight of the HU-driven speed.
    pub propagation: f32,
    /// beta: weight of the curvature, mm.
    pub curvature: f32,
    /// eta: weight of the attraction to edges, mm.
    pub advection: f32,
    /// gamma: pull to the prior, a mm of distance from it.
    pub prior: f32,
    /// u where bone lies ahead; 1 elsewhere.
    pub prior_at_bone: f32,
    /// K in g = 1 / (1 + (|grad HU| / K)²), HU/mm.
    pub edge_scale: f32,
    /// Time of a step: at speed 1 the front moves by so many mm.
    pub time_step: f32,
    /// Most steps.
    pub iterations: u32,
    /// Ends when the front moves less than this in 5 steps, mean over its voxels, mm.
    pub tolerance: f64,
}

/// What is taken for brain and for bone.
#[derive(Clone, Copy, Debug)]
pub struct Densities {
    /// Brain, HU.
    pub brain: f32,
    /// Least peak that is bone, HU.
    pub bone: f32,
    /// How far ahead of the front bone is looked for, mm.
    pub range: f32,
}

impl Default for Motion {
    /// The defaults of `refine-levelset`.
    fn default() -> Self {
        Self {
            propagation: 1.0,
            curvature: 0.3,
            advection: 0.0,
            prior: 0.2,
            prior_at_bone: 0.0,
            edge_scale: 25.0,
            time_step: 0.25,
            iterations: 40,
            tolerance: 0.02,
        }
    }
}

impl Default for Densities {
    /// The defaults of `refine-levelset`.
    fn default() -> Self {
        Self { brain: 35.0, bone: 200.0, range: 12.0 }
    }
}
