//! Checks of one stage.

use super::check::{Check, Verdict};
use super::in_process::Session;
use super::params;
use super::sample::{Pose, STRAIGHT, Sample, dtypes, dtypes_of, grid};
use super::trial::{Cancel, Ended, Failed, Trial};
use super::{GRACE, Kit, MANY_THREADS, THREADS};
use crate::job::Breach;
use crate::value::DType;
use ichor_image::Grid;
use ichor_spec::{Kind, PortDecl, StageManifest, Unit};
use serde_json::{Map, Value as Json};

mod conduct;
mod inputs;

/// Messages of one run that the host passes on.
const MAX_MESSAGES: usize = 1000;
/// Voxels that divide nothing evenly, and enough of them for several ranges of a parallel loop.
const LARGE: [usize; 3] = [97, 113, 47];
const ODD_SHAPES: [[usize; 3]; 7] =
    [[1, 1, 1], [1, 1, 19], [1, 23, 1], [29, 1, 1], [2, 2, 2], [17, 13, 1], [31, 19, 7]];
const POSES: [(&str, Pose); 7] = [
    ("turned axes", Pose::Turned),
    ("a tilted gantry", Pose::Tilted),
    ("axes RAS", Pose::Along("RAS")),
    ("axes LAS", Pose::Along("LAS")),
    ("axes PIR", Pose::Along("PIR")),
    ("axes SAL", Pose::Along("SAL")),
    ("axes IRP", Pose::Along("IRP")),
];

/// What went wrong with the runs so far, by the check that names it.
#[derive(Default)]
struct Faults {
    missing: Option<String>,
    refused: Option<String>,
    content: Option<String>,
    overrun: Option<String>,
    touched: Option<String>,
    printed: Option<String>,
    flood: Option<String>,
    silent: Option<String>,
    /// Runs that made everything.
    good: usize,
    /// Runs that ended with an error of the stage's own.
    errors: usize,
}

/// How a run ended, as far as the check that asked for it is concerned.
enum Came {
    Good,
    /// It would not, and said why.
    Refused(String),
    /// It should not have ended so. `None`: a check of its own names the reason.
    Bad(Option<String>),
}

struct StageCheck<'a> {
    kit: &'a Kit<'a>,
    stage: &'a StageManifest,
    params: Map<String, Json>,
    hear: &'a mut dyn FnMut(Check),
    faults: Faults,
    /// Optional inputs are connected: the stage needs one of them.
    connects_all: bool,
    /// The plainest run ends badly.
    crashes: bool,
    /// It does not end.
    hangs: bool,
    /// It does not stop when it is asked to.
    deaf: bool,
}

/// All checks of a stage, told as they are done.
pub(super) fn check(kit: &Kit, stage: &StageManifest, hear: &mut dyn FnMut(Check)) -> Result<(), String> {
    let mut this = StageCheck {
        kit,
        stage,
        params: Map::new(),
        hear,
        faults: Faults::default(),
        connects_all: false,
        crashes: false,
        hangs: false,
        deaf: false,
    };
    let given = kit.options.given(&stage.id);
    if let Some(open) = params::open(stage, &given) {
        let why = format!("parameter `{open}` has no default; give one with --set {}.{open}=VALUE", stage.id);
        this.add("schema-defaults-complete", Verdict::Skipped(why));
        return Ok(());
    }
    this.params = params::complete(stage, &given)?;
    this.add("schema-defaults-complete", Verdict::Passed(None));

    let base = this.dtypes();
    let runs = base.is_ok();
    // In process, crashes have names: there one may write behind an output and to an input.
    let session = match this.hangs {
        true => Session::default(),
        false => kit.session(vec![this.trial(), this.trial()])?,
    };
    if runs {
        this.connections();
        this.odd_shapes();
        this.poses();
    }
    this.wrong_kinds(runs);
    if runs {
        this.limits();
    }
    this.cancel();
    match &base {
        Ok(base) => this.comparisons(base, &session)?,
        Err(why) => {
            for name in [
                "optional-and-many-inputs",
                "odd-shapes",
                "oblique-affines",
                "bad-params-refused",
                "deterministic",
                "output-fully-written",
                "thread-count-independent",
                "in-process-equals-worker",
                "destroy-after-failure",
            ] {
                this.add(name, Verdict::Skipped(why.clone()));
            }
        }
    }
    this.gathered(&session);
    Ok(())
}

