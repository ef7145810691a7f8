//! What a run will make and need, stage by stage, from headers and the pipeline alone.

use crate::cache::{Cache, Kept};
use crate::key::key;
use crate::sums::{Sums, seed_of};
use ichor_host::{Described, Host, PluginFile, Question, where_they_differ};
use ichor_image::Grid;
use ichor_spec::{Plan, PlannedStage, Rule};
use serde::Serialize;
use std::collections::BTreeMap;

/// Memory of the program and its plugins themselves.
pub(crate) const PROGRAM_BYTES: u64 = 16 << 20;

/// What is known of a stage before it runs.
#[derive(Clone, Debug, Serialize)]
pub struct StageForecast {
    /// Its outputs as far as they are known.
    #[serde(skip)]
    pub outputs: Vec<Option<Described>>,
    /// Its outputs in words.
    pub makes: Vec<String>,
    /// Bytes of its outputs that are known.
    pub output_bytes: u64,
    /// Memory of its own in bytes.
    pub scratch_bytes: u64,
    /// Memory on a device in bytes.
    pub device_bytes: u64,
    /// Whether the cache has what it makes; `None` when that cannot be said, because what comes before has to
    /// run first.
    pub reused: Option<bool>,
    /// Why it cannot run; then what depends on it is not known.
    pub error: Option<String>,
    /// Whether that is for certain: because of what is connected to it, which no stage is asked about, or because the
    /// stage does not take its parameters.
    pub misfit: bool,
}

/// What is known of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RunForecast {
    /// In the order of the plan.
    pub stages: Vec<StageForecast>,
    /// Most memory at once on the host in bytes, when stages run one after another.
    pub peak_bytes: u64,
    /// The stage during which that is.
    pub peak_at: Option<usize>,
}

/// Forecasts a plan: reads headers of files, runs no stage.
///
/// `sums` are the SHA-256 sums of plugins and of the files that stages read, for asking the cache; without them
/// it is not asked.
pub fn forecast(
    plan: &Plan,
    plugins: &[PluginFile],
    host: &Host,
    worker: &[bool],
    cache: Option<(&Cache, &Sums)>,
) -> RunForecast {
    let mut stages: Vec<StageForecast> = Vec::with_capacity(plan.stages.len());
    let mut ids: Vec<Option<Vec<String>>> = Vec::with_capacity(plan.stages.len());
    for (index, stage) in plan.stages.iter().enumerate() {
        let of = |s: &ichor_spec::Source| stages[s.stage].outputs.get(s.port).cloned().flatten();
        let inputs: Vec<Vec<Option<Described>>> =
            stage.inputs.iter().map(|port| port.iter().map(of).collect()).collect();
        let lost = stage.inputs.iter().flatten().any(|s| stages[s.stage].error.is_some());
        let reused = cache.and_then(|(cache, sums)| {
            let known: Option<Vec<Vec<String>>> = stage
                .inputs
                .iter()
                .map(|port| port.iter().map(|s| ids[s.stage].as_ref()?.get(s.port).cloned()).collect())
                .collect();
            let parts = sums.parts(plan, plugins, index, &known?);
            Some(match cache.stage(&key(&parts)) {
                Kept::Entry(entry) => Some(entry),
                Kept::Nothing | Kept::Damaged => None,
            })
        });
        let entry = reused.clone().flatten();
        let mut one = if let Some(entry) = &entry {
            StageForecast::of(entry.described.iter().cloned().map(Some).collect())
        } else if lost {
            StageForecast::of(vec![None; stage.stage.outputs.len()])
        } else {
            ask(plan, plugins, host, worker[index], stage, &inputs)
        };
        one.reused = reused.map(|entry| entry.is_some());
        ids.push(entry.map(|e| e.outputs));
        stages.push(one);
    }
    let (peak_bytes, peak_at) = peak(plan, &stages);
    RunForecast { stages, peak_bytes: peak_bytes + PROGRAM_BYTES, peak_at }
}

impl StageForecast {
    /// Why it cannot run, with its place in the pipeline.
    #[must_use]
    pub fn failure(&self, stage: &PlannedStage) -> Option<String> {
        let error = self.error.as_ref()?;
        let (file, line, name, id) = (&stage.file, stage.line, &stage.name, &stage.stage.id);
        Some(format!("{file}:{line}: stage `{name}` ({id}) would fail: {error}"))
    }

    fn of(outputs: Vec<Option<Described>>) -> Self {
        let makes = outputs.iter().map(|o| o.as_ref().map_or_else(|| "?".into(), describe)).collect();
        let output_bytes = outputs.iter().flatten().map(|d| d.len() as u64).sum();
        Self {
            outputs,
            makes,
            output_bytes,
            scratch_bytes: 0,
            device_bytes: 0,
            reused: None,
            error: None,
            misfit: false,
        }
    }
}

