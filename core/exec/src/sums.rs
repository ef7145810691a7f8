//! What decides a stage's outputs besides the plan: the sums of files and plugins, and its seed.

use ichor_host::PluginFile;
use ichor_spec::{Plan, PlannedStage};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A stage's own seed: from the pipeline's seed and the stage's name, so that adding a stage changes no other.
pub(crate) fn seed_of(plan: &Plan, stage: &PlannedStage) -> u64 {
    let mut hash = Sha256::new();
    hash.update(plan.seed.to_le_bytes());
    hash.update(stage.name.as_bytes());
    hash.finalize().iter().take(8).fold(0, |seed, &byte| seed << 8 | u64::from(byte))
}

/// SHA-256 sums of what a run reads.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// Of plugins, by their index.
    pub plugins: BTreeMap<usize, String>,
    /// Of files, for each stage: parameter and sum.
    pub files: Vec<Vec<(String, String)>>,
}

impl Sums {
    /// The parts of a stage's key, its inputs known by their content ids.
    pub(crate) fn parts(
        &self,
        plan: &Plan,
        plugins: &[PluginFile],
        index: usize,
        inputs: &[Vec<String>],
    ) -> crate::key::Parts {
        let stage = &plan.stages[index];
        let sum = self.plugins.get(&stage.plugin).map_or("", String::as_str);
        let files = self.files.get(index).map_or(&[][..], Vec::as_slice);
        crate::key::parts(stage, (&plugins[stage.plugin], sum), seed_of(plan, stage), files, inputs)
    }
}
