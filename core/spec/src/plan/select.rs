//! Which of the stages run: all that are needed, or those up to one, or those from one on.

use super::{Options, Plan, Resolver, Source};
use crate::diagnostic::{quote, suggest};

impl Resolver<'_> {
    /// Takes out of the plan what does not run, and marks what must and must not run again. Stages that are there
    /// `on_demand`, such as those of a pipeline that is a stage, run when another needs them.
    pub(super) fn select(&mut self, plan: &mut Plan, on_demand: &[bool], options: &Options) {
        let until = options.until.as_ref().map(|name| self.named(plan, "--until", name));
        let from = options.from.as_ref().map(|name| self.named(plan, "--from", name));
        if !self.found.is_clean() {
            return;
        }
        if let Some(from) = &from {
            let again = plan.following(from);
            let before = plan.needed(from);
            for (n, stage) in plan.stages.iter_mut().enumerate() {
                stage.force = again[n];
                stage.reuse_only = before[n] && !again[n];
            }
        }
        let mut roots: Vec<bool> =
            plan.stages.iter().zip(on_demand).map(|(s, only)| !only || s.stage.outputs.is_empty()).collect();
        // What is kept as it is made has no writer that needs it.
        plan.outputs.iter().for_each(|output| roots[output.source.stage] = true);
        let mut keep = plan.needed(&roots);
        if let Some(until) = &until {
            keep = plan.needed(until);
            plan.leave_out(&mut keep);
            self.left_out(plan, options);
        }
        if let (Some(from), Some(name)) = (&from, &options.from)
            && !from.iter().zip(&keep).any(|(from, keep)| *from && *keep)
        {
            let at = self.found.argument(&format!("--from {name}"));
            self.found.error(at, || {
                let why = match &options.until {
                    Some(until) => format!("nothing up to {} needs it", quote(until)),
                    None => "nothing uses its outputs".to_owned(),
                };
                (format!("stage {} does not run: {why}", quote(name)), "name another stage")
            });
        }
        plan.retain(&keep);
    }

    fn left_out(&mut self, plan: &Plan, options: &Options) {
        let names: Vec<String> = plan.left_out.iter().map(|name| quote(name)).collect();
        if names.is_empty() {
            return;
        }
        let at = self.found.argument(&format!("--until {}", options.until.as_deref().unwrap_or_default()));
        let help = match plan.outputs.is_empty() {
            true => "no output is left; --keep STAGE.PORT writes one",
            false => "",
        };
        self.found.warn(at, format!("left out, because they come later: {}", names.join(", ")), help);
    }

    /// The stages of that name, of the pipeline that is the stage of that name, or of all rows of an `each`.
    fn named(&mut self, plan: &Plan, argument: &str, name: &str) -> Vec<bool> {
        let within = format!("{name}/");
        let means = |full: &String| full == name || full.starts_with(&within);
        let is_meant: Vec<bool> = plan.stages.iter().map(|s| means(&s.name) || means(&s.every)).collect();
        if !is_meant.contains(&true) {
            let at = self.found.argument(&format!("{argument} {name}"));
            self.found.error(at, || {
                let names = plan.stages.iter().filter(|s| !s.implicit).map(|s| s.name.as_str());
                let help = suggest(name, names, "its stages are");
                (format!("the pipeline has no stage {}", quote(name)), help)
            });
        }
        is_meant
    }
}

impl Plan {
    /// These stages and all that they need.
    fn needed(&self, stages: &[bool]) -> Vec<bool> {
        let mut needed = stages.to_vec();
        for (n, stage) in self.stages.iter().enumerate().rev() {
            if needed[n] {
                stage.inputs.iter().flatten().for_each(|source| needed[source.stage] = true);
            }
        }
        needed
    }

    /// These stages and all that need them.
    fn following(&self, stages: &[bool]) -> Vec<bool> {
        let mut following = stages.to_vec();
        for (n, stage) in self.stages.iter().enumerate() {
            following[n] |= stage.inputs.iter().flatten().any(|source| following[source.stage]);
        }
        following
    }

    /// Leaves out the outputs that cannot be made of the stages to keep, and keeps the writers of the others.
    fn leave_out(&mut self, keep: &mut [bool]) {
        let stages = &self.stages;
        let left_out = &mut self.left_out;
        self.outputs.retain(|output| {
            let writer = output.source.stage;
            let can_be = keep[writer]
                || stages.get(writer).is_some_and(|stage| {
                    stage.implicit && stage.inputs.iter().flatten().all(|source| keep[source.stage])
                });
            if can_be {
                keep[writer] = true;
            } else {
                left_out.push(output.name.clone());
            }
            can_be
        });
    }

    /// Removes all other stages; outputs must not be theirs.
    fn retain(&mut self, keep: &[bool]) {
        let mut place = Vec::with_capacity(keep.len());
        let mut count = 0;
        for &keep in keep {
            place.push(count);
            count += usize::from(keep);
        }
        let moved = |source: &mut Source| source.stage = place[source.stage];
        let mut n = 0;
        self.stages.retain(|_| {
            n += 1;
            keep[n - 1]
        });
        self.stages.iter_mut().for_each(|s| s.inputs.iter_mut().flatten().for_each(moved));
        self.outputs.iter_mut().for_each(|output| moved(&mut output.source));
    }
}
