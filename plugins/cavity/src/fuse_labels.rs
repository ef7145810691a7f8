//! The stage that makes one mask of several.

pub mod local;
pub mod patterns;
pub mod staple;

use ichor_sdk::prelude::*;
use patterns::Patterns;
use staple::staple;

/// Makes one mask of several, such as the labels of atlases or the outlines of readers.
///
/// `majority` gives a voxel to the mask where at least half of the raters have it. `local-weighted` weighs each
/// rater by how well its image agrees with `target` around the voxel: w = exp(-(1 - LNCC) / `sharpness`), LNCC the
/// normalised cross-correlation of blocks of 4 mm over 5 x 5 x 5 of them (locally weighted voting: Artaechevarria,
/// Munoz-Barrutia and Ortiz-de-Solorzano, IEEE TMI 28:1266, 2009). `staple` estimates each rater's sensitivity and
/// specificity together with the truth (Warfield, Zou and Wells, IEEE TMI 23:903, 2004), with the share of voxels
/// in all masks as prior: where a scan shows much beside the head, specificities are high and small disagreements
/// weigh little.
///
/// The mask is the agreement cut at 0.5.
#[derive(Stage)]
#[stage(id = "fuse-labels", version = "1.0.0")]
#[input(masks, kind = "mask", grid = "masks", many, doc = "one mask a rater, on one grid; at most 64")]
#[input(
    images,
    kind = "volume",
    grid = "masks",
    many,
    optional,
    doc = "for local-weighted: the image of each rater, in the order of the masks"
)]
#[input(
    target,
    kind = "volume",
    grid = "masks",
    optional,
    doc = "for local-weighted: the image to agree with"
)]
#[output(mask, kind = "mask", grid = "masks", doc = "where the agreement is at least 0.5")]
#[output(
    agreement,
    kind = "probs",
    grid = "masks",
    doc = "share of (weighted) raters, or STAPLE's probability"
)]
#[output(table, kind = "table", doc = "a row a rater: sensitivity, specificity, Dice, mean weight")]
pub struct FuseLabels {
    /// How raters are weighed.
    #[param(default = "majority")]
    rule: Rule,
    /// For local-weighted: the fall of LNCC at which a weight falls to 1/e. Small: the best rater decides.
    #[param(default = 0.15, min = 0.01, max = 10.0)]
    sharpness: f64,
    /// For staple: most iterations.
    #[param(default = 1000, min = 1, max = 100000)]
    iterations: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Rule {
    Majority,
    LocalWeighted,
    Staple,
}

/// What is told of a rater.
#[derive(Clone, Copy, Debug, Default)]
struct Rater {
    sensitivity: f64,
    specificity: f64,
    weight: f64,
}

impl Run for FuseLabels {
    fn run(&self, run: &Context) -> Result<()> {
        let inputs = run.many(Self::MASKS)?;
        // Looked at whatever the rule: what is connected wrongly is not passed over.
        let (images, target) = (run.many(Self::IMAGES)?, run.optional(Self::TARGET)?);
        let grid = *inputs.first().ok_or_else(|| Error::bad_input("no mask is connected"))?.grid();
        let masks: Vec<&[u8]> = inputs.iter().map(Input::mask).collect::<Result<_>>()?;
        check_count(masks.len())?;
        let mask = run.new_mask(Self::MASK, &grid)?;
        let agreement = run.new_probs(Self::AGREEMENT, 1, &grid)?;
        let patterns = Patterns::new(run, &masks);
        run.progress(0.3, "weighing raters");
        run.check_cancelled()?;
        let count = masks.len() as f64;
        let mut raters = vec![Rater { weight: 1.0 / count, ..Rater::default() }; masks.len()];
        match self.rule {
            Rule::Majority => {
                patterns.paint(run, &masks, agreement, &|p| (f64::from(p.count_ones()) / count) as f32);
            }
            Rule::Staple => {
                let found = staple(&patterns, self.iterations)?;
                for (r, (p, q)) in raters.iter_mut().zip(found.sensitivity.iter().zip(&found.specificity)) {
                    (r.sensitivity, r.specificity) = (*p, *q);
                }
                if !found.rests {
                    run.warn(&format!("STAPLE did not come to rest in {} iterations", self.iterations));
                }
                patterns.paint(run, &masks, agreement, &|p| found.probability(p) as f32);
            }
            Rule::LocalWeighted => {
                let target = target.ok_or_else(|| {
                    Error::bad_input(
                        "local-weighted needs `target`, the image that the raters' are compared with",
                    )
                })?;
                if images.len() != masks.len() {
                    return Err(Error::bad_input(format!(
                        "local-weighted needs one image a mask: there are {} masks and {} images",
                        masks.len(),
                        images.len()
                    )));
                }
                let weights = local::weights(run, &target, &images, &grid, self.sharpness)?;
                for (r, w) in raters.iter_mut().zip(&weights.mean) {
                    r.weight = *w;
                }
                run.progress(0.7, "voting");
                weights.vote(run, &masks, &grid, agreement);
            }
        }
        for_each_chunk(run, mask, 1 << 16, &|n, part| {
            let from = &agreement[n << 16..][..part.len()];
            part.iter_mut().zip(from).for_each(|(m, &a)| *m = u8::from(a >= 0.5));
        });
        let with = against(run, &masks, mask);
        if self.rule != Rule::Staple {
            for (r, o) in raters.iter_mut().zip(&with) {
                (r.sensitivity, r.specificity) = (o.sensitivity(), o.specificity());
            }
        }
        let dice: Vec<f64> = with.iter().map(Overlap::dice).collect();
        run.emit_table(Self::TABLE, &report(&raters, &dice, self.rule))
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let inputs = run.many(Self::MASKS)?;
        let grid = *inputs.first().ok_or_else(|| Error::bad_input("no mask is connected"))?.grid();
        check_count(inputs.len())?;
        run.new_mask(Self::MASK, &grid)?;
        run.new_probs(Self::AGREEMENT, 1, &grid)?;
        let blocks = grid.len() as f64 * grid.voxel_volume_mm3() / local::SPACING.powi(3);
        let scratch = match self.rule {
            Rule::LocalWeighted => 4.0 * blocks * (inputs.len() as f64 + 8.0),
            _ => 0.0,
        };
        Ok(Need { scratch_bytes: scratch as u64 + (1 << 20), device_bytes: 0 })
    }
}

fn check_count(count: usize) -> Result<()> {
    if (1..=64).contains(&count) {
        return Ok(());
    }
    Err(Error::bad_input(format!("{count} masks are connected; 1 to 64 can be fused at once")))
}

/// Voxels of a rater's mask and of the fused one.
#[derive(Clone, Copy, Default)]
struct Overlap {
    both: u64,
    rater: u64,
    fused: u64,
    all: u64,
}

impl Overlap {
    fn sensitivity(&self) -> f64 {
        self.both as f64 / self.fused as f64
    }

