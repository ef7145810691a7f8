//! The rows about patches and signs, each with its definition.

use crate::density::{Patch, Signs};
use crate::fragile::note;
use ichor_sdk::prelude::*;
use std::ops::Add;

/// Rows of one lesion, or of all.
pub struct Rows<'a> {
    table: &'a mut Table,
    lesion: String,
}

const SURROGATE: &str = "computed, not validated on patients";

impl<'a> Rows<'a> {
    pub fn new(table: &'a mut Table, lesion: &str) -> Self {
        Self { table, lesion: lesion.to_owned() }
    }

    /// Adds a row; a null says `why`.
    pub fn add(&mut self, name: &str, value: impl Into<Cell>, unit: &str, definition: &str, why: &str) {
        let value = value.into();
        let definition = &format!("{definition}{}", note(name));
        if matches!(value, Cell::Null) && !why.is_empty() {
            let definition = format!("{definition}; undefined here: {why}");
            return self.table.measure(&self.lesion, name, value, unit, &definition);
        }
        self.table.measure(&self.lesion, name, value, unit, definition);
    }

    /// Patches and signs of lesions, the largest first; `why` there are none.
    pub fn signs(&mut self, lesions: &[&Signs], why: &str) {
        self.clot(lesions, why);
        self.patches(lesions, why);
        self.black_hole(lesions, why);
        self.swirl(lesions, why);
        self.blend(lesions, why);
        self.level(lesions, why);
        self.grades(lesions, why);
    }

    fn clot(&mut self, lesions: &[&Signs], why: &str) {
        let first = lesions.first();
        let sum = |f: fn(&Signs) -> f64| first.map(|_| lesions.iter().map(|s| f(s)).sum::<f64>());
        let filled = "volume with holes in axial slices filled, of lesions that are judged";
        self.add("filled_volume", sum(|s| s.filled_ml), "mL", filled, why);
        let core = "volume at least 2 mm from the edge and between two slices of the lesion, where patches are sought";
        self.add("core_volume", sum(|s| s.found.core_ml), "mL", core, why);
        let clot = "HU of the clot beside patches (largest lesion)";
        self.add("clot_hu", first.map(|s| s.found.reference), "HU", clot, why);
        let spread =
            "spread of the clot's HU after a Gaussian of 0.8 mm: noise, and unevenness without border";
        self.add("clot_spread", first.map(|s| s.found.spread), "HU", spread, why);
        let eta = "part of the variance between two classes by Otsu's threshold: 0.64 for one Gaussian, near 1 for two \
                   phases (largest lesion)";
        self.add("two_phase_share", first.map(|s| s.found.eta), "1", eta, why);
        let unknown =
            if first.is_some() { "no brain 8 to 12 mm around the lesion; give brain_hu" } else { why };
        let brain = "median HU of brain around the largest lesion, or as given";
        self.add("brain_hu", first.and_then(|s| s.brain), "HU", brain, unknown);
    }

    fn patches(&mut self, lesions: &[&Signs], why: &str) {
        let some = lesions.first();
        let all = || lesions.iter().flat_map(|s| s.found.patches.iter().map(move |p| (*s, p)));
        let count =
            |keep: &dyn Fn(&Signs, &Patch) -> bool| some.map(|_| all().filter(|(s, p)| keep(s, p)).count());
        let volume = |keep: &dyn Fn(&Signs, &Patch) -> bool| {
            some.map(|_| all().filter(|(s, p)| keep(s, p)).map(|(_, p)| p.volume_ml).fold(0.0, f64::add))
        };
        let what = "patches darker than the clot, by the detector's half-height border";
        let small = "; small ones fade in slices thicker than they are and in noise";
        self.add("hypodense_patches", count(&|_, _| true), "1", &format!("{what}{small}"), why);
        for delta in [8.0, 10.0, 18.0, 28.0] {
            let name = format!("hypodense_patches_{delta:.0}hu");
            let which = format!("{what}, at least {delta} HU darker{small}");
            self.add(&name, count(&|_, p| p.delta >= delta), "1", &which, why);
        }
        self.add("hypodense_volume", volume(&|_, _| true), "mL", "volume of all patches", why);
        let core: f64 = lesions.iter().map(|s| s.found.core_ml).sum();
        let share = volume(&|_, _| true).filter(|_| core > 0.0).map(|v| v / core);
        self.add("hypodense_share", share, "1", "volume of all patches over the core's", why);
        let none = if some.is_some() { "no patch" } else { why };
        let deepest = all().map(|(_, p)| p.delta).reduce(f64::max);
        self.add("hypodense_delta_max", deepest, "HU", "greatest difference between clot and a patch", none);
        let darkest = all().map(|(_, p)| p.hu).reduce(f64::min);
        self.add("hypodense_hu_min", darkest, "HU", "least HU of a patch's middle", none);
        type Keep<'k> = &'k dyn Fn(&Signs, &Patch) -> bool;
        let kinds: [(&str, &str, Keep); 5] = [
            ("encapsulated", "with clot all around", &|_, p| p.is_encapsulated()),
            ("open", "that reach the core's edge", &|_, p| !p.is_encapsulated()),
            ("below_brain", "more than 3 HU darker than brain", &|s, p| {
                s.brain.is_some_and(|b| p.hu < b - 3.0)
            }),
            ("isodense", "within 3 HU of brain", &|s, p| s.brain.is_some_and(|b| (p.hu - b).abs() <= 3.0)),
            ("above_brain", "more than 3 HU denser than brain", &|s, p| {
                s.brain.is_some_and(|b| p.hu > b + 3.0)
            }),
        ];
        for (n, (kind, which, keep)) in kinds.into_iter().enumerate() {
            // The last three compare with brain.
            let known = n < 2 || lesions.iter().all(|s| s.brain.is_some());
            let why = if some.is_some() { "HU of brain are not known; give brain_hu" } else { why };
            let name = format!("hypodensities_{kind}");
            self.add(&name, count(keep).filter(|_| known), "1", &format!("patches {which}"), why);
            let name = format!("hypodensities_{kind}_volume");
            self.add(&name, volume(keep).filter(|_| known), "mL", &format!("volume of patches {which}"), why);
        }
        let any = some.map(|_| lesions.iter().any(|s| s.hypodensity()));
        let definition = format!(
            "a patch with clot all around, of any shape, size and density (after Boulouis, JAMA Neurol 2016); its types \
             I to III are not told; {SURROGATE}"
        );
        self.add("hypodensity_sign", any, "", &definition, why);
    }

