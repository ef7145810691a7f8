//! Which stage runs when: as soon as its inputs are ready, within the thread budget.

use crate::cache::{Cache, Entry, Found, Kept};
use crate::content::content_id;
use crate::forecast::PROGRAM_BYTES;
use crate::key::{Parts, key};
use crate::sums::{Sums, seed_of};
use ichor_host::{Host, Job, Limits, PluginFile, Sink, StageError, Value};
use ichor_spec::{Plan, PlannedStage};
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

/// Hears what happens during a run. Calls come from several threads.
pub trait Observer: Sync {
    /// Stage `index` of the plan has begun.
    fn started(&self, index: usize);
    /// Stage `index` need not run: the cache has what it makes.
    fn reused(&self, index: usize);
    /// Stage `index` is `fraction` (0 to 1) through.
    fn progress(&self, index: usize, fraction: f64, what: &str);
    /// Stage `index` says something; `level` is the contract's, 1 (error) to 5 (trace).
    fn log(&self, index: usize, level: i32, message: &str);
    /// Stage `index` has ended.
    fn ended(&self, index: usize, seconds: f64, error: Option<&StageError>);
}

/// How one stage ended.
pub(crate) enum Ended {
    Done { seconds: f64, worker_peak: u64, reused: bool, parts: Parts },
    Failed { seconds: f64, error: StageError, parts: Parts },
    Skipped,
}

/// What the scheduler needs to know.
pub(crate) struct Work<'a> {
    pub plan: &'a Plan,
    pub plugins: &'a [PluginFile],
    pub host: &'a Host,
    /// For each stage, whether it runs in a worker process.
    pub worker: &'a [bool],
    pub cancel: &'a AtomicBool,
    pub observer: &'a dyn Observer,
    pub cache: Option<&'a Cache>,
    /// What is read: plugins and files.
    pub sums: &'a Sums,
    /// Bytes to stay under.
    pub memory: Option<u64>,
    /// For each stage, the bytes that it makes and needs of its own; read when there is a limit.
    pub needs: &'a [u64],
    /// Where large blobs are kept until the run has succeeded.
    pub folder: &'a Path,
}

/// What the stages came to.
pub(crate) struct Finished {
    pub ended: Vec<Ended>,
    /// The values of the plan's outputs that were made.
    pub outputs: Vec<Option<Arc<Value>>>,
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

/// A value in the cache, read when its first reader comes.
#[derive(Clone)]
struct Stored {
    id: String,
    value: Arc<Mutex<Option<Arc<Value>>>>,
}

/// A value that waits for its readers.
#[derive(Clone)]
enum Slot {
    /// With its content id when there is a cache.
    Here(Arc<Value>, String),
    Stored(Stored),
}

/// Why a stored value could not be had.
enum Trouble {
    /// The cache has lost or damaged it: what made it must run again.
    Damaged,
    Stage(StageError),
}

impl Slot {
    fn id(&self) -> &str {
        match self {
            Self::Here(_, id) => id,
            Self::Stored(stored) => &stored.id,
        }
    }

    fn value(&self, work: &Work) -> Result<Arc<Value>, Trouble> {
        let stored = match self {
            Self::Here(value, _) => return Ok(Arc::clone(value)),
            Self::Stored(stored) => stored,
        };
        let mut slot = stored.value.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = &*slot {
            return Ok(Arc::clone(value));
        }
        let cache = work.cache.ok_or(Trouble::Damaged)?;
        match cache.value(work.host, &stored.id) {
            Found::Value(value) => Ok(Arc::clone(slot.insert(Arc::new(*value)))),
            Found::Damaged => Err(Trouble::Damaged),
            Found::NoMemory => {
                Err(Trouble::Stage(StageError::out_of_memory("no memory to read its input from the cache")))
            }
        }
    }
}

/// Values that wait for their readers; each is dropped after the last.
struct Store {
    slots: Vec<Vec<Option<Slot>>>,
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
        Self { slots: ports().map(|n| vec![None; n]).collect(), readers }
    }

    fn put(&mut self, stage: usize, slots: impl Iterator<Item = Slot>) {
        for (port, slot) in slots.enumerate() {
            if self.readers[stage][port] > 0 {
                self.slots[stage][port] = Some(slot);
            }
        }
    }

