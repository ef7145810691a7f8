//! What every command on a pipeline needs: the plugins, and the pipeline resolved against them.

use crate::Failure;
use ichor_host::{PluginDir, PluginFile, find_plugins, find_plugins_anywhere};
use ichor_spec::{Catalogue, Diagnostics, MAX_DOCUMENT_BYTES, Options, Override, Plan, Spec};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where plugins are looked for.
#[derive(clap::Args, Clone)]
pub struct PluginArgs {
    /// A folder with plugins; may be given more than once
    ///
    /// Folders are searched in this order: --plugin-path, the ICHOR_PLUGIN_PATH variable (separated by
    /// colons), then the folder of the ichor program. Of two stages with one name, the first found is used.
    #[arg(long, value_name = "DIR", global = true)]
    pub plugin_path: Vec<PathBuf>,
    /// Use plugins also from files and folders that everybody, or another user, can write to
    #[arg(long, global = true)]
    pub allow_writable_plugins: bool,
}

/// A pipeline and what is bound to it.
#[derive(clap::Args, Clone)]
pub struct PipelineArgs {
    /// The pipeline file (YAML)
    pub pipeline: PathBuf,
    /// Bind an input of the pipeline
    #[arg(short, long = "input", value_name = "NAME=PATH")]
    pub inputs: Vec<String>,
    /// Change a parameter of a stage
    #[arg(long, value_name = "STAGE.PARAM=VALUE")]
    pub set: Vec<String>,
    /// Lay an overlay (YAML) over the pipeline, such as the settings of a site; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,
    /// Only this stage and what it needs
    #[arg(long, value_name = "STAGE")]
    pub until: Option<String>,
    /// Run this stage and what follows again; what it needs comes from the cache
    #[arg(long, value_name = "STAGE")]
    pub from: Option<String>,
    /// Write an output of a stage, too, as STAGE-PORT; may be given more than once
    #[arg(long, value_name = "STAGE.PORT")]
    pub keep: Vec<String>,
    #[command(flatten)]
    pub plugins: PluginArgs,
}

/// Plugins on disk and the stages they offer.
pub struct Installed {
    pub files: Vec<PluginFile>,
    pub catalogue: Catalogue,
    pub notes: Vec<String>,
}

impl PluginArgs {
    /// Reads the manifests of all plugins. No plugin code runs.
    pub fn find(&self) -> Result<Installed, Failure> {
        let named = |path: PathBuf| PluginDir { path, shipped: false };
        let mut dirs: Vec<PluginDir> = self.plugin_path.iter().cloned().map(named).collect();
        if let Some(missing) = dirs.iter().find(|d| !d.path.is_dir()) {
            let path = missing.path.display();
            return Err(Failure::usage(format!("--plugin-path {path}: there is no folder of that name")));
        }
        // Of a variable that outlives what it names, a missing folder is only worth a note.
        if let Some(list) = std::env::var_os("ICHOR_PLUGIN_PATH") {
            dirs.extend(std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).map(named));
        }
        if let Some(home) = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)) {
            dirs.push(PluginDir { path: home, shipped: true });
        }
        let find = if self.allow_writable_plugins { find_plugins_anywhere } else { find_plugins };
        let (files, mut notes) = find(&dirs);
        let mut catalogue = Catalogue::new();
        for file in &files {
            catalogue.add(file.manifest.clone());
        }
        for hidden in catalogue.shadowed() {
            let (stage, used, ignored) =
                (&hidden.stage, &files[hidden.used].path, &files[hidden.ignored].path);
            notes.push(format!(
                "the stage {stage} of {} is not used: {} offers it too and comes first",
                ignored.display(),
                used.display()
            ));
        }
        Ok(Installed { files, catalogue, notes })
    }
}

impl PipelineArgs {
    /// The same as a command line, for the run record.
    pub fn arguments(&self) -> Vec<String> {
        let mut list = vec![self.pipeline.display().to_string()];
        let paths = |paths: &[PathBuf]| paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
        for (flag, values) in [
            ("--input", self.inputs.clone()),
            ("--set", self.set.clone()),
            ("--with", paths(&self.with)),
            ("--until", self.until.iter().cloned().collect()),
            ("--keep", self.keep.clone()),
            ("--plugin-path", paths(&self.plugins.plugin_path)),
        ] {
            list.extend(values.into_iter().map(|value| format!("{flag}={value}")));
        }
        if self.plugins.allow_writable_plugins {
            list.push("--allow-writable-plugins".into());
        }
        list
    }

