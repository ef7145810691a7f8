//! Runs one stage of a built plugin through the real library, in process or in a worker.

use crate::bin;
use ichor_host::{
    Host, HostOptions, Job, Limits, PluginDir, PluginFile, Sink, StageError, Value, find_plugins,
};
use ichor_spec::{Kind, StageManifest, Unit};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

pub use ichor_host::DType;
pub use ichor_image::{Affine, Grid};

/// A bench on which stages are run: a host and the plugins it found.
pub struct Bench {
    /// The host.
    pub host: Host,
    /// The plugins.
    pub plugins: Vec<PluginFile>,
    /// Run stages in a worker process.
    pub worker: bool,
    /// Limits of a worker process.
    pub limits: Limits,
    /// Where blobs are kept.
    pub folder: PathBuf,
    /// What stages logged, as `(level, message)`.
    pub log: Mutex<Vec<(i32, String)>>,
}

impl Sink for Bench {
    fn progress(&self, _: f64, _: &str) {}
    fn log(&self, level: i32, message: &str) {
        self.log.lock().unwrap().push((level, message.to_owned()));
    }
}

impl Bench {
    /// The plugins built with this checkout, and `threads` threads.
    pub fn new(threads: usize) -> Self {
        Self::with_plugins(threads, bin())
    }

    /// The plugins in a folder.
    pub fn with_plugins(threads: usize, dir: &Path) -> Self {
        let (plugins, _) = find_plugins(&[PluginDir { path: dir.to_owned(), shipped: true }]);
        let worker = HostOptions {
            worker_exe: bin().join("ichor"),
            worker_args: vec!["worker".into()],
            ..HostOptions::new(threads)
        };
        let host = Host::new(worker).unwrap();
        let folder = std::env::temp_dir();
        Self { host, plugins, worker: false, limits: Limits::default(), folder, log: Mutex::default() }
    }

    /// A stage and its plugin.
    pub fn find(&self, id: &str) -> (&PluginFile, &StageManifest) {
        let stages = |p: &'_ PluginFile| p.manifest.stages.iter().position(|s| s.id == id);
        let (plugin, stage) = self
            .plugins
            .iter()
            .find_map(|p| Some((p, stages(p)?)))
            .unwrap_or_else(|| panic!("no stage {id}"));
        (plugin, &plugin.manifest.stages[stage])
    }

    /// Runs stage `id`: `params` are completed with the defaults, `inputs` are named by port; a `many` port may
    /// be named several times. The outputs come by name.
    pub fn run(
        &self,
        id: &str,
        params: Json,
        inputs: &[(&str, &Arc<Value>)],
    ) -> Result<BTreeMap<String, Arc<Value>>, StageError> {
        let (plugin, stage) = self.find(id);
        let mut complete = Map::new();
        for (name, schema) in stage.params().into_iter().flatten() {
            if let Some(default) = schema.get("default") {
                complete.insert(name.clone(), default.clone());
            }
        }
        complete.extend(params.as_object().unwrap().clone());
        let unknown = inputs.iter().find(|(name, _)| stage.inputs.iter().all(|p| p.name != *name));
        assert!(unknown.is_none(), "{id} has no input {}", unknown.unwrap().0);
        let of_port =
            |port: &str| inputs.iter().filter(|(n, _)| *n == port).map(|(_, v)| Arc::clone(v)).collect();
        let inputs: Vec<Vec<Arc<Value>>> = stage.inputs.iter().map(|p| of_port(&p.name)).collect();
        let job = Job {
            stage,
            params: &Json::Object(complete),
            inputs: &inputs,
            seed: 1,
            max_threads: self.host.budget().threads(),
            limits: self.limits,
            folder: Some(&self.folder),
            cancel: &AtomicBool::new(false),
            sink: self,
        };
        let token = self.host.budget().acquire();
        let outcome = self.host.run(plugin, &job, self.worker);
        drop(token);
        Ok(stage.outputs.iter().map(|p| p.name.clone()).zip(outcome?.outputs).collect())
    }

    /// A CT of i16 voxels in HU.
    pub fn ct(&self, grid: &Grid, voxel: impl Fn([usize; 3]) -> i16) -> Arc<Value> {
        let bytes: Vec<u8> = voxels(grid).flat_map(|v| voxel(v).to_ne_bytes()).collect();
        self.value((Kind::Volume, Unit::Hu, DType::I16), grid, &bytes)
    }

    /// A mask.
    pub fn mask(&self, grid: &Grid, voxel: impl Fn([usize; 3]) -> bool) -> Arc<Value> {
        let bytes: Vec<u8> = voxels(grid).map(|v| u8::from(voxel(v))).collect();
        self.value((Kind::Mask, Unit::Label, DType::U8), grid, &bytes)
    }

    /// Voxels of any kind.
    pub fn value(&self, kind: (Kind, Unit, DType), grid: &Grid, bytes: &[u8]) -> Arc<Value> {
        Arc::new(Value::from_voxels(self.host.pool(), kind, grid, bytes).unwrap())
    }
}

/// Indices (i, j, k) of a grid's voxels, in the order of memory.
pub fn voxels(grid: &Grid) -> impl Iterator<Item = [usize; 3]> + use<> {
    let [nx, ny, nz] = grid.shape;
    (0..nz).flat_map(move |k| (0..ny).flat_map(move |j| (0..nx).map(move |i| [i, j, k])))
}

/// A grid with axis-aligned voxels of `spacing` mm as scanners give them: i to the left, j to the back, k up.
pub fn lps_grid(shape: [usize; 3], spacing: [f64; 3]) -> Grid {
    let half = |a: usize| (shape[a] as f64 - 1.0) / 2.0 * spacing[a];
    let affine = Affine([
        [-spacing[0], 0.0, 0.0, half(0)],
        [0.0, -spacing[1], 0.0, half(1)],
        [0.0, 0.0, spacing[2], -half(2)],
    ]);
    Grid::new(shape, affine).unwrap()
}

/// Voxels as i16.
pub fn i16s(value: &Value) -> Vec<i16> {
    value.bytes().as_chunks::<2>().0.iter().map(|b| i16::from_ne_bytes(*b)).collect()
}

/// Voxels as f32.
pub fn f32s(value: &Value) -> Vec<f32> {
    value.bytes().as_chunks::<4>().0.iter().map(|b| f32::from_ne_bytes(*b)).collect()
}

/// A table as JSON.
pub fn table(value: &Value) -> Json {
    serde_json::from_slice(value.bytes()).unwrap()
}

/// The value of a row of a table of measurements.
pub fn measured(table: &Json, lesion: &str, name: &str) -> Json {
    let rows = table["rows"].as_array().unwrap();
    let row = rows.iter().find(|r| r[0] == lesion && r[1] == name);
    row.unwrap_or_else(|| panic!("no {name} of {lesion} in {table}"))[2].clone()
}