    fn inputs_of(&self, stage: &PlannedStage) -> Option<Vec<Vec<Slot>>> {
        let connections = |port: &Vec<ichor_spec::Source>| {
            port.iter().map(|s| self.slots[s.stage][s.port].clone()).collect::<Option<Vec<_>>>()
        };
        stage.inputs.iter().map(connections).collect()
    }

    /// Keeps of every value that the cache holds its id alone.
    fn drop_what_is_stored(&mut self, work: &Work) {
        for slot in self.slots.iter_mut().flatten().flatten() {
            let id = slot.id().to_owned();
            if work.cache.is_some_and(|cache| cache.has(&id)) {
                *slot = Slot::Stored(Stored { id, value: Arc::default() });
            }
        }
    }

    fn release_inputs_of(&mut self, stage: &PlannedStage) {
        for source in stage.inputs.iter().flatten() {
            let left = &mut self.readers[source.stage][source.port];
            *left -= 1;
            if *left == 0 {
                self.slots[source.stage][source.port] = None;
            }
        }
    }
}

/// What a stage's thread tells the scheduler.
enum Message {
    /// The stage has ended.
    Ended(Report),
    /// So has all work for it; the thread of this number waits for another.
    Idle(usize),
}

/// A stage to run.
struct Task {
    index: usize,
    inputs: Vec<Vec<Slot>>,
    parts: Parts,
}

/// How a stage ended.
struct Report {
    index: usize,
    seconds: f64,
    parts: Parts,
    result: Result<(Vec<Slot>, u64), Trouble>,
}

/// How often values that the cache has lost are made again before it is believed to be hopeless.
const PATIENCE: usize = 5;

/// Runs every stage that can run; a failure skips what depends on it and nothing else.
pub(crate) fn run_stages(work: &Work) -> Finished {
    for _ in 0..PATIENCE {
        if let Some(finished) = attempt(work) {
            return finished;
        }
    }
    // Something removes from the cache what is put into it: go without.
    let uncached = Work { cache: None, ..*work };
    attempt(&uncached).unwrap_or_else(|| Finished {
        ended: work.plan.stages.iter().map(|_| Ended::Skipped).collect(),
        outputs: vec![None; work.plan.outputs.len()],
    })
}

