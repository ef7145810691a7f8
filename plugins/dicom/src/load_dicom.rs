//! Reads a CT series.

use crate::files::Files;
use crate::findings::{self, Findings, Verdict};
use crate::header::{Aside, Content};
use crate::judge::{Done, judge};
use crate::layout::{Irregular, Layout, Tilt, lay_out};
use crate::pixel::{Hu, Pixels};
use crate::place::Stack;
use crate::resample::{Value, copy, resample};
use crate::series::{Choice, FEWEST, choose, group, same_position, sort};
use crate::slice::Slice;
use crate::{read, slice_table};
use ichor_sdk::json::{Value as Json, json};
use ichor_sdk::prelude::*;
use std::collections::BTreeMap;

/// Reads a CT series in DICOM.
///
/// `source` is a folder, read with all its folders, or one file. Slices are put in order by their position along
/// their normal; names, instance numbers and slice thickness are not used. Files that are no CT slices (localisers,
/// reports, other modalities, colour pictures, what is no DICOM) are set aside with a note. A DICOM file that is
/// damaged fails the stage: a volume never silently lacks a slice. Names of files are not repeated anywhere, because
/// they may name the patient: a file is called by its place in the order of names.
///
/// Read are uncompressed (implicit and explicit VR, either byte order), deflated, RLE, JPEG Lossless, JPEG-LS and
/// JPEG 2000 files, one slice a file or enhanced multi-frame CT. Pixels become HU once, with each slice's own slope
/// and intercept: i16, or f32 when a slope or an intercept is no whole number or a value does not fit. What the header
/// declares as padding becomes -1024 HU, unless its value would be above -500 HU: then it is left, with a warning.
///
/// The volume's first axis runs along rows, the second along columns, the third along the slices' normal; DICOM's
/// LPS becomes RAS+. A tilted gantry shows as a shift of slices against each other. `tilt: correct` shifts each slice
/// back in its own plane (linear interpolation); the volume stays turned by the tilt and grows so that every slice
/// fits, with -1024 HU around. `tilt: keep` writes the shear into the affine.
///
/// Where distances differ (by more than 0.05 mm and a hundredth), `irregular: resample` interpolates linearly
/// between slices at their true positions, at their median distance; the first slice stays where it is, and beyond the
/// last one, by half a distance at most, it is repeated. A gap wider than 3 median distances is refused. A slice that
/// is there twice is dropped when its pixels are the same, and refused when they are not.
///
/// Attributes of the patient, dates, institutions and private attributes are never read. UIDs go into `slices` and
/// nowhere else.
#[derive(Stage)]
#[stage(id = "load-dicom", version = "1.0.0")]
#[output(image, kind = "volume", unit = "HU", doc = "the CT")]
#[output(
    slices,
    kind = "table",
    doc = "a row for each slice that was used, in the order of position: UIDs, position, orientation (LPS), and where it lies on the volume's grid"
)]
#[output(
    report,
    kind = "table",
    doc = "what was found, as from inspect-ct: finding, value, unit, verdict (ok, repaired, warn, fail), text"
)]
pub struct LoadDicom {
    /// A folder, or a file.
    #[param(input_file)]
    source: String,
    /// Which series, when there are several: its number in the list that the refusal shows, or its UID.
    series: Option<Choice>,
    /// What to do when the gantry was tilted: shift slices back, keep the shear in the affine, or fail.
    #[param(default = "correct")]
    tilt: Tilt,
    /// What to do when slices are not equally far apart: interpolate, or fail.
    #[param(default = "resample")]
    irregular: Irregular,
}

