//! Checks of what a stage does with its inputs: kinds, types, shapes, affines, what is optional, what is wrong.

use super::*;

impl StageCheck<'_> {
    /// Every kind and type of voxels that the manifest lets through. Returns the plainest run.
    pub(super) fn dtypes(&mut self) -> Result<Ended, String> {
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
    pub(super) fn bearable(&mut self, name: &'static str, trials: Vec<(String, Trial)>, nothing: &str) {
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

    pub(super) fn connections(&mut self) {
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

    pub(super) fn has_grid(&self) -> bool {
        self.stage.inputs.iter().any(|p| !p.optional && p.kind[0].is_voxels())
    }

    pub(super) fn odd_shapes(&mut self) {
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

    pub(super) fn poses(&mut self) {
        let poses = if self.has_grid() { &POSES[..] } else { &[] };
        let plain = self.trial();
        let trials = poses.iter().map(|&(what, pose)| (what.to_owned(), self.trial_on(pose, None)));
        let trials = trials.filter(|(_, trial)| trial.inputs != plain.inputs).collect();
        self.bearable("oblique-affines", trials, NO_VOXELS);
    }

    /// No pipeline connects these, but a plugin must not crash should a host do.
    pub(super) fn wrong_kinds(&mut self, runs: bool) {
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
}
