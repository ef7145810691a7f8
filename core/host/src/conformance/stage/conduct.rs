//! Checks of how a stage behaves: at the limits of its parameters, twice, in several threads, in another process, when
//! it is asked to stop, after a failure.

use super::*;

impl StageCheck<'_> {
    /// The ends of each parameter's range. Any of them may take long: what heeds cancellation may stop then.
    pub(super) fn limits(&mut self) {
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
    pub(super) fn comparisons(&mut self, base: &Ended, session: &Session) -> Result<(), String> {
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
    pub(super) fn after_failure(&mut self, base: &Ended) -> Result<(), String> {
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

    pub(super) fn cancel(&mut self) {
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
    pub(super) fn gathered(&mut self, session: &Session) {
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
