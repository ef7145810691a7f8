//! ONNX Runtime: found, loaded once a process, and asked.

use ichor_sdk::{Error, Result};
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The variable that names the library where no parameter does.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// Names under which the system may have it.
const NAMES: [&str; 2] = ["libonnxruntime.so", "libonnxruntime.so.1"];

const ADVICE: &str = "install ONNX Runtime 1.17 or later (`pip install onnxruntime` brings it: \
                      onnxruntime/capi/libonnxruntime.so.1.*), and give the path of the library as `runtime` or in the \
                      variable ORT_DYLIB_PATH";

/// A process has one, as long as it lives.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Where the library may be: one place, or the names that the system knows.
fn places(given: Option<&str>) -> Result<Vec<PathBuf>> {
    let variable = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
    let Some(path) = given.map(PathBuf::from).or(variable) else {
        return Ok(NAMES.map(PathBuf::from).to_vec());
    };
    let path = std::path::absolute(&path)?;
    if path.is_file() {
        return Ok(vec![path]);
    }
    let what = if given.is_some() { "`runtime`" } else { "the variable ORT_DYLIB_PATH" };
    Err(Error::unsupported(format!("{what} names `{}`, where there is no file; {ADVICE}", path.display())))
}

/// Says, without loading anything, whether a library that was named is there.
///
/// # Errors
/// It is not.
pub fn check(given: Option<&str>) -> Result<()> {
    places(given).map(drop)
}

/// The process's ONNX Runtime.
///
/// # Errors
/// There is none, it is too old, or the process has loaded another one.
fn environment(given: Option<&str>) -> Result<Environment> {
    let places = places(given)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((path, environment)) = loaded.as_ref() {
        if places.contains(path) {
            return Ok(environment.clone());
        }
        return Err(Error::unsupported(format!(
            "this process has loaded ONNX Runtime from `{}` and cannot load a second one; give all stages the same \
             `runtime`, or set `isolate: true`",
            path.display()
        )));
    }
    let mut why = String::new();
    for path in places {
        match ort::init_from(&path) {
            Ok(builder) => {
                // What it would print comes back as errors too.
                let silent = builder.with_logger(Arc::new(|_, _, _, _, _| {})).with_telemetry(false);
                let environment = silent.build().map_err(|e| {
                    Error::unsupported(format!(
                        "ONNX Runtime at `{}` does not start: {}",
                        path.display(),
                        line(&e.to_string())
                    ))
                })?;
                environment.set_log_level(LogLevel::Error);
                return Ok(loaded.insert((path, environment)).1.clone());
            }
            Err(e) if why.is_empty() => why = refusal(&path, &e),
            Err(_) => {}
        }
    }
    Err(Error::unsupported(format!("{why}; {ADVICE}")))
}

fn refusal(path: &Path, error: &ort::LoadDynamicError) -> String {
    use ort::LoadDynamicError::*;
    let path = path.display();
    match error {
        Dlopen { error, .. } => {
            // The loader's own words lie inside.
            let why = std::error::Error::source(error).map_or_else(|| error.to_string(), |e| e.to_string());
            format!("ONNX Runtime cannot be loaded: {}", line(&why))
        }
        MissingApi { .. } | InvalidVersionString => format!("`{path}` is a library, but not ONNX Runtime"),
        BadVersion { version_str, .. } => {
            format!(
                "`{path}` is ONNX Runtime {version_str}, and 1.{} is the oldest that works",
                ort::MINOR_VERSION
            )
        }
    }
}

/// A message on one line, fit to end a sentence with.
fn line(message: &str) -> String {
    let parts: Vec<&str> = message.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    parts.join(" ").trim_end_matches('.').to_owned()
}

/// A network, ready to run on images of one shape.
pub struct Network {
    session: Session,
    path: String,
    shape: [usize; 3],
}