    fn black_hole(&mut self, lesions: &[&Signs], why: &str) {
        let any = lesions.first().map(|_| lesions.iter().any(|s| s.black_hole()));
        let definition = format!(
            "a patch with clot all around, at least 3 mm from the edge, at least 28 HU darker (Li, Stroke 2016), its \
             border at most 4 mm wide; {SURROGATE}; holes below 8 mm fade in slices of 5 mm"
        );
        self.add("black_hole_sign", any, "", &definition, why);
        let holes: Vec<&Patch> = lesions.iter().flat_map(|s| s.black_holes()).collect();
        let darkest = holes.iter().copied().reduce(|a, b| if b.delta > a.delta { b } else { a });
        let none = if any.is_some() { "no black hole" } else { why };
        self.add("black_holes", any.map(|_| holes.len()), "1", "black holes", why);
        let volume = any.map(|_| holes.iter().map(|p| p.volume_ml).fold(0.0, f64::add));
        self.add("black_hole_volume", volume, "mL", "volume of all black holes", why);
        self.add(
            "black_hole_hu",
            darkest.map(|p| p.hu),
            "HU",
            "median HU in the middle of the darkest one",
            none,
        );
        let delta = "clot less black hole, of the darkest one";
        self.add("black_hole_delta", darkest.map(|p| p.delta), "HU", delta, none);
        let edge = "distance from 10 to 90 % of the difference at the border of the darkest one";
        self.add("black_hole_edge", darkest.and_then(|p| p.edge_mm), "mm", edge, none);
    }

    fn swirl(&mut self, lesions: &[&Signs], why: &str) {
        let any = any(lesions, |s| s.swirl());
        let unknown = if lesions.is_empty() { why } else { "HU of brain are not known; give brain_hu" };
        let definition = format!(
            "a patch at most 3 HU denser than brain, less than half of its surface at the core's edge, on at least two \
             slices in a row and 6 mm of thin ones (Selariu 2012; two slices of 5 mm: Ng, AJNR 2018); {SURROGATE}"
        );
        self.add("swirl_sign", any, "", &definition, unknown);
        let patches: Vec<&Patch> = lesions.iter().flat_map(|s| s.swirls()).collect();
        let largest = patches.iter().copied().reduce(|a, b| if b.volume_ml > a.volume_ml { b } else { a });
        let none = if any.is_some() { "no swirl" } else { unknown };
        let volume = any.map(|_| patches.iter().map(|p| p.volume_ml).fold(0.0, f64::add));
        self.add("swirl_volume", volume, "mL", "volume of patches that make a swirl sign", unknown);
        self.add("swirl_hu", largest.map(|p| p.hu), "HU", "median HU in the middle of the largest one", none);
        let slices = "most slices in a row of the largest one; of the scan's own thickness";
        self.add("swirl_slices", largest.map(|p| p.slices), "1", slices, none);
    }