/// One try; `None` when a value that the cache promised is not there: what made it has to run again.
fn attempt(work: &Work) -> Option<Finished> {
    let Work { plan, cancel, .. } = *work;
    let stages = &plan.stages;
    let mut store = Store::new(plan);
    let mut ended: Vec<Option<Ended>> = stages.iter().map(|_| None).collect();
    let mut begun = vec![false; stages.len()];
    let mut damaged = false;
    let (send, receive) = mpsc::channel::<Message>();
    std::thread::scope(|scope| {
        let mut running = BTreeSet::new();
        // Threads are kept for the next stage; there are as many as ever ran at once.
        let (mut threads, mut idle) = (Vec::<mpsc::Sender<Task>>::new(), Vec::new());
        let mut ready = VecDeque::new();
        loop {
            // Skip what cannot run any more, then begin what can, both in plan order, which is topological: a
            // stage that is skipped or reused settles those after it in the same pass.
            for (index, stage) in stages.iter().enumerate() {
                if begun[index] || damaged {
                    continue;
                }
                let sources = || stage.inputs.iter().flatten().map(|s| &ended[s.stage]);
                let lost = sources().any(|e| matches!(e, Some(Ended::Failed { .. } | Ended::Skipped)));
                if lost || cancel.load(Ordering::Relaxed) {
                    begun[index] = true;
                    ended[index] = Some(Ended::Skipped);
                    store.release_inputs_of(stage);
                } else if sources().all(|e| matches!(e, Some(Ended::Done { .. })))
                    && let Some(inputs) = store.inputs_of(stage)
                {
                    let parts = parts_of(work, index, &inputs);
                    if let Some(slots) = reused(work, index, &key(&parts)) {
                        begun[index] = true;
                        work.observer.reused(index);
                        store.put(index, slots.into_iter());
                        store.release_inputs_of(stage);
                        ended[index] =
                            Some(Ended::Done { seconds: 0.0, worker_peak: 0, reused: true, parts });
                        continue;
                    }
                    if stage.reuse_only {
                        begun[index] = true;
                        let why = "the cache does not have what it makes, and with --from it does not run; run once without --from";
                        let error = StageError::refused(why);
                        work.observer.ended(index, 0.0, Some(&error));
                        ended[index] = Some(Ended::Failed { seconds: 0.0, error, parts });
                        store.release_inputs_of(stage);
                        continue;
                    }
                    if !fits(work, index, &running, &mut store) {
                        continue; // when another stage has ended
                    }
                    begun[index] = true;
                    running.insert(index);
                    while let Ok(message) = receive.try_recv() {
                        match message {
                            Message::Idle(thread) => idle.push(thread),
                            Message::Ended(report) => ready.push_back(report),
                        }
                    }
                    let thread = idle.pop().unwrap_or_else(|| {
                        let (hand, tasks) = mpsc::channel::<Task>();
                        let (number, send) = (threads.len(), send.clone());
                        threads.push(hand);
                        scope.spawn(move || {
                            while let Ok(task) = tasks.recv() {
                                run_stage(work, task, &send);
                                let _ = send.send(Message::Idle(number));
                            }
                        });
                        number
                    });
                    let _ = threads[thread].send(Task { index, inputs, parts });
                }
            }
            if running.is_empty() {
                break;
            }
            let report = ready.pop_front().or_else(|| {
                loop {
                    match receive.recv() {
                        Ok(Message::Ended(report)) => return Some(report),
                        Ok(Message::Idle(thread)) => idle.push(thread),
                        Err(_) => return None,
                    }
                }
            });
            let Some(Report { index, seconds, parts, result }) = report else { break };
            running.remove(&index);
            store.release_inputs_of(&stages[index]);
            ended[index] = Some(match result {
                Ok((slots, worker_peak)) => {
                    work.observer.ended(index, seconds, None);
                    store.put(index, slots.into_iter());
                    Ended::Done { seconds, worker_peak, reused: false, parts }
                }
                Err(Trouble::Stage(error)) => {
                    work.observer.ended(index, seconds, Some(&error));
                    Ended::Failed { seconds, error, parts }
                }
                Err(Trouble::Damaged) => {
                    work.observer.log(index, ichor_abi::ICHOR_LOG_WARN, DAMAGED);
                    damaged = true;
                    Ended::Skipped
                }
            });
        }
    });
    let mut outputs = Vec::new();
    for output in &plan.outputs {
        if damaged {
            break;
        }
        let slot = store.slots[output.source.stage][output.source.port].take();
        outputs.push(match slot.map(|slot| slot.value(work)) {
            Some(Ok(value)) => Some(value),
            Some(Err(Trouble::Damaged)) => {
                work.observer.log(output.source.stage, ichor_abi::ICHOR_LOG_WARN, DAMAGED);
                damaged = true;
                None
            }
            Some(Err(Trouble::Stage(_))) | None => None,
        });
    }
    let ended = ended.into_iter().map(|e| e.unwrap_or(Ended::Skipped)).collect();
    (!damaged).then_some(Finished { ended, outputs })
}

const DAMAGED: &str = "a value in the cache is damaged or gone; what made it runs again";

fn parts_of(work: &Work, index: usize, inputs: &[Vec<Slot>]) -> Parts {
    let ids: Vec<Vec<String>> =
        inputs.iter().map(|port| port.iter().map(|slot| slot.id().to_owned()).collect()).collect();
    work.sums.parts(work.plan, work.plugins, index, &ids)
}