impl StageCheck<'_> {
    fn add(&mut self, name: &'static str, verdict: Verdict) {
        (self.hear)(Check { stage: Some(self.stage.id.clone()), name, verdict });
    }

    /// The plainest run: every input that must be there, of a straight head.
    fn trial(&self) -> Trial {
        let inputs = self
            .stage
            .inputs
            .iter()
            .map(|port| if self.is_open(port) { vec![] } else { vec![self.sample(port)] });
        Trial {
            stage: self.stage.id.clone(),
            params: Json::Object(self.params.clone()),
            inputs: inputs.collect(),
            threads: THREADS,
            poison: 0,
            cancel: Cancel::Never,
        }
    }

    /// Whether nothing is connected to it.
    fn is_open(&self, port: &PortDecl) -> bool {
        port.optional && !self.connects_all
    }

    /// The same with voxels on other grids.
    fn trial_on(&self, pose: Pose, shape: Option<[usize; 3]>) -> Trial {
        let mut trial = self.trial();
        for (port, samples) in self.stage.inputs.iter().zip(&mut trial.inputs) {
            let grid = self.grid(port, pose, shape);
            samples.iter_mut().for_each(|s| *s = on(s, &grid));
        }
        trial
    }

    /// The grid that all inputs share, as far as their rules let them.
    fn grid(&self, port: &PortDecl, pose: Pose, shape: Option<[usize; 3]>) -> Grid {
        let mut port = port;
        // A chain of ports is no longer than there are ports.
        for _ in &self.stage.inputs {
            let Some(other) = self.stage.inputs.iter().find(|p| Some(&p.name) == port.grid.as_ref()) else {
                break;
            };
            port = other;
        }
        grid(port, pose, shape)
    }

    fn sample(&self, port: &PortDecl) -> Sample {
        let kind = port.kind[0];
        let dtype = dtypes_of(port, kind).first().or(dtypes(kind).first()).copied().unwrap_or(DType::U8);
        Sample::of(port, kind, dtype, &self.grid(port, STRAIGHT, None))
    }

    /// Runs it in a worker, and sorts out what belongs to checks of their own.
    fn run(&mut self, trial: &Trial) -> (Ended, Came) {
        let ended = self.kit.run(trial);
        let result = self.judge(&ended);
        (ended, result)
    }

    fn judge(&mut self, ended: &Ended) -> Came {
        let faults = &mut self.faults;
        let keep = |slot: &mut Option<String>, why: &Option<String>| {
            if slot.is_none() {
                slot.clone_from(why);
            }
        };
        keep(&mut faults.touched, &ended.touched);
        keep(&mut faults.printed, &ended.printed);
        if ended.logged > MAX_MESSAGES {
            faults.flood.get_or_insert_with(|| format!("more than {MAX_MESSAGES} messages in one run"));
        }
        match &ended.result {
            Ok(_) if ended.refusal.is_some() => {
                keep(&mut faults.refused, &ended.refusal);
                Came::Bad(None)
            }
            Ok(_) => {
                faults.good += 1;
                Came::Good
            }
            Err(failed) => {
                faults.errors += 1;
                keep(&mut faults.silent, &failed.objection());
                let slot = match failed.breach {
                    Some(Breach::Missing) => &mut faults.missing,
                    Some(Breach::Refused) => &mut faults.refused,
                    Some(Breach::Content) => &mut faults.content,
                    Some(Breach::Overrun) => &mut faults.overrun,
                    None if failed.is_polite() => return Came::Refused(failed.message.clone()),
                    None => return Came::Bad(Some(plain(failed))),
                };
                keep(slot, &Some(failed.message.replacen("a bug in the plugin: ", "", 1)));
                Came::Bad(None)
            }
        }
    }
}

const NO_VOXELS: &str = "it needs no voxels";

/// The message, without the tail of what was printed.
fn plain(failed: &Failed) -> String {
    failed.message.lines().next().unwrap_or_default().to_owned()
}

/// The same kind of value on another grid.
fn on(sample: &Sample, grid: &Grid) -> Sample {
    match sample {
        Sample::Voxels(shape) => Sample::made(shape.kind, shape.unit, shape.dtype, grid),
        Sample::Bytes(kind) => Sample::Bytes(*kind),
    }
}