impl Network {
    /// Makes a network of the bytes of a model file; `shape` is in the order of the tensor's dimensions.
    ///
    /// # Errors
    /// There is no ONNX Runtime, or it refuses the model.
    pub fn new(
        runtime: Option<&str>,
        path: &str,
        bytes: &[u8],
        shape: [usize; 3],
        threads: usize,
    ) -> Result<Self> {
        let environment = environment(runtime)?;
        let session = session(&environment, bytes, threads);
        let session = session.map_err(|why| {
            Error::bad_input(format!("ONNX Runtime refuses the model `{path}`: {}", line(&why)))
        })?;
        Ok(Self { session, path: path.to_owned(), shape })
    }

    /// What the network says about an image: its first output, channels one after another.
    ///
    /// # Errors
    /// ONNX Runtime's, or the output has another size than the image, or values that are no numbers.
    pub fn infer(&mut self, image: &[f32]) -> Result<Vec<f32>> {
        let (path, [d, h, w]) = (&self.path, self.shape);
        let failed = |e: ort::Error| {
            Error::bad_input(format!(
                "the model `{path}` fails on a patch of {d} x {h} x {w} voxels: {}",
                line(&e.to_string())
            ))
        };
        let input = TensorRef::from_array_view(([1, 1, d, h, w], image)).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![input]).map_err(failed)?;
        let first = outputs
            .values()
            .next()
            .map(|v| v.try_extract_tensor::<f32>().map(|(s, v)| (s.to_vec(), v.to_vec())));
        let (shape, values) = match first {
            Some(tensor) => tensor.map_err(failed)?,
            None => return Err(Error::bad_input(format!("the model `{path}` has no output"))),
        };
        let fits = matches!(shape[..], [1, c, a, b, e] if c > 0 && [a, b, e] == [d, h, w].map(|n| n as i64));
        if !fits || values.is_empty() {
            return Err(Error::bad_input(format!(
                "the model `{path}` answers a patch of {d} x {h} x {w} voxels with a tensor of shape {shape:?}; an \
                 output of [1, classes, {d}, {h}, {w}] is needed"
            )));
        }
        if !values.iter().all(|v| v.is_finite()) {
            return Err(Error::bad_input(format!(
                "the model `{path}` gives values that are not finite numbers; check `window`, `scale`, `mean` and `sd`"
            )));
        }
        Ok(values)
    }
}

fn session(environment: &Environment, bytes: &[u8], threads: usize) -> Result<Session, String> {
    let text = |e: ort::Error| e.to_string();
    let mut builder = Session::builder(environment).map_err(text)?;
    builder = builder.with_intra_threads(threads).map_err(|e| e.to_string())?;
    builder = builder.with_inter_threads(1).map_err(|e| e.to_string())?;
    builder = builder.with_parallel_execution(false).map_err(|e| e.to_string())?;
    builder = builder.with_intra_op_spinning(false).map_err(|e| e.to_string())?;
    builder = builder.with_deterministic_compute(true).map_err(|e| e.to_string())?;
    builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(|e| e.to_string())?;
    builder = builder.with_log_level(LogLevel::Error).map_err(|e| e.to_string())?;
    builder.commit_from_memory(bytes).map_err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_an_error_that_says_what_to_do() {
        let error = check(Some("/nowhere/libonnxruntime.so")).unwrap_err();
        assert_eq!(
            error.message(),
            "`runtime` names `/nowhere/libonnxruntime.so`, where there is no file; install ONNX Runtime 1.17 or later \
             (`pip install onnxruntime` brings it: onnxruntime/capi/libonnxruntime.so.1.*), and give the path of the \
             library as `runtime` or in the variable ORT_DYLIB_PATH"
        );
    }

    #[test]
    fn what_is_no_library_is_an_error_too() {
        let error = environment(Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).unwrap_err();
        assert!(error.message().starts_with("ONNX Runtime cannot be loaded: "), "{error}");
        assert!(error.message().contains("invalid ELF header; install ONNX Runtime"), "{error}");
    }

    #[test]
    fn messages_fit_on_a_line() {
        assert_eq!(
            line("Non-zero status code.\n  Status Message: bad\n\n"),
            "Non-zero status code. Status Message: bad"
        );
        assert_eq!(line("Protobuf parsing failed."), "Protobuf parsing failed");
    }
}