    /// Whether any input is bound.
    pub fn has_inputs(&self) -> bool {
        !self.inputs.is_empty()
    }

    /// The inputs that the command line binds.
    pub fn bound(&self) -> Result<BTreeMap<String, String>, Failure> {
        let mut inputs = BTreeMap::new();
        for binding in &self.inputs {
            let (name, path) = split(binding, '=', "-i NAME=PATH")?;
            if inputs.insert(name.clone(), path).is_some() {
                return Err(Failure::usage(format!("input {name} is bound twice")));
            }
        }
        Ok(inputs)
    }

    /// Reads and resolves the pipeline; prints nothing.
    pub fn resolve(&self, installed: &Installed, require_inputs: bool) -> Result<Plan, PipelineError> {
        let inputs = self.bound()?;
        let mut overrides = Vec::new();
        for change in &self.set {
            let (target, value_text) = split(change, '=', "--set STAGE.PARAM=VALUE")?;
            let (stage, param) = split(&target, '.', "--set STAGE.PARAM=VALUE")?;
            overrides.push(Override { stage, param, value_text });
        }
        let options = Options {
            inputs,
            overrides,
            require_inputs,
            until: self.until.clone(),
            from: self.from.clone(),
            keep: self.keep.clone(),
        };
        self.composed(|spec| ichor_spec::resolve(&spec, &installed.catalogue, &options))
    }

    /// Reads the pipeline, and looks nothing up.
    pub fn spec(&self) -> Result<Spec, PipelineError> {
        self.composed(Ok)
    }

    /// Resolves a pipeline that was made of this one.
    pub fn resolved(
        &self,
        spec: &Spec,
        options: &Options,
        installed: &Installed,
    ) -> Result<Plan, PipelineError> {
        self.composed(|_| ichor_spec::resolve(spec, &installed.catalogue, options))
    }

    /// What `then` makes of the pipeline as it is written; its findings get their texts.
    fn composed<T>(&self, then: impl FnOnce(Spec) -> Result<T, Diagnostics>) -> Result<T, PipelineError> {
        let texts = RefCell::new(BTreeMap::new());
        let read = |name: &str| {
            let text = read(Path::new(name))?;
            texts.borrow_mut().insert(name.to_owned(), text.clone());
            Ok(text)
        };
        let name = self.pipeline.display().to_string();
        let overlays: Vec<String> = self.with.iter().map(|path| path.display().to_string()).collect();
        let given = self.bound()?;
        ichor_spec::compose(&name, &overlays, &given, &read)
            .and_then(then)
            .map_err(|findings| PipelineError::Spec(findings, texts.take()))
    }
}

/// The text of a file, or as much of it as shows that it is too large to be a pipeline.
fn read(path: &Path) -> Result<String, String> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_DOCUMENT_BYTES as u64 + 1).read_to_end(&mut text))
        .map_err(|error| error.to_string())?;
    String::from_utf8(text).map_err(|_| "it is not UTF-8 text, so it is no pipeline file".to_owned())
}

fn split(text: &str, at: char, form: &str) -> Result<(String, String), Failure> {
    match text.split_once(at) {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left.into(), right.into())),
        _ => Err(Failure::usage(format!("`{text}` does not have the form {form}"))),
    }
}

/// What is wrong with a pipeline: findings with their places, or a plain sentence.
pub enum PipelineError {
    /// With the texts of the files by name.
    Spec(Diagnostics, BTreeMap<String, String>),
    Other(Failure),
}

impl From<Failure> for PipelineError {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        match error {
            PipelineError::Spec(findings, texts) => {
                let text = |file: &str| texts.get(file).map_or("", String::as_str);
                let each: Vec<String> =
                    findings.iter().map(|finding| finding.render(text(&finding.file))).collect();
                Self::usage(each.join("\nerror: "))
            }
            PipelineError::Other(failure) => failure,
        }
    }
}

/// The program that serves as worker: this one.
pub fn worker_command() -> Result<(PathBuf, Vec<OsString>), Failure> {
    let exe =
        std::env::current_exe().map_err(|e| Failure::usage(format!("cannot find the ichor program: {e}")))?;
    Ok((exe, vec!["worker".into()]))
}
