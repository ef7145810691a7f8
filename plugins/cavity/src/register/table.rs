//! What is said of a registration.

use super::Metric;
use super::align::Aligned;
use ichor_sdk::Table;

/// The way and the end, in the form of measurements; nothing in it depends on the machine.
pub fn report(found: &Aligned, metric: Metric) -> Table {
    let mut out = Table::measurements();
    let mut add = |name: &str, value: ichor_sdk::Cell, unit: &str, what: &str| {
        out.measure("all", name, value, unit, what);
    };
    add("start", found.start.as_str().into(), "", "the pose from which the map was found");
    let what = match metric {
        Metric::Ncc => "normalised cross-correlation at the end of the step",
        Metric::Mi => "mutual information at the end of the step, nats",
    };
    for (n, step) in found.steps.iter().enumerate() {
        let (n, name) = (n + 1, format!("{} {:.1} mm", step.name, step.mm));
        let what = match step.name {
            "poses" => "normalised cross-correlation of the best of all poses",
            "free form" => "likeness less 1 (ncc) and less the bending energy's share at the end of the step",
            _ => what,
        };
        add(&format!("step {n}: {name}, likeness"), step.value.into(), "", what);
        let what = "how often the likeness was evaluated";
        add(&format!("step {n}: {name}, evaluations"), step.evaluations.into(), "", what);
        if let Some(overlap) = step.overlap {
            let what = "share of the compared voxels of the fixed image that meet the moving one";
            add(&format!("step {n}: {name}, overlap"), overlap.into(), "", what);
        }
    }
    add("ncc", found.ncc.into(), "", "normalised cross-correlation at the end, on the finest voxels");
    add("overlap", found.overlap.into(), "", "share of the compared voxels that meet the moving image");
    let scale = found.linear.affine().determinant();
    add(
        "volume ratio",
        scale.into(),
        "",
        "determinant of the linear part: volume in moving over volume in fixed",
    );
    let what =
        "smallest determinant of the Jacobian over that of the linear part: 1 is no deformation, 0 a fold";
    add("least determinant", found.least_determinant.into(), "", what);
    let what = "weight of the bending energy at last, raised if the map would have folded";
    add("bending", found.bending.into(), "mm2", what);
    out
}
