//! Who runs the shards of a batch.

use super::State;
use crate::Failure;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a shard tells of a case. A hint for the person who waits: what counts is the case's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    Begun {
        index: usize,
    },
    /// How far the case is, from 0 to 1, with the seconds that are left, if that can be told, and the stage at work.
    Going {
        index: usize,
        fraction: f64,
        left: Option<f64>,
        stage: String,
    },
    Ended {
        index: usize,
        state: State,
        reason: String,
        seconds: f64,
    },
}

/// Starts `ichor shard` for ranges of cases, somewhere, until all are through. A shard may be started again at any time.
pub trait Executor {
    /// Runs every case from 0 to `count`. `hear` is told what happens; `died` that a case took its process along, and
    /// in what way.
    fn run(
        &mut self,
        count: usize,
        hear: &mut dyn FnMut(&Event),
        died: &mut dyn FnMut(usize, &str) -> Result<(), Failure>,
    ) -> Result<(), Failure>;
}

/// Cases as shards: enough of them that the last does not take long, and few starts of a process.
pub fn shards(count: usize, at_once: usize) -> Vec<Range<usize>> {
    let each = (count / (at_once * 8).max(1)).clamp(1, 250);
    (0..count).step_by(each).map(|begin| begin..(begin + each).min(count)).collect()
}
