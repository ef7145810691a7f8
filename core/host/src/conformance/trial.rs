//! One run of one stage on generated values, and what is kept of it.

use super::sample::Sample;
use crate::discover::PluginFile;
use crate::job::{Breach, Host, Job, Sink, StageError};
use crate::limits::Limits;
use crate::pool::Poison;
use crate::value::Value;
use ichor_abi::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// What to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Trial {
    pub(super) stage: String,
    pub(super) params: serde_json::Value,
    pub(super) inputs: Vec<Vec<Sample>>,
    pub(super) threads: usize,
    /// What every byte of an output is before the stage writes it.
    pub(super) poison: u8,
    pub(super) cancel: Cancel,
}

/// When the run is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Cancel {
    Never,
    Before,
    /// After so many seconds.
    After(f64),
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) result: Result<Vec<Print>, Failed>,
    /// What the host refused a stage that ended well all the same.
    pub(super) refusal: Option<String>,
    /// The input that is not what it was.
    pub(super) touched: Option<String>,
    /// The first line that its process printed.
    pub(super) printed: Option<String>,
    /// Messages that it logged.
    pub(super) logged: usize,
    pub(super) seconds: f64,
    /// Seconds that it went on after it was asked to stop.
    pub(super) after_cancel: Option<f64>,
}

/// An output, as far as it is needed to compare it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Print {
    port: String,
    sha256: String,
}

/// Why there are no outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failed {
    status: i32,
    pub(super) message: String,
    pub(super) breach: Option<Breach>,
}

impl Failed {
    /// A stage may refuse what it is given, and say so.
    pub(super) fn is_polite(&self) -> bool {
        let refusal = matches!(
            self.status,
            ICHOR_BAD_PARAMS | ICHOR_BAD_INPUT | ICHOR_UNSUPPORTED | ICHOR_OUT_OF_MEMORY | ICHOR_IO
        );
        refusal && self.breach.is_none()
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.status == ICHOR_CANCELLED
    }

    /// Whether a person can do something with it. The buffer that a plugin is given has 2048 bytes.
    pub(super) fn objection(&self) -> Option<String> {
        let text = &self.message;
        match () {
            () if text.contains(NO_REASON) => {
                Some("an error without a sentence; write one into err->message: what is wrong, where, what to do".into())
            }
            () if text.len() >= 2047 => Some(
                "an error that fills its buffer to the last byte; use snprintf(err->message, err->cap, ...), \
                 which ends in NUL"
                    .into(),
            ),
            () => None,
        }
    }
}

/// What [`StageError`] says of an error without a sentence.
const NO_REASON: &str = "(the plugin gives no reason)";
/// Bytes behind an output that are watched: in this process all of them can be written, in a worker those of
/// the last page.
const ROOM: usize = 1 << 20;
const ROOM_IN_WORKER: usize = 1 << 12;

/// Hears a stage.
#[derive(Default)]
struct Ear {
    printed: Mutex<Option<String>>,
    logged: AtomicUsize,
}

impl Sink for Ear {
    fn progress(&self, _: f64, _: &str) {}

    fn log(&self, _: i32, _: &str) {
        self.logged.fetch_add(1, Ordering::Relaxed);
    }

    fn printed(&self, line: &str) {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| line.to_owned());
    }
}

/// Runs a trial with `host`; in a worker process when that has `limits`.
pub(super) fn run(host: &Host, plugin: &PluginFile, trial: &Trial, limits: Option<Limits>) -> Ended {
    let ear = Ear::default();
    let mut ended = Ended {
        result: Ok(Vec::new()),
        refusal: None,
        touched: None,
        printed: None,
        logged: 0,
        seconds: 0.0,
        after_cancel: None,
    };
    let room = if limits.is_some() { ROOM_IN_WORKER } else { ROOM };
    host.pool().poison(Poison { byte: trial.poison, room });
    let made = |samples: &Vec<Sample>| samples.iter().map(|s| s.value(host.pool()).map(Arc::new)).collect();
    let inputs: Option<Vec<Vec<Arc<Value>>>> = trial.inputs.iter().map(made).collect();
    let stage = plugin.manifest.stages.iter().find(|s| s.id == trial.stage);
    let (Some(inputs), Some(stage)) = (inputs, stage) else {
        ended.result = Err(Failed {
            status: ICHOR_OUT_OF_MEMORY,
            message: "no memory for the inputs".into(),
            breach: None,
        });
        return ended;
    };
    let before: Vec<Vec<String>> = inputs.iter().map(|port| port.iter().map(|v| hash(v)).collect()).collect();

    let cancel = AtomicBool::new(trial.cancel == Cancel::Before);
    let job = Job {
        stage,
        params: &trial.params,
        inputs: &inputs,
        seed: 20_260_101,
        max_threads: trial.threads,
        limits: limits.unwrap_or_default(),
        folder: None,
        cancel: &cancel,
        sink: &ear,
    };
    let token = host.budget().acquire();
    let begun = Instant::now();
    let (done, is_done) = mpsc::channel();
    let (outcome, asked) = std::thread::scope(|scope| {
        let stop = &cancel;
        let asked = scope.spawn(move || match trial.cancel {
            Cancel::Never => None,
            Cancel::Before => Some(begun),
            Cancel::After(seconds) => {
                let ended = is_done.recv_timeout(Duration::from_secs_f64(seconds)).is_ok();
                stop.store(true, Ordering::Relaxed);
                (!ended).then(Instant::now)
            }
        });
        let outcome = host.run(plugin, &job, limits.is_some());
        let end = Instant::now();
        let _ = done.send(()); // nobody listens when there is nothing to cancel
        (outcome, asked.join().ok().flatten().map(|t| end.saturating_duration_since(t)))
    });
    ended.seconds = begun.elapsed().as_secs_f64();
    ended.after_cancel = asked.map(|t| t.as_secs_f64());
    drop(token);
    let changed = |(values, before): (&Vec<Arc<Value>>, &Vec<String>)| {
        values.iter().zip(before).any(|(v, b)| hash(v) != *b)
    };
    ended.touched = inputs.iter().zip(&before).position(changed).map(|port| stage.inputs[port].name.clone());
    match outcome {
        Ok(outcome) => {
            ended.refusal = outcome.refusal;
            let print = |(port, value): (&ichor_spec::PortDecl, &Arc<Value>)| Print {
                port: port.name.clone(),
                sha256: hash(value),
            };
            ended.result = Ok(stage.outputs.iter().zip(&outcome.outputs).map(print).collect());
        }
        Err(StageError { status, message, breach }) => ended.result = Err(Failed { status, message, breach }),
    }
    ended.printed = ear.printed.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.logged = ear.logged.into_inner();
    ended
}

fn hash(value: &Value) -> String {
    let mut hash = Sha256::new();
    // Everything but its bytes, then these.
    hash.update(serde_json::to_vec(&value.described()).unwrap_or_default());
    hash.update(value.bytes());
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

impl Ended {
    /// Whether both runs made the same; else the sentence's middle: "output `mask` differs".
    pub(super) fn differs(&self, other: &Self) -> Option<String> {
        match (&self.result, &other.result) {
            (Ok(a), Ok(b)) => {
                let port = a.iter().zip(b).find(|(a, b)| a != b).map(|(a, _)| &a.port)?;
                Some(format!("output `{port}` differs"))
            }
            (Err(why), Ok(_)) | (Ok(_), Err(why)) => Some(format!("one of them fails: {}", why.message)),
            (Err(_), Err(why)) => Some(format!("both fail: {}", why.message)),
        }
    }
}