    fn blend(&mut self, lesions: &[&Signs], why: &str) {
        let value = any(lesions, |s| s.blend);
        let unknown = if lesions.is_empty() { why } else { "it may as well be a fluid level; give position" };
        let definition = format!(
            "two phases of at least 10 % of the core, at least 18 HU and 3 spreads apart (Li, Stroke 2015), the darker \
             one not encapsulated, one border at most 4 mm wide between them, not a fluid level; {SURROGATE}"
        );
        self.add("blend_sign", value, "", &definition, unknown);
        let is_level = lesions.first().map(|_| lesions.iter().any(|s| s.blend_is_level));
        let definition = "whether two phases that would be a blend sign are a fluid level";
        self.add("blend_explained_by_fluid_level", is_level, "", definition, why);
        let with = lesions.iter().find(|s| s.blend == Some(true)).or(lesions.first());
        let low = with.and_then(|s| s.found.patches.first());
        let none = if lesions.is_empty() { why } else { "no patch" };
        let clot = with.filter(|_| low.is_some()).map(|s| s.found.reference);
        self.add(
            "phase_low_hu",
            low.map(|p| p.hu),
            "HU",
            "median HU in the middle of the largest patch",
            none,
        );
        self.add("phase_high_hu", clot, "HU", "HU of the clot around it", none);
        self.add("phase_delta", low.map(|p| p.delta), "HU", "clot less largest patch", none);
        self.add("phase_share", low.map(|p| p.share), "1", "largest patch over the core", none);
        let open = "part of the largest patch's surface at the core's edge; the rest is against clot";
        self.add("phase_open", low.map(|p| p.open), "1", open, none);
        let edge = "distance from 10 to 90 % of the difference at the largest patch's border; grows where the border \
                    is oblique in thick slices";
        let soft = if low.is_some() { "less than 10 HU of difference, or no border" } else { none };
        self.add("phase_edge", low.and_then(|p| p.edge_mm), "mm", edge, soft);
    }

    fn level(&mut self, lesions: &[&Signs], why: &str) {
        let value = any(lesions, |s| s.fluid_level);
        let unknown = if lesions.is_empty() {
            why
        } else {
            "a plane was found and the patient's position is not known"
        };
        let definition = format!(
            "the border of a patch that reaches the edge is a plane within 1.5 mm and 8 % of its length RMS, at least 8 mm long and 8 mm or \
             two slices wide, its darker side at least 10 HU darker and up, within 15 degrees of the horizontal; \
             {SURROGATE}"
        );
        self.add("fluid_level_sign", value, "", &definition, unknown);
        let with = lesions.iter().find(|s| s.fluid_level == Some(true)).or(lesions.first());
        let level = with.and_then(|s| s.level);
        let none =
            if lesions.is_empty() { why } else { "no patch at the edge of at least 10 HU with a border" };
        let angle = with.and_then(|s| s.angle_to_gravity);
        let lost = if level.is_some() { "the patient's position is not known" } else { none };
        let definition = "angle between upward and the plane's normal toward the darker side, 0 to 180";
        self.add("fluid_level_angle", angle, "degree", definition, lost);
        let front = level.map(|l| l.angle_to([0.0, 1.0, 0.0]));
        let definition =
            "angle between toward the front and that normal: upward of a patient who lies supine";
        self.add("fluid_level_angle_to_front", front, "degree", definition, none);
        for (a, letter) in ["r", "a", "s"].into_iter().enumerate() {
            let toward = ["right", "front", "top"][a];
            let definition = format!("part of that normal, of length 1, toward the {toward}");
            let name = format!("fluid_level_normal_{letter}");
            self.add(&name, level.map(|l| l.normal[a]), "1", &definition, none);
        }
        let rms = "root mean square distance of the border from the plane";
        self.add("fluid_level_rms", level.map(|l| l.rms_mm), "mm", rms, none);
        let extent = "how far the border reaches along the plane";
        self.add("fluid_level_length", level.map(|l| l.extent_mm[0]), "mm", extent, none);
        let extent = "how far the border reaches along the plane across its length";
        self.add("fluid_level_width", level.map(|l| l.extent_mm[1]), "mm", extent, none);
        let patch = with.filter(|_| level.is_some()).and_then(|s| s.found.patches.first());
        let clot = with.filter(|_| level.is_some()).map(|s| s.found.reference);
        self.add("fluid_level_hu_dark", patch.map(|p| p.hu), "HU", "median HU of the darker side", none);
        self.add("fluid_level_hu_bright", clot, "HU", "HU of the brighter side", none);
    }

    fn grades(&mut self, lesions: &[&Signs], why: &str) {
        let grade = lesions.iter().map(|s| s.barras()).max();
        let definition = format!(
            "1 + the most patches of at least 8 HU in one axial slice, at most 5 (after Barras, Stroke 2009, whose scale \
             is a picture); {SURROGATE}; counts of small patches change with slice thickness"
        );
        self.add("barras_density_surrogate", grade, "1", &definition, why);
        let uneven = "barras_density_surrogate of at least 3";
        self.add("barras_heterogeneous", grade.map(|g| g >= 3), "", uneven, why);
        let patches = grade.map(|_| lesions.iter().map(|s| s.patches_of(10.0)).sum::<usize>() >= 2);
        let several = format!("at least two patches of at least 10 HU; {SURROGATE}");
        self.add("heterogeneous_density", patches, "", &several, why);
    }
}

/// True where a lesion has it; null where none has and one is not known, or there are none.
fn any(lesions: &[&Signs], of: impl Fn(&Signs) -> Option<bool>) -> Option<bool> {
    let found: Vec<Option<bool>> = lesions.iter().map(|s| of(s)).collect();
    if found.contains(&Some(true)) {
        return Some(true);
    }
    (!found.is_empty() && !found.contains(&None)).then_some(false)
}
