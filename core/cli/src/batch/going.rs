//! How far a case is, as its shard tells the batch.

use super::executor::Event;
use ichor_exec::Observer;
use ichor_host::StageError;
use ichor_spec::Plan;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A case is told of at most this often.
const EVERY: Duration = Duration::from_millis(500);

/// Seconds that stages took in the case before, by name: of the next, they take about the same shares.
pub type Known = BTreeMap<String, f64>;

/// Follows one case.
pub struct Going<'a> {
    index: usize,
    names: Vec<String>,
    /// What each stage is of the case.
    shares: Vec<f64>,
    begin: Instant,
    state: Mutex<State>,
    say: &'a (dyn Fn(&Event) + Sync),
}

struct State {
    /// How far each stage is, from 0 to 1.
    fractions: Vec<f64>,
    seconds: Vec<Option<f64>>,
    told: Instant,
}

impl<'a> Going<'a> {
    pub fn new(index: usize, plan: &Plan, known: &Known, say: &'a (dyn Fn(&Event) + Sync)) -> Self {
        let names: Vec<String> = plan.stages.iter().map(|s| s.name.clone()).collect();
        let begin = Instant::now();
        let count = names.len();
        let state = State { fractions: vec![0.0; count], seconds: vec![None; count], told: begin };
        Self { index, shares: shares(&names, known), names, begin, state: Mutex::new(state), say }
    }

    /// What the stages took, for the next case.
    pub fn known(self, known: &mut Known) {
        let Ok(state) = self.state.into_inner() else { return };
        known.extend(self.names.into_iter().zip(state.seconds).filter_map(|(name, s)| Some((name, s?))));
    }

    fn set(&self, stage: usize, fraction: f64) {
        let Ok(mut state) = self.state.lock() else { return };
        state.fractions[stage] = fraction.clamp(0.0, 1.0);
        if state.told.elapsed() < EVERY {
            return;
        }
        state.told = Instant::now();
        let fraction: f64 = self.shares.iter().zip(&state.fractions).map(|(share, done)| share * done).sum();
        let left = time_left(self.begin.elapsed().as_secs_f64(), fraction);
        let stage = self.names[stage].clone();
        (self.say)(&Event::Going { index: self.index, fraction, left, stage });
    }
}

/// Shares of stages that were not seen before are the mean of the others.
fn shares(names: &[String], known: &Known) -> Vec<f64> {
    let seen: Vec<f64> = names.iter().filter_map(|name| known.get(name)).copied().collect();
    let other = if seen.is_empty() { 1.0 } else { seen.iter().sum::<f64>() / seen.len() as f64 };
    let all: Vec<f64> =
        names.iter().map(|name| known.get(name).copied().unwrap_or(other).max(1e-6)).collect();
    let sum: f64 = all.iter().sum();
    all.iter().map(|share| share / sum).collect()
}

/// Seconds, when it goes on as it went; `None` as long as it cannot be told.
fn time_left(passed: f64, fraction: f64) -> Option<f64> {
    (fraction >= 0.02).then(|| passed * (1.0 - fraction).max(0.0) / fraction)
}

impl Observer for Going<'_> {
    fn started(&self, stage: usize) {
        self.set(stage, 0.0);
    }

    fn reused(&self, stage: usize) {
        self.set(stage, 1.0);
    }

    fn progress(&self, stage: usize, fraction: f64, _what: &str) {
        self.set(stage, fraction);
    }

    fn log(&self, _stage: usize, _level: i32, _message: &str) {}

    fn ended(&self, stage: usize, seconds: f64, _error: Option<&StageError>) {
        if let Ok(mut state) = self.state.lock() {
            state.seconds[stage] = Some(seconds);
        }
        self.set(stage, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_weigh_what_they_took_in_the_case_before() {
        let names = ["load", "segment", "new"].map(str::to_owned);
        assert_eq!(shares(&names, &Known::new()), [1.0 / 3.0; 3]);
        let known = Known::from([("load".into(), 1.0), ("segment".into(), 5.0)]);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        let got = shares(&names, &known);
        assert!(close(got[0], 1.0 / 9.0) && close(got[1], 5.0 / 9.0) && close(got[2], 3.0 / 9.0), "{got:?}");
    }

    #[test]
    fn time_left_is_what_the_rest_takes_at_the_same_speed() {
        assert_eq!(time_left(30.0, 0.75), Some(10.0));
        assert_eq!(time_left(30.0, 1.0), Some(0.0));
        assert_eq!(time_left(3.0, 0.001), None);
    }
}
