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

    /// Every kind and type of voxels that the manifest lets through. Returns the plainest run.
    fn dtypes(&mut self) -> Result<Ended, String> {
        let mut plain = self.trial();
        let (mut base, mut first) = self.run(&plain);
        if matches!(first, Came::Refused(_)) && self.stage.inputs.iter().any(|p| p.optional) {
            self.connects_all = true;
            let all = self.trial();
            let (ended, came) = self.run(&all);
            self.connects_all = matches!(came, Came::Good);
            if self.connects_all {
                (plain, base, first) = (all, ended, came);
            }
        }
        self.crashes = matches!(first, Came::Bad(Some(_)));
        self.hangs = self.crashes && base.seconds >= self.kit.options.seconds;
        let mut verdicts = vec![("the plainest input".to_owned(), first)];
        if !self.crashes {
            for (p, port) in self.stage.inputs.iter().enumerate() {
                if self.is_open(port) {
                    continue;
                }
                let grid = self.grid(port, STRAIGHT, None);
                for &kind in &port.kind {
                    let types = dtypes_of(port, kind);
                    let some: Vec<_> = if types.is_empty() { vec![DType::U8] } else { types };
                    for dtype in some {
                        let mut trial = plain.clone();
                        trial.inputs[p] = vec![Sample::of(port, kind, dtype, &grid)];
                        if trial.inputs == plain.inputs {
                            continue;
                        }
                        let what = format!("`{}` as {}", port.name, trial.inputs[p][0].words());
                        let (_, verdict) = self.run(&trial);
                        verdicts.push((what, verdict));
                    }
                }
            }
        }
        let name = "runs-on-each-dtype";
        let bad = verdicts.iter().find_map(|(what, v)| match v {
            Came::Bad(Some(why)) => Some(format!("with {what}: {why}")),
            _ => None,
        });
        let refused = verdicts.iter().find_map(|(what, v)| match v {
            Came::Refused(why) => Some((what, why)),
            _ => None,
        });
        let owned = verdicts.iter().any(|(_, v)| matches!(v, Came::Bad(None)));
        let good = verdicts.iter().any(|(_, v)| matches!(v, Came::Good));
        let verdict = match (bad, refused) {
            (Some(why), _) => Verdict::Failed(why),
            (None, _) if owned => {
                Verdict::Skipped("it ends, and what it made is wrong: see the checks of its outputs".into())
            }
            (None, Some((what, why))) if good => Verdict::Failed(format!(
                "with {what} it refuses what its manifest lets through: {why}; take it, or name the types it takes as \
                 `dtype` of the port"
            )),
            (None, Some((_, why))) => Verdict::Skipped(format!("it refuses the generated input: {why}")),
            (None, None) => Verdict::Passed(Some(format!("{} runs", verdicts.len()))),
        };
        let plainest = match &verdicts[0].1 {
            Came::Good => Ok(base),
            Came::Refused(why) => Err(format!("it refuses the generated input: {why}")),
            Came::Bad(_) => Err("it does not run as it should: see the checks that failed".to_owned()),
        };
        self.add(name, verdict);
        plainest
    }

    /// Adds a check of runs that may be refused, but must not end badly.
    fn bearable(&mut self, name: &'static str, trials: Vec<(String, Trial)>, nothing: &str) {
        if trials.is_empty() {
            return self.add(name, Verdict::Skipped(nothing.to_owned()));
        }
        let mut refusals = Vec::new();
        let count = trials.len();
        let mut failed = None;
        for (what, trial) in trials {
            match self.run(&trial).1 {
                Came::Refused(why) => refusals.push(format!("{what}: {why}")),
                Came::Bad(Some(why)) => {
                    failed.get_or_insert(format!("with {what}: {why}"));
                }
                // Which of them it was is said here, what it was by the check of its own.
                Came::Bad(None) => {
                    failed.get_or_insert(format!(
                        "with {what}: what it made is wrong; see the checks of its outputs"
                    ));
                }
                Came::Good => {}
            }
        }
        let remark = match refusals.first() {
            Some(first) => format!("{count} runs, {} refused ({first})", refusals.len()),
            None => format!("{count} runs"),
        };
        self.add(name, failed.map_or(Verdict::Passed(Some(remark)), Verdict::Failed));
    }

    fn connections(&mut self) {
        let mut trials = Vec::new();
        for (p, port) in self.stage.inputs.iter().enumerate() {
            if self.is_open(port) {
                let mut trial = self.trial();
                trial.inputs[p] = vec![self.sample(port)];
                trials.push((format!("`{}` connected", port.name), trial));
            }
            if port.many {
                let mut trial = self.trial();
                trial.inputs[p] = vec![self.sample(port); 3];
                trials.push((format!("`{}` connected three times", port.name), trial));
            }
        }
        self.bearable("optional-and-many-inputs", trials, "it has no such inputs");
    }

    fn has_grid(&self) -> bool {
        self.stage.inputs.iter().any(|p| !p.optional && p.kind[0].is_voxels())
    }

    fn odd_shapes(&mut self) {
        let shapes = if self.has_grid() { &ODD_SHAPES[..] } else { &[] };
        let words = |[x, y, z]: [usize; 3]| format!("{x} x {y} x {z} voxels");
        let mut trials: Vec<_> =
            shapes.iter().map(|&s| (words(s), self.trial_on(STRAIGHT, Some(s)))).collect();
        // Probabilities may have several classes.
        for (p, port) in
            self.stage.inputs.iter().enumerate().filter(|(_, p)| !p.optional && p.kind.contains(&Kind::Probs))
        {
            let mut trial = self.trial();
            let mut sample = Sample::of(port, Kind::Probs, DType::F32, &self.grid(port, STRAIGHT, None));
            if let Sample::Voxels(shape) = &mut sample {
                shape.dims.insert(0, 2);
            }
            trial.inputs[p] = vec![sample];
            trials.push((format!("two classes in `{}`", port.name), trial));
        }
        self.bearable("odd-shapes", trials, NO_VOXELS);
    }

    fn poses(&mut self) {
        let poses = if self.has_grid() { &POSES[..] } else { &[] };
        let plain = self.trial();
        let trials = poses.iter().map(|&(what, pose)| (what.to_owned(), self.trial_on(pose, None)));
        let trials = trials.filter(|(_, trial)| trial.inputs != plain.inputs).collect();
        self.bearable("oblique-affines", trials, NO_VOXELS);
    }

    /// No pipeline connects these, but a plugin must not crash should a host do.
    fn wrong_kinds(&mut self, runs: bool) {
        let name = "wrong-kind-refused";
        let mut failed = None;
        let mut count = 0;
        for (p, port) in self.stage.inputs.iter().enumerate() {
            let voxels = port.kind.iter().any(|k| k.is_voxels());
            let wrong = [Kind::Table, Kind::Tensor, Kind::Labels, Kind::Volume, Kind::Blob];
            for kind in wrong.into_iter().filter(|k| !port.kind.contains(k)).take(3) {
                let Some(&dtype) = dtypes(kind).first().or(Some(&DType::U8)) else { continue };
                let mut trial = self.trial();
                let sample =
                    Sample::made(kind, Unit::None, dtype, &self.grid(port, STRAIGHT, Some([7, 5, 3])));
                let what = format!("with {} as `{}`", sample.words(), port.name);
                trial.inputs[p] = vec![sample];
                count += 1;
                let ended = self.kit.run(&trial);
                match &ended.result {
                    // Not judged as other runs are: whatever it makes of this is nobody's output.
                    Ok(_) if runs && voxels && dtypes(kind).is_empty() => {
                        failed.get_or_insert(format!(
                            "{what} it ends well; look at the kind before the voxels, and return ICHOR_BAD_INPUT"
                        ));
                    }
                    Err(e) if !e.is_polite() && e.breach.is_none() => {
                        failed.get_or_insert(format!(
                            "{what}: {}; look at kind, type and shape before the voxels, and return ICHOR_BAD_INPUT",
                            plain(e)
                        ));
                    }
                    Err(e) if self.faults.silent.is_none() => self.faults.silent = e.objection(),
                    _ => {}
                }
                self.faults.errors += usize::from(ended.result.is_err());
            }
        }
        let verdict = match failed {
            _ if count == 0 => Verdict::Skipped("it has no inputs".into()),
            Some(why) => Verdict::Failed(why),
            None => Verdict::Passed(Some(format!("{count} runs"))),
        };
        self.add(name, verdict);
    }

    /// The ends of each parameter's range. Any of them may take long: what heeds cancellation may stop then.
    fn limits(&mut self) {
        let mut failed = None;
        let mut count = 0;
        for (name, schema) in self.stage.params().into_iter().flatten() {
            for value in edges(schema) {
                if self.params.get(name) == Some(&value) {
                    continue;
                }
                let mut params = self.params.clone();
                params.insert(name.clone(), value.clone());
                let seconds = (self.kit.options.seconds / 4.0).min(5.0);
                let trial =
                    Trial { params: Json::Object(params), cancel: Cancel::After(seconds), ..self.trial() };
                count += 1;
                let ended = self.kit.run(&trial);
                self.faults.errors += usize::from(ended.result.is_err());
                if let Err(e) = &ended.result
                    && !e.is_polite()
                    && !(e.is_cancelled() && ended.after_cancel.is_some_and(|s| s < GRACE.as_secs_f64()))
                    && !matches!(e.breach, Some(Breach::Refused))
                {
                    failed.get_or_insert(format!(
                        "with `{name}` at {value}, which its schema lets through: {}; narrow the schema, or return \
                         ICHOR_BAD_PARAMS with a sentence",
                        plain(e)
                    ));
                }
            }
        }
        let verdict = match failed {
            _ if count == 0 => Verdict::Skipped("no parameter has a range or a choice".into()),
            Some(why) => Verdict::Failed(why),
            None => Verdict::Passed(Some(format!("{count} runs"))),
        };
        self.add("bad-params-refused", verdict);
    }

    /// Runs that must all make the same.
    fn comparisons(&mut self, base: &Ended, session: &Session) -> Result<(), String> {
        let plain = self.trial();
        let again = self.run(&plain).0.differs(base);
        let steady = again.is_none();
        self.add(
            "deterministic",
            again.map_or(Verdict::Passed(None), |how| {
                Verdict::Failed(format!(
                    "two runs on the same input: {how}; take randomness from the run's seed alone, and no time, address or \
                     order of threads"
                ))
            }),
        );
        let unsteady = || Verdict::Skipped("its outputs change from run to run: see deterministic".into());
        let mut dirty = None;
        for poison in [0xA5, 0x5A] {
            let ended = self.kit.run(&Trial { poison, ..self.trial() });
            dirty = dirty.or(ended.differs(base));
        }
        self.add(
            "output-fully-written",
            match dirty {
                _ if !steady => unsteady(),
                None => Verdict::Passed(None),
                Some(how) => Verdict::Failed(format!(
                    "in memory that was used before: {how}; write every voxel of an output, also the zeros"
                )),
            },
        );

        let large = if self.has_grid() { self.trial_on(STRAIGHT, Some(LARGE)) } else { self.trial() };
        let one = self.kit.run(&Trial { threads: 1, ..large.clone() });
        let verdict = match &one.result {
            _ if !steady => unsteady(),
            Err(e) => Verdict::Skipped(format!(
                "it does not run on {} x {} x {} voxels: {}",
                LARGE[0], LARGE[1], LARGE[2], e.message
            )),
            Ok(_) => {
                let many = self.kit.run(&Trial { threads: MANY_THREADS, ..large.clone() });
                many.differs(&one).map_or(Verdict::Passed(None), |how| {
                    Verdict::Failed(format!(
                        "with 1 and {MANY_THREADS} threads: {how}; cut work by its size alone, and add up in the order of the ranges"
                    ))
                })
            }
        };
        self.add("thread-count-independent", verdict);

        let differs = session.ended.iter().enumerate().find_map(|(n, e)| Some((n, e.differs(base)?)));
        let verdict = match (differs, &session.died, &session.refused) {
            _ if !steady => unsteady(),
            (Some((0, how)), ..) => {
                Verdict::Failed(format!("in one process with its host and in a worker: {how}"))
            }
            (Some((_, how)), ..) => Verdict::Failed(format!(
                "run a second time in the same process: {how}; keep nothing between runs, least of all in globals"
            )),
            (None, Some(how), _) | (None, None, Some(how)) => {
                Verdict::Failed(format!("in one process with its host: {how}"))
            }
            (None, None, None) => Verdict::Passed(None),
        };
        self.add("in-process-equals-worker", verdict);
        if steady {
            self.after_failure(base)?;
        } else {
            self.add("destroy-after-failure", unsteady());
        }
        Ok(())
    }

    /// In one process: runs that fail, and then one that must not have noticed.
    fn after_failure(&mut self, base: &Ended) -> Result<(), String> {
        let mut trials = Vec::new();
        if !self.deaf {
            trials.push(Trial { cancel: Cancel::Before, ..self.trial() });
        }
        if let Some((p, port)) =
            self.stage.inputs.iter().enumerate().find(|(_, p)| p.kind.iter().any(|k| k.is_voxels()))
        {
            let mut trial = self.trial();
            let wrong = if port.kind.contains(&Kind::Labels) { Kind::Tensor } else { Kind::Labels };
            let dtype = DType::U32;
            trial.inputs[p] =
                vec![Sample::made(wrong, Unit::Label, dtype, &self.grid(port, STRAIGHT, Some([7, 5, 3])))];
            trials.push(trial);
        }
        if trials.is_empty() {
            self.add(
                "destroy-after-failure",
                Verdict::Skipped("nothing that would make it fail is known".into()),
            );
            return Ok(());
        }
        trials.push(self.trial());
        let count = trials.len();
        let session = self.kit.session(trials)?;
        let last = session.ended.get(count - 1).map(|e| e.differs(base));
        let advice = "free in destroy() what create() made, once, however run() ended";
        let verdict = match (last, &session.died) {
            (Some(None), None) => Verdict::Passed(None),
            (Some(Some(how)), _) => {
                Verdict::Failed(format!("a run after runs that failed: {how}; keep nothing between runs"))
            }
            (_, Some(how)) => {
                Verdict::Failed(format!("after a run that failed or was stopped {how}; {advice}"))
            }
            (None, None) => Verdict::Failed(format!("after a run that failed there was no answer; {advice}")),
        };
        self.add("destroy-after-failure", verdict);
        Ok(())
    }

    fn cancel(&mut self) {
        let mut failed = None;
        if self.crashes && !self.hangs {
            return self.add(
                "cancel-honoured",
                Verdict::Skipped("it ends before: see the checks that failed".into()),
            );
        }
        let shape = if self.has_grid() { Some(LARGE) } else { None };
        // Before it begins, at once, and in the middle of something.
        for (what, cancel) in [
            ("before it began", Cancel::Before),
            ("5 ms after it began", Cancel::After(0.005)),
            ("50 ms after it began", Cancel::After(0.05)),
        ] {
            let trial = Trial { cancel, ..self.trial_on(STRAIGHT, shape) };
            let ended = self.kit.run(&trial);
            let Some(seconds) = ended.after_cancel else { continue };
            let bad = match &ended.result {
                _ if seconds >= GRACE.as_secs_f64() => {
                    Some(format!("it went on for {} s and was killed", GRACE.as_secs()))
                }
                Err(e) if !e.is_cancelled() && !e.is_polite() && e.breach.is_none() => Some(plain(e)),
                _ => None,
            };
            if let Some(why) = bad {
                failed = Some(format!(
                    "asked to stop {what}, {why}; ask cancelled() at least once a slice, and return ICHOR_CANCELLED"
                ));
                break;
            }
        }
        self.deaf = failed.is_some();
        self.add("cancel-honoured", failed.map_or(Verdict::Passed(None), Verdict::Failed));
    }

    /// What all runs together show.
    fn gathered(&mut self, session: &Session) {
        for ended in &session.ended {
            self.judge(ended);
        }
        let faults = std::mem::take(&mut self.faults);
        let tried = faults.good > 0 || session.ended.iter().any(|e| e.result.is_ok());
        let of_outputs = |fault: Option<String>, advice: &str| match fault {
            Some(why) => Verdict::Failed(format!("{why}; {advice}")),
            None if tried => Verdict::Passed(None),
            None => Verdict::Skipped("no run came to its end".into()),
        };
        self.add(
            "all-outputs-made",
            of_outputs(faults.missing, "make every output of the manifest, or return an error"),
        );
        self.add(
            "outputs-as-declared",
            of_outputs(faults.refused, "make what the manifest declares, once each"),
        );
        self.add(
            "values-keep-their-kind",
            of_outputs(faults.content, "write only what a voxel of that kind can be"),
        );
        self.add("no-overrun", of_outputs(faults.overrun, "stay within the output's shape"));
        let touched = faults.touched.map(|port| format!("it writes to its input `{port}`"));
        self.add("input-untouched", of_outputs(touched, "inputs are read-only: copy what you change"));
        let silent = faults.silent.map_or(Verdict::Passed(None), Verdict::Failed);
        self.add(
            "errors-say-why",
            if faults.errors == 0 { Verdict::Skipped("no run gave an error".into()) } else { silent },
        );
        let printed = faults.printed.or_else(|| session.printed.clone());
        self.add(
            "no-output-on-stdout",
            printed.map_or(Verdict::Passed(None), |line| {
                Verdict::Failed(format!(
                    "it prints `{line}` to standard output or error; say it through the run's log"
                ))
            }),
        );
        self.add(
            "logs-sparingly",
            faults.flood.map_or(Verdict::Passed(None), |how| {
                Verdict::Failed(format!(
                    "{how}; log what a person wants to read, and use progress() for the rest"
                ))
            }),
        );
        let left = match session.children {
            0 if session.died.is_some() || self.hangs => {
                Verdict::Skipped("its process ended before anybody could look".into())
            }
            0 => Verdict::Passed(None),
            n => Verdict::Failed(format!(
                "{n} processes are left after two runs; wait for every process you start"
            )),
        };
        self.add("no-processes-left", left);
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

/// Values at the limits of a schema.
fn edges(schema: &Json) -> Vec<Json> {
    if let Some(choices) = schema.get("enum").and_then(Json::as_array) {
        return choices.iter().take(12).cloned().collect();
    }
    let mut edges: Vec<Json> = ["minimum", "maximum"].iter().filter_map(|k| schema.get(k).cloned()).collect();
    // A number is passed on as a number, whatever its limit is written as.
    if schema["type"] == "number" {
        edges.iter_mut().for_each(|e| *e = e.as_f64().map_or(Json::Null, Json::from));
    }
    if schema["type"] == "boolean" {
        edges.extend([Json::Bool(false), Json::Bool(true)]);
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn edges_of_a_schema() {
        assert_eq!(edges(&json!({"type": "number", "minimum": 0, "maximum": 2.5})), [json!(0.0), json!(2.5)]);
        assert_eq!(edges(&json!({"type": "integer", "minimum": 1})), [json!(1)]);
        assert_eq!(edges(&json!({"type": "string", "enum": ["a", "b"]})), [json!("a"), json!("b")]);
        assert_eq!(edges(&json!({"type": "boolean"})).len(), 2);
        assert!(edges(&json!({"type": "string"})).is_empty());
    }
}