/// Runs a stage, tells the scheduler, and then puts what it made into the cache.
fn run_stage(work: &Work, task: Task, send: &mpsc::Sender<Message>) {
    let Task { index, inputs, parts } = task;
    let stage = &work.plan.stages[index];
    let token = work.host.budget().acquire();
    let begin = Instant::now();
    let values =
        inputs.iter().map(|port| port.iter().map(|slot| slot.value(work)).collect::<Result<Vec<_>, _>>());
    let result = values.collect::<Result<Vec<_>, _>>().and_then(|values| {
        work.observer.started(index);
        let job = Job {
            stage: &stage.stage,
            params: &stage.params,
            inputs: &values,
            seed: seed_of(work.plan, stage),
            max_threads: work.host.budget().threads(),
            limits: Limits { seconds: stage.limits.seconds, bytes: stage.limits.bytes },
            folder: Some(work.folder),
            cancel: work.cancel,
            sink: &StageSink(work.observer, index),
        };
        let outcome = work.host.run(&work.plugins[stage.plugin], &job, work.worker[index]);
        outcome.map_err(Trouble::Stage)
    });
    let seconds = begin.elapsed().as_secs_f64();
    let result = result.map(|outcome| {
        let slots = outcome.outputs.into_iter().map(|value| {
            let known = inputs.iter().flatten().find_map(|slot| match slot {
                // What was handed on unchanged need not be read again.
                Slot::Here(input, id) if input.is_same(&value) => Some(id.clone()),
                _ => None,
            });
            let id = match work.cache {
                Some(_) => known.unwrap_or_else(|| content_id(work.host, &value)),
                None => String::new(),
            };
            Slot::Here(value, id)
        });
        (slots.collect::<Vec<_>>(), outcome.peak_bytes)
    });
    drop(inputs); // before the scheduler hears of it and frees what was read
    let made = result.as_ref().ok().map(|(slots, _)| slots.clone());
    let key = key(&parts);
    let keep = || {
        if let (Some(cache), Some(slots)) = (work.cache, made)
            && let Err(error) = keep(work, cache, key, &slots)
        {
            let text = format!("its outputs were not put into the cache: {error}");
            work.observer.log(index, ichor_abi::ICHOR_LOG_WARN, &text);
        }
    };
    let report = Report { index, seconds, parts, result };
    if work.memory.is_some() {
        keep(); // what the cache holds can be dropped from memory
        let _ = send.send(Message::Ended(report));
    } else {
        let _ = send.send(Message::Ended(report)); // others go on meanwhile
        keep();
    }
    drop(token);
}

/// What a limit keeps free for what no forecast knows.
const MARGIN: u64 = 8 << 20;

/// Whether a stage may begin beside those that run. When none runs it may, after everything that can be read
/// again has been dropped: a run with a stage that does not fit by itself was refused before it began.
fn fits(work: &Work, index: usize, running: &BTreeSet<usize>, store: &mut Store) -> bool {
    let Some(limit) = work.memory else { return true };
    let pool = work.host.pool();
    let wanted =
        work.needs[index] + running.iter().map(|&n| work.needs[n]).sum::<u64>() + PROGRAM_BYTES + MARGIN;
    if pool.held() as u64 + wanted > limit {
        pool.clear();
    }
    if pool.in_use() as u64 + wanted <= limit {
        return true;
    }
    if running.is_empty() {
        store.drop_what_is_stored(work);
        pool.clear();
    }
    running.is_empty()
}

/// What a stage made before, if the cache has all of it and it may be used.
fn reused(work: &Work, index: usize, key: &str) -> Option<Vec<Slot>> {
    let stage = &work.plan.stages[index];
    let warn = || work.observer.log(index, ichor_abi::ICHOR_LOG_WARN, DAMAGED_ENTRY);
    let entry = match work.cache.filter(|_| !stage.force)?.stage(key) {
        Kept::Entry(entry) => entry,
        Kept::Nothing => return None,
        Kept::Damaged => {
            warn();
            return None;
        }
    };
    if entry.outputs.len() != stage.stage.outputs.len() {
        return None;
    }
    let slot = |(n, id): (usize, &String)| match entry.value(work.host, n) {
        None => Some(Slot::Stored(Stored { id: id.clone(), value: Arc::default() })),
        Some(Found::Value(value)) => Some(Slot::Here(Arc::new(*value), id.clone())),
        Some(Found::NoMemory) => None,
        Some(Found::Damaged) => {
            warn();
            None
        }
    };
    entry.outputs.iter().enumerate().map(slot).collect()
}

const DAMAGED_ENTRY: &str = "an entry of the cache is damaged; the stage runs again";

/// Values first, then the entry that names them.
fn keep(work: &Work, cache: &Cache, key: String, slots: &[Slot]) -> std::io::Result<()> {
    let mut entry = Entry::new(key);
    for slot in slots {
        let Slot::Here(value, id) = slot else { continue };
        if entry.add(id, value) {
            cache.put_value(work.host, id, value)?;
        }
    }
    cache.put_stage(&entry)
}