impl Run for LoadDicom {
    fn run(&self, run: &Context) -> Result<()> {
        let mut series = self.open(run)?;
        let mut pixels = read::pixels(&series.files, &series.slices, run)?;
        let dropped = drop_duplicates(&mut series.slices, &mut pixels)?;
        let (stack, layout) = self.lay_out(&series.slices)?;
        run.progress(0.8, "making the volume");
        let whole = pixels.iter().all(|p| matches!(p.hu, Hu::Whole(_)));
        let findings = self.findings(&series, &stack, &layout, &pixels, dropped);
        let slices: Vec<Hu> = pixels.into_iter().map(|p| p.hu).collect();
        let columns = series.slices.first().map_or(1, |s| s.columns);
        if whole {
            fill::<i16>(run, &layout, &slices, columns)?;
        } else {
            fill::<f32>(run, &layout, &slices, columns)?;
        }
        run.set_meta(Self::IMAGE, &meta(&series.slices))?;
        run.emit_table(Self::SLICES, &slice_table::table(&series.slices, &layout.k, &layout.ij))?;
        findings.log(run, &[Verdict::Repaired, Verdict::Warn, Verdict::Fail]);
        run.emit_table(Self::REPORT, &findings.table())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        let mut series = self.open(run)?;
        // Whether pixels agree is seen when they are read.
        let mut n = 0;
        while n + 1 < series.slices.len() {
            if same_position(&series.slices[n], &series.slices[n + 1]) {
                series.slices.remove(n + 1);
            } else {
                n += 1;
            }
        }
        let (_, layout) = self.lay_out(&series.slices)?;
        let slices: usize = series.slices.iter().map(Slice::len).sum();
        // Of a type that depends on the values, the largest is declared.
        let whole = series.slices.iter().all(always_whole);
        if whole {
            run.new_volume::<i16>(Self::IMAGE, Unit::Hu, &layout.grid)?;
        } else {
            run.new_volume::<f32>(Self::IMAGE, Unit::Hu, &layout.grid)?;
        }
        run.emit_table(Self::SLICES, &slice_table::empty())?;
        run.emit_table(Self::REPORT, &findings::empty())?;
        let each = if whole { 2 } else { 4 };
        // The slices, and a few files on the way to becoming some.
        Ok(Need { scratch_bytes: (each * slices) as u64 + (4 << 20), device_bytes: 0 })
    }
}

/// A series before its pixels are read.
struct Series {
    files: Files,
    /// In the order of position; duplicates are there still.
    slices: Vec<Slice>,
    /// What was set aside, with how many files.
    aside: BTreeMap<Aside, usize>,
    /// Slices of other series.
    others: usize,
}

impl LoadDicom {
    fn open(&self, run: &Context) -> Result<Series> {
        let files = Files::list(&self.source)?;
        let mut slices = Vec::new();
        let mut aside = BTreeMap::new();
        let mut lost = Vec::new();
        for (file, content) in files.contents(run)?.into_iter().enumerate() {
            match content {
                Content::Slices(more) => slices.extend(more),
                Content::Aside { what, series } => {
                    *aside.entry(what).or_insert(0) += 1;
                    if what == Aside::Lost {
                        lost.push((file, series));
                    }
                }
            }
        }
        let all = slices.len();
        if all == 0 {
            let there: Vec<String> =
                aside.iter().map(|(what, n): (&Aside, &usize)| format!("{n} {}", what.describe())).collect();
            return Err(Error::bad_input(format!(
                "no slices of a CT in `{}`: {}",
                self.source,
                there.join(", ")
            )));
        }
        let mut chosen = choose(group(slices), self.series.as_ref())?;
        // A slice of this series that has lost its position would be missing without a word.
        if let Some((file, _)) = lost.iter().find(|(_, series)| chosen.iter().any(|s| s.series == *series)) {
            return Err(Error::bad_input(format!(
                "{} belongs to the series and has no position, orientation or pixel spacing; remove it to go on without \
                 it",
                files.name(*file)
            )));
        }
        sort(&mut chosen);
        Ok(Series { files, others: all - chosen.len(), slices: chosen, aside })
    }

    fn lay_out(&self, slices: &[Slice]) -> Result<(Stack, Layout)> {
        if slices.len() < FEWEST {
            return Err(Error::bad_input(format!(
                "{} slices at different positions are no volume: there must be {FEWEST} or more",
                slices.len()
            )));
        }
        let places: Vec<_> = slices.iter().map(Slice::place).collect();
        let stack = Stack::measure(&places).ok_or_else(|| Error::internal("no slices to measure"))?;
        let size = slices.first().map_or([1, 1], |s| [s.columns, s.rows]);
        let layout = lay_out(&stack, size, self.tilt, self.irregular)?;
        Ok((stack, layout))
    }

    fn findings(
        &self,
        series: &Series,
        stack: &Stack,
        layout: &Layout,
        pixels: &[Pixels],
        dropped: usize,
    ) -> Findings {
        let mut f = Findings::default();
        let slices = &series.slices;
        let size = slices.first().map_or([0, 0], |s| [s.columns, s.rows]);
        let of = format!("of {} x {} pixels; the volume: {}", size[0], size[1], layout.grid);
        f.add("slices", slices.len() as f64, "", Verdict::Ok, of);
        for (what, &n) in &series.aside {
            f.add("set aside", n as f64, "files", Verdict::Ok, what.describe());
        }
        if series.others > 0 {
            f.add("set aside", series.others as f64, "slices", Verdict::Ok, "of other series");
        }
        let text = "slices that are there twice, with the same pixels; one of each was dropped";
        let verdict = if dropped > 0 { Verdict::Repaired } else { Verdict::Ok };
        f.add(
            "duplicate slices",
            dropped as f64,
            "",
            verdict,
            if dropped > 0 { text } else { "no position occurs twice" },
        );
        let tilts: Vec<f64> = slices.iter().filter_map(|s| s.tilt).collect();
        let tilt = (!tilts.is_empty()).then(|| crate::place::median(&tilts));
        judge(
            &mut f,
            stack,
            tilt,
            Done { untilted: layout.untilted, evened: !layout.is_copy && !stack.is_regular() },
        );
        values(&mut f, slices, pixels);
        f
    }
}

