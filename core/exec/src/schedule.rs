//! Which stage runs when: as soon as its inputs are ready, within the thread budget.

use ichor_host::{Host, Job, Limits, Outcome, PluginFile, Sink, StageError, Value};
use ichor_spec::{Plan, PlannedStage};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Hears what happens during a run. Calls come from several threads.
pub trait Observer: Sync {
    /// Stage `index` of the plan has begun.
    fn started(&self, index: usize);
    /// Stage `index` is `fraction` (0 to 1) through.
    fn progress(&self, index: usize, fraction: f64, what: &str);
    /// Stage `index` says something; `level` is the contract's, 1 (error) to 5 (trace).
    fn log(&self, index: usize, level: i32, message: &str);
    /// Stage `index` has ended.
    fn ended(&self, index: usize, seconds: f64, error: Option<&StageError>);
}

/// How one stage ended.
pub(crate) enum Ended {
    Done { seconds: f64, worker_peak: u64 },
    Failed { seconds: f64, error: StageError },
    Skipped,
}

/// What the scheduler needs to know.
pub(crate) struct Work<'a> {
    pub plan: &'a Plan,
    pub plugins: &'a [PluginFile],
    pub host: &'a Host,
    pub worker: &'a [bool],
    pub cancel: &'a AtomicBool,
    pub observer: &'a dyn Observer,
}

/// A stage's own seed: from the pipeline's seed and the stage's name, so that adding a stage changes no other.
fn seed_of(plan: &Plan, stage: &PlannedStage) -> u64 {
    let mut hash = Sha256::new();
    hash.update(plan.seed.to_le_bytes());
    hash.update(stage.name.as_bytes());
    hash.finalize().iter().take(8).fold(0, |seed, &byte| seed << 8 | u64::from(byte))
}

struct StageSink<'a>(&'a dyn Observer, usize);

impl Sink for StageSink<'_> {
    fn progress(&self, fraction: f64, what: &str) {
        self.0.progress(self.1, fraction, what);
    }
    fn log(&self, level: i32, message: &str) {
        self.0.log(self.1, level, message);
    }
}

/// Values that wait for their readers; each is dropped after the last.
struct Store {
    values: Vec<Vec<Option<Arc<Value>>>>,
    readers: Vec<Vec<usize>>,
}

impl Store {
    fn new(plan: &Plan) -> Self {
        let ports = || plan.stages.iter().map(|s| s.stage.outputs.len());
        let mut readers: Vec<Vec<usize>> = ports().map(|n| vec![0; n]).collect();
        for source in plan.stages.iter().flat_map(|s| s.inputs.iter().flatten()) {
            readers[source.stage][source.port] += 1;
        }
        for output in &plan.outputs {
            readers[output.source.stage][output.source.port] += 1; // read at the end, by the writer of files
        }
        Self { values: ports().map(|n| vec![None; n]).collect(), readers }
    }

    fn put(&mut self, stage: usize, values: Vec<Arc<Value>>) {
        for (port, value) in values.into_iter().enumerate() {
            if self.readers[stage][port] > 0 {
                self.values[stage][port] = Some(value);
            }
        }
    }

    fn inputs_of(&self, stage: &PlannedStage) -> Option<Vec<Vec<Arc<Value>>>> {
        let connections = |port: &Vec<ichor_spec::Source>| {
            port.iter().map(|s| self.values[s.stage][s.port].clone()).collect::<Option<Vec<_>>>()
        };
        stage.inputs.iter().map(connections).collect()
    }

    fn release_inputs_of(&mut self, stage: &PlannedStage) {
        for source in stage.inputs.iter().flatten() {
            let left = &mut self.readers[source.stage][source.port];
            *left -= 1;
            if *left == 0 {
                self.values[source.stage][source.port] = None;
            }
        }
    }
}

/// Runs every stage that can run; a failure skips what depends on it and nothing else.
///
/// Returns how each stage ended and the values of the plan's outputs that were made.
pub(crate) fn run_stages(work: &Work) -> (Vec<Ended>, Vec<Option<Arc<Value>>>) {
    let Work { plan, host, cancel, .. } = *work;
    let stages = &plan.stages;
    let mut store = Store::new(plan);
    let mut ended: Vec<Option<Ended>> = stages.iter().map(|_| None).collect();
    let mut begun = vec![false; stages.len()];
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut running = 0;
        loop {
            // Skip what cannot run any more, then begin what can, both in plan order, which is topological.
            for (index, stage) in stages.iter().enumerate().filter(|&(i, _)| !begun[i]).collect::<Vec<_>>() {
                let sources = || stage.inputs.iter().flatten().map(|s| &ended[s.stage]);
                let lost = sources().any(|e| matches!(e, Some(Ended::Failed { .. } | Ended::Skipped)));
                if lost || cancel.load(Ordering::Relaxed) {
                    begun[index] = true;
                    ended[index] = Some(Ended::Skipped);
                    store.release_inputs_of(stage);
                } else if sources().all(|e| matches!(e, Some(Ended::Done { .. })))
                    && let Some(inputs) = store.inputs_of(stage)
                {
                    begun[index] = true;
                    running += 1;
                    let send = send.clone();
                    scope.spawn(move || {
                        let token = host.budget().acquire();
                        let begin = Instant::now();
                        let result = run_stage(work, index, &inputs);
                        drop((inputs, token)); // before the scheduler hears of it and frees what was read
                        let _ = send.send((index, begin.elapsed().as_secs_f64(), result));
                    });
                }
            }
            if running == 0 {
                break;
            }
            let Ok((index, seconds, result)) = receive.recv() else { break };
            running -= 1;
            work.observer.ended(index, seconds, result.as_ref().err());
            store.release_inputs_of(&stages[index]);
            ended[index] = Some(match result {
                Ok(outcome) => {
                    store.put(index, outcome.outputs);
                    Ended::Done { seconds, worker_peak: outcome.peak_bytes }
                }
                Err(error) => Ended::Failed { seconds, error },
            });
        }
    });
    let outputs = plan.outputs.iter().map(|o| store.values[o.source.stage][o.source.port].clone()).collect();
    (ended.into_iter().map(|e| e.unwrap_or(Ended::Skipped)).collect(), outputs)
}

fn run_stage(work: &Work, index: usize, inputs: &[Vec<Arc<Value>>]) -> Result<Outcome, StageError> {
    let stage = &work.plan.stages[index];
    work.observer.started(index);
    let job = Job {
        stage: &stage.stage,
        params: &stage.params,
        inputs,
        seed: seed_of(work.plan, stage),
        max_threads: work.host.budget().threads(),
        limits: Limits::default(),
        cancel: work.cancel,
        sink: &StageSink(work.observer, index),
    };
    work.host.run(&work.plugins[stage.plugin], &job, work.worker[index])
}