    fn specificity(&self) -> f64 {
        let outside = self.all - self.fused;
        (outside + self.both - self.rater) as f64 / outside as f64
    }

    fn dice(&self) -> f64 {
        2.0 * self.both as f64 / (self.rater + self.fused) as f64
    }
}

/// How each rater overlaps with the fused mask.
fn against(par: &dyn Parallel, masks: &[&[u8]], fused: &[u8]) -> Vec<Overlap> {
    masks
        .iter()
        .map(|mask| {
            let parts = map_ranges(par, fused.len(), 1 << 18, &|range| {
                let mut o = Overlap { all: range.len() as u64, ..Overlap::default() };
                for (&m, &f) in mask[range.clone()].iter().zip(&fused[range]) {
                    let (m, f) = (u64::from(m != 0), u64::from(f != 0));
                    o.both += m & f;
                    o.rater += m;
                    o.fused += f;
                }
                o
            });
            parts.iter().fold(Overlap::default(), |a, b| Overlap {
                both: a.both + b.both,
                rater: a.rater + b.rater,
                fused: a.fused + b.fused,
                all: a.all + b.all,
            })
        })
        .collect()
}

fn report(raters: &[Rater], dice: &[f64], rule: Rule) -> Table {
    let mut table = Table::new(&["rater", "sensitivity", "specificity", "dice", "weight"]);
    let (truth, weight) = match rule {
        Rule::Staple => {
            ("the truth that STAPLE estimates", "one over the number of raters; STAPLE has no weights")
        }
        _ => ("the fused mask", "mean weight over the volume, all raters together 1"),
    };
    let define = [
        "number of the rater, from 1, in the order of the inputs".to_owned(),
        format!("share of what is inside by {truth} that the rater has, too"),
        format!("share of what is outside by {truth} that the rater leaves out, too"),
        "Dice coefficient of the rater's and the fused mask".to_owned(),
        weight.to_owned(),
    ];
    for (column, text) in table.columns.iter_mut().zip(define) {
        column.definition = Some(text);
    }
    for (n, (r, &d)) in raters.iter().zip(dice).enumerate() {
        let row = vec![(n + 1).into(), r.sensitivity.into(), r.specificity.into(), d.into(), r.weight.into()];
        table.rows.push(row);
    }
    table
}