/// Findings about pixel values.
fn values(f: &mut Findings, slices: &[Slice], pixels: &[Pixels]) {
    let padded: usize = pixels.iter().map(|p| p.padded).sum();
    if padded > 0 {
        f.add(
            "padding",
            padded as f64,
            "pixels",
            Verdict::Ok,
            "outside of what was measured; -1024 HU in the volume",
        );
    }
    let doubtful: usize = pixels.iter().map(|p| p.doubtful).sum();
    if doubtful > 0 {
        let text =
            "the header calls a value padding that is one of tissue; these pixels were left as they are";
        f.add("doubtful padding", doubtful as f64, "pixels", Verdict::Warn, text);
    }
    let bare = slices.iter().filter(|s| !s.rescaled).count();
    if bare > 0 {
        let text = "slices without rescale slope or intercept: slope 1 and intercept 0 were taken";
        f.add("no rescale", bare as f64, "slices", Verdict::Warn, text);
    }
    let other = slices.iter().filter(|s| s.not_hu).count();
    if other > 0 {
        f.add(
            "no HU",
            other as f64,
            "slices",
            Verdict::Warn,
            "the header says that the values are something else than HU",
        );
    }
    let lossy = slices.iter().filter(|s| s.lossy).count();
    if lossy > 0 {
        f.add("lossy compression", lossy as f64, "slices", Verdict::Warn, "HU may have been changed by it");
    }
}

/// The volume, from slices in the order of position.
fn fill<T: Value>(run: &Context, layout: &Layout, slices: &[Hu], columns: usize) -> Result<()> {
    let out = run.new_volume::<T>(LoadDicom::IMAGE, Unit::Hu, &layout.grid)?;
    if layout.is_copy {
        copy(run, slices, out);
    } else {
        resample(run, slices, columns, layout, out);
    }
    run.check_cancelled()
}

/// What goes with the volume: that its affine is the scanner's, and the kernel.
fn meta(slices: &[Slice]) -> Json {
    let kernel = slices.first().and_then(|s| s.kernel.as_deref());
    let mut meta = json!({ "nifti": { "xform": 1 } });
    if let Some(kernel) = kernel {
        meta["ct"] = json!({ "kernel": kernel });
    }
    meta
}

/// Whether every value of a slice is a whole number that fits in i16, by its header alone.
fn always_whole(slice: &Slice) -> bool {
    let s = &slice.stored;
    let most = f64::from(1u32 << (s.bits - u32::from(s.signed)));
    let ends = [if s.signed { -most } else { 0.0 }, most - 1.0].map(|v| v * s.slope + s.intercept);
    s.slope.fract() == 0.0
        && s.intercept.fract() == 0.0
        && ends.iter().all(|v| v.abs() <= f64::from(i16::MAX))
        || s.slope == 1.0 && s.intercept == 0.0 && s.signed
}

/// Drops slices at positions that occurred before, if their pixels are the same; returns how many.
fn drop_duplicates(slices: &mut Vec<Slice>, pixels: &mut Vec<Pixels>) -> Result<usize> {
    let mut dropped = 0;
    let mut n = 0;
    while n + 1 < slices.len() {
        if !same_position(&slices[n], &slices[n + 1]) {
            n += 1;
        } else if pixels[n].hu == pixels[n + 1].hu {
            slices.remove(n + 1);
            pixels.remove(n + 1);
            dropped += 1;
        } else {
            let [x, y, z] = slices[n].position;
            return Err(Error::bad_input(format!(
                "files {} and {} (in the order of names) hold different slices of one series at one position ({x:.2}, \
                 {y:.2}, {z:.2} mm, LPS): several phases or reconstructions are mixed; give a folder with one of them",
                slices[n].file + 1,
                slices[n + 1].file + 1
            )));
        }
    }
    Ok(dropped)
}