fn ask(
    plan: &Plan,
    plugins: &[PluginFile],
    host: &Host,
    worker: bool,
    stage: &PlannedStage,
    inputs: &[Vec<Option<Described>>],
) -> StageForecast {
    let unknown = || StageForecast::of(vec![None; stage.stage.outputs.len()]);
    if let Some(error) = misfit(plan, stage, inputs) {
        return StageForecast { error: Some(error), misfit: true, ..unknown() };
    }
    let question =
        Question { stage: &stage.stage, params: &stage.params, seed: seed_of(plan, stage), inputs };
    match host.forecast(&plugins[stage.plugin], &question, worker) {
        Ok(forecast) => StageForecast {
            scratch_bytes: forecast.scratch_bytes,
            device_bytes: forecast.device_bytes,
            ..StageForecast::of(forecast.outputs)
        },
        Err(error) => {
            let misfit = error.is_of_params();
            StageForecast { error: Some(error.to_string()), misfit, ..unknown() }
        }
    }
}

/// Inputs that must share a grid and do not, or that break the rules of their port: the connection, what it
/// carries, what is needed, and the stage that would convert.
fn misfit(plan: &Plan, stage: &PlannedStage, inputs: &[Vec<Option<Described>>]) -> Option<String> {
    for (n, (port, known)) in stage.stage.inputs.iter().zip(inputs).enumerate() {
        let source = |c: usize| stage.inputs[n].get(c).map_or_else(String::new, |s| plan.source_name(*s));
        for (c, one) in known.iter().enumerate() {
            let Some((one, grid)) = one.as_ref().and_then(|d| Some((d, d.grid()?))) else { continue };
            let connection = format!("`{} -> {}.{}` carries", source(c), stage.name, port.name);
            if let Some(other) = &port.grid
                && let Some(place) = stage.stage.inputs.iter().position(|p| p.name == *other)
                && let Some(wanted) = inputs[place].first().and_then(|d| d.as_ref()?.grid())
                && !grid.same_as(&wanted)
            {
                let reference =
                    stage.inputs[place].first().map_or_else(String::new, |s| plan.source_name(*s));
                return Some(format!(
                    "{connection} {grid}; it must have the grid of input `{other}`, {wanted}{}; put \
                     `use: resample` between, with `reference: {reference}` under `in`",
                    where_they_differ(&grid, &wanted)
                ));
            }
            let Some(dtype) = one.dtype() else { continue };
            if let Some((rule, why)) = port.voxels.broken(&form(&grid, dtype.name())) {
                return Some(format!("{connection} {}, which {why}; {}", describe(one), remedy(rule)));
            }
        }
    }
    None
}

/// The stage that would convert.
fn remedy(rule: Rule) -> &'static str {
    match rule {
        Rule::Dtype => "put a stage between that makes voxels of that type",
        Rule::Spacing => "put `use: resample` with such a `spacing` between",
        Rule::Orientation => "put `use: reorient` between",
        Rule::Regular => {
            "put `use: resample` between with an image of perpendicular axes as its `reference`, or load the \
             series by `load-dicom`, which corrects a tilt"
        }
    }
}

fn form<'a>(grid: &Grid, dtype: &'a str) -> ichor_spec::VoxelForm<'a> {
    let m = grid.affine.0;
    ichor_spec::VoxelForm {
        dtype,
        steps: [0, 1, 2].map(|axis| [0, 1, 2].map(|row| m[row][axis])),
        orientation: grid.affine.orientation(),
    }
}

fn describe(value: &Described) -> String {
    match (value.grid(), value.dtype()) {
        (Some(grid), Some(dtype)) => format!("{} {}, {grid}", value.kind(), dtype.name()),
        _ => value.kind().to_string(),
    }
}

/// Most memory at once when stages run one after another in the order of the plan, each value living until its
/// last reader has run. Stages that are reused make nothing until somebody reads it.
fn peak(plan: &Plan, stages: &[StageForecast]) -> (u64, Option<usize>) {
    let mut last: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (index, stage) in plan.stages.iter().enumerate().filter(|(n, _)| stages[*n].reused != Some(true)) {
        for source in stage.inputs.iter().flatten() {
            last.insert((source.stage, source.port), index);
        }
    }
    for output in &plan.outputs {
        last.insert((output.source.stage, output.source.port), plan.stages.len());
    }
    let size =
        |(stage, port): (usize, usize)| stages[stage].outputs[port].as_ref().map_or(0, |d| d.len() as u64);
    let (mut live, mut most, mut at) = (BTreeMap::new(), 0, None);
    for (index, stage) in plan.stages.iter().enumerate().filter(|(n, _)| stages[*n].reused != Some(true)) {
        for source in stage.inputs.iter().flatten() {
            let value = (source.stage, source.port);
            live.insert(value, size(value));
        }
        for port in 0..stages[index].outputs.len() {
            live.insert((index, port), size((index, port)));
        }
        let now = live.values().sum::<u64>() + stages[index].scratch_bytes;
        if now > most {
            (most, at) = (now, Some(index));
        }
        live.retain(|value, _| last.get(value).is_some_and(|&until| until > index));
    }
    (most, at)
}
