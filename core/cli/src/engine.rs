//! How stages are run: threads, memory, processes, cache. The same for `run`, `plan` and `rerun`.

use crate::Failure;
use crate::project::worker_command;
use clap::ValueEnum;
use ichor_exec::{Cache, Isolation};
use ichor_host::{Host, HostOptions};
use std::path::{Path, PathBuf};

#[derive(clap::Args, Clone)]
pub struct EngineArgs {
    /// Threads to compute with, all stages together [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// Memory to stay under, all stages together, such as 2GiB [default: no limit]
    ///
    /// Stages wait for each other where they would need more at once, and values that the cache holds are
    /// dropped and read again. A pipeline with a stage that needs more by itself is refused.
    #[arg(long, value_name = "SIZE", value_parser = ichor_spec::size::parse)]
    memory: Option<u64>,
    /// Where stages run
    #[arg(long, value_enum, default_value = "auto")]
    isolate: Isolate,
    /// Folder in which to keep what stages make, for later runs [default: .ichor-cache in the output folder]
    ///
    /// A stage whose plugin, parameters and inputs are the same as before is not run again. The folder holds
    /// voxels of the images that were processed.
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Neither use nor keep what stages make
    #[arg(long)]
    no_cache: bool,
    /// Size at which the cache forgets what was not used for longest
    #[arg(long, value_name = "SIZE", default_value = "10GiB", value_parser = ichor_spec::size::parse)]
    cache_limit: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Isolate {
    /// Shipped plugins in this process, all others in a process of their own
    Auto,
    /// Every stage in this process
    InProcess,
    /// Every stage in a process of its own
    Worker,
}

impl EngineArgs {
    pub fn host(&self) -> Result<Host, Failure> {
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or_else(all, |n| n as usize);
        let (worker_exe, worker_args) = worker_command()?;
        let options = HostOptions { worker_exe, worker_args, ..HostOptions::new(threads) };
        Host::new(options).map_err(|e| Failure::stage(format!("the system gives no shared memory: {e}")))
    }

    pub fn isolation(&self) -> Isolation {
        match self.isolate {
            Isolate::Auto => Isolation::Auto,
            Isolate::InProcess => Isolation::InProcess,
            Isolate::Worker => Isolation::Worker,
        }
    }

    /// One of `parts` equal parts of threads and memory.
    pub fn divided(&self, parts: u32) -> Self {
        let all = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        let threads = (self.threads.unwrap_or(all) / parts.max(1)).max(1);
        Self {
            threads: Some(threads),
            memory: self.memory.map(|m| m / u64::from(parts.max(1))),
            ..self.clone()
        }
    }

    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// The cache for runs into `out`.
    pub fn cache(&self, out: &Path) -> Option<Cache> {
        Some(Cache::new(&self.cache_dir(Some(out))?, self.cache_limit))
    }

    /// The cache if it is there already.
    pub fn existing_cache(&self, out: Option<&Path>) -> Option<Cache> {
        let dir = self.cache_dir(out).filter(|d| d.join("stages").is_dir())?;
        Some(Cache::new(&dir, self.cache_limit))
    }

    fn cache_dir(&self, out: Option<&Path>) -> Option<PathBuf> {
        if self.no_cache {
            return None;
        }
        self.cache.clone().or_else(|| Some(out?.join(".ichor-cache")))
    }
}
