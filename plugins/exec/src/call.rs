//! One call of a program: a private folder, the inputs as files in it, the program, its output file.

use crate::placeholders::Values;
use crate::printed::Printed;
use crate::process::{self, End, Limits};
use crate::{nifti_write, tsv};
use ichor_sdk::json::{Value, json};
use ichor_sdk::prelude::*;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, ExitStatus};
use tempfile::TempDir;

/// Where programs look for programs, unless `environment` says otherwise: not where the person at the
/// terminal does.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Variables that libraries take their number of threads from.
const THREADS: [&str; 4] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"];
/// By which the host finds what a worker has started, should the worker die: handed on.
const MARK: &str = "ICHOR_WORKER";

/// What to run: the parameters that all stages share.
pub struct Task<'a> {
    pub program: &'a str,
    pub script: Option<&'a str>,
    pub files: &'a [String],
    pub args: &'a [String],
    pub names: &'a [String],
    pub output: &'a str,
    pub environment: &'a [String],
    pub version_args: &'a [String],
    pub version: Option<&'a str>,
    pub limits: Limits,
}

/// A program that ended well.
#[derive(Debug)]
pub struct Done {
    /// The file it was to write; it is there.
    pub output: PathBuf,
    /// For the output's metadata: `exec`, with the program's name and version.
    pub meta: Value,
    /// What to say of the file: `cp` wrote `output.nii`, which
    wrote: String,
    folder: TempDir,
}

impl Done {
    /// The output file is not what it should be: `why` goes on after "which".
    pub fn wrong(&self, why: &str) -> Error {
        Error::io(format!("{} {why}", self.wrote))
    }

    /// The bytes of the output file.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.output).map_err(|e| self.wrong(&format!("cannot be read: {e}")))
    }

    /// Removes the folder. What is left there may be a patient's, so that a failure is told.
    pub fn close(self, run: &Context) {
        let path = self.folder.path().display().to_string();
        if let Err(e) = self.folder.close() {
            run.warn(&format!("the folder {path} cannot be removed: {e}; remove it"));
        }
    }
}

/// A command line with everything in its place.
#[derive(Debug, PartialEq)]
struct Call {
    program: PathBuf,
    args: Vec<String>,
    version_args: Vec<String>,
    environment: Vec<(String, String)>,
    images: Vec<PathBuf>,
    tables: Vec<PathBuf>,
    output: PathBuf,
}

impl Task<'_> {
    /// Runs the program on these inputs.
    ///
    /// # Errors
    /// It cannot be started, is stopped at a limit, ends with anything but 0, or leaves no output file.
    pub fn run(&self, run: &Context, images: &[Input], tables: &[Input]) -> Result<Done> {
        check_kinds(images, tables)?;
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("ichor-exec-").permissions(private).tempdir();
        let folder = folder
            .map_err(|e| Error::io(format!("no folder for the program can be made: {e}; set TMPDIR")))?;
        let counts = [images.len(), tables.len()];
        let call = self.call(folder.path(), counts, run.max_threads(), run.seed())?;
        let name = self.name();

        let mut about = json!({ "program": name });
        if !self.version_args.is_empty() {
            let version = self.start(run, folder.path(), &call, &call.version_args)?;
            if let Some(wanted) = self.version.filter(|wanted| !version.contains(*wanted)) {
                return Err(Error::unsupported(format!(
                    "`{}` is not the version `{wanted}` that the pipeline asks for; it says: {version}",
                    self.program
                )));
            }
            about["version"] = version.into();
        }
        call.write(run, images, tables)?;
        run.progress(0.1, &format!("running {name}"));
        self.start(run, folder.path(), &call, &call.args)?;
        run.progress(0.9, "reading what it wrote");
        if !fs::metadata(&call.output).is_ok_and(|m| m.is_file()) {
            return Err(Error::io(format!(
                "`{name}` ended well and left no file `{}` in its folder ({}); its `args` must say where to write, as \
                 `{{output}}`",
                self.output,
                list(folder.path())
            )));
        }
        let wrote = format!("`{name}` wrote `{}`, which", self.output);
        Ok(Done { output: call.output, meta: json!({ "exec": about }), wrote, folder })
    }

    /// What can be known before a run.
    ///
    /// # Errors
    /// What would make the run fail for certain.
    pub fn plan(&self, run: &Context, images: &[Input], tables: &[Input]) -> Result<Need> {
        check_kinds(images, tables)?;
        let counts = [images.len(), tables.len()];
        self.call(Path::new("/"), counts, run.max_threads(), run.seed())?;
        // The program and the reading of its output come one after the other.
        let voxels = images.first().map_or(0, |image| image.grid().len() as u64);
        Ok(Need { scratch_bytes: self.limits.memory.unwrap_or(0).max(8 * voxels), device_bytes: 0 })
    }

    fn name(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or(self.program)
    }

    /// Places everything in the folder `work`.
    fn call(&self, work: &Path, [images, tables]: [usize; 2], threads: usize, seed: u64) -> Result<Call> {
        let mut default: Vec<String> = (0..images).map(|n| format!("image-{n}.nii")).collect();
        default.extend((0..tables).map(|n| format!("table-{n}.tsv")));
        let names = if self.names.is_empty() { &default } else { self.names };
        if names.len() != default.len() {
            let n = names.len();
            return Err(Error::bad_params(format!(
                "`names` has {n} names for {images} images and {tables} tables"
            )));
        }
        for (n, name) in names.iter().enumerate() {
            let endings = if n < images { [".nii", ".nii.gz"] } else { [".tsv", ".json"] };
            if !endings.iter().any(|e| name.ends_with(e)) {
                let [a, b] = endings;
                return Err(Error::bad_params(format!(
                    "`names`: `{name}` ends neither with {a} nor with {b}"
                )));
            }
        }
        let all: Vec<&str> = names.iter().map(String::as_str).chain([self.output]).collect();
        for (n, name) in all.iter().enumerate() {
            if !is_inside(name) {
                return Err(Error::bad_params(format!(
                    "`{name}` is no name of a file in the program's folder; neither `/` at its start nor `..` can be there"
                )));
            }
            if all[..n].contains(name) {
                return Err(Error::bad_params(format!(
                    "the file name `{name}` is used twice; each file needs its own"
                )));
            }
        }
        let program = self.executable()?;
        let text = |path: &Path| {
            let path = std::path::absolute(path)?;
            path.into_os_string()
                .into_string()
                .map_err(|p| Error::io(format!("the path {} is no UTF-8", p.display())))
        };
        let inside = |name: &str| text(&work.join(name));
        let (image_names, table_names) = names.split_at(images);
        let image_paths = image_names.iter().map(|n| inside(n)).collect::<Result<Vec<_>>>()?;
        let table_paths = table_names.iter().map(|n| inside(n)).collect::<Result<Vec<_>>>()?;
        let output = inside(self.output)?;
        let values = Values {
            lists: vec![
                ("images", image_paths.clone()),
                ("tables", table_paths.clone()),
                ("files", self.files.iter().map(|f| text(Path::new(f))).collect::<Result<_>>()?),
            ],
            singles: vec![
                ("output", Some(output.clone())),
                ("work", Some(text(work)?)),
                ("script", self.script.map(|s| text(Path::new(s))).transpose()?),
                ("threads", Some(threads.to_string())),
                ("seed", Some(seed.to_string())),
            ],
        };
        if self.version.is_some() && self.version_args.is_empty() {
            let help = "`version` needs `version_args`, such as [--version], to ask the program for it";
            return Err(Error::bad_params(help));
        }
        Ok(Call {
            program,
            args: values.expand(self.args)?,
            version_args: values.expand(self.version_args)?,
            environment: self.variables(&values)?,
            images: image_paths.into_iter().map(PathBuf::from).collect(),
            tables: table_paths.into_iter().map(PathBuf::from).collect(),
            output: output.into(),
        })
    }

    /// The program, from any folder. Symbolic links are kept: a virtual environment and busybox live by them.
    fn executable(&self) -> Result<PathBuf> {
        let program = self.program;
        let meta = fs::metadata(program).map_err(|e| {
            let why = if program.contains('/') {
                "look at `program`".to_owned()
            } else {
                format!(
                    "`program` must be a path, because the file's content is in the cache key, and what a search finds is \
                     not known before; `command -v {program}` prints it"
                )
            };
            Error::io(format!("`{program}` cannot be run: {e}; {why}"))
        })?;
        if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
            return Err(Error::io(format!(
                "`{program}` cannot be run: it is no executable file; `chmod +x` makes it one, or give its interpreter as \
                 `program` and it as `script`"
            )));
        }
        Ok(std::path::absolute(program)?)
    }

    fn variables(&self, values: &Values) -> Result<Vec<(String, String)>> {
        let parse = |line: &String| {
            let pair = line.split_once('=').filter(|(name, _)| {
                !name.starts_with(|c: char| c.is_ascii_digit())
                    && !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            });
            let (name, value) = pair.ok_or_else(|| {
                Error::bad_params(format!(
                    "`environment`: `{line}` is not NAME=VALUE, a name of letters, digits and _"
                ))
            })?;
            Ok((name.to_owned(), values.fill(value)?))
        };
        self.environment.iter().map(parse).collect()
    }

    /// Runs the program with `args`; returns the last lines that it printed.
    fn start(&self, run: &Context, work: &Path, call: &Call, args: &[String]) -> Result<String> {
        let name = self.name();
        let log = |line: &str| run.info(&format!("{name}: {line}"));
        let mut printed = Printed::new(&log);
        let mut command = Command::new(&call.program);
        command.args(args).current_dir(work).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
        command.envs([("HOME", work), ("TMPDIR", work)]);
        command.envs(THREADS.map(|name| (name, run.max_threads().to_string())));
        command.envs(call.environment.iter().map(|(name, value)| (name, value)));
        command.envs(std::env::var_os(MARK).map(|mark| (MARK, mark)));
        let ended = process::run(&mut command, Some(work), self.limits, &|| run.cancelled(), &mut |bytes| {
            printed.hear(bytes)
        });
        printed.finish();
        let failed = |what: &str| Err(Error::io(format!("`{name}` {what}{}", printed.tail())));
        match ended.map_err(|e| Error::io(cannot_start(self.program, &e)))? {
            End::Exited(status) if status.success() => Ok(printed.text()),
            End::Exited(status) => failed(&how(status)),
            End::Cancelled => Err(Error::cancelled()),
            End::OutOfTime => failed(&format!(
                "was stopped after its time limit of {} s; raise `seconds` or look why it takes so long",
                self.limits.seconds.unwrap_or_default()
            )),
            End::OutOfMemory => Err(Error::out_of_memory(format!(
                "`{name}` was stopped at its memory limit of {} MiB; raise `memory_mib` or give it less{}",
                self.limits.memory.unwrap_or_default() >> 20,
                printed.tail()
            ))),
        }
    }
}

impl Call {
    /// Writes the inputs.
    fn write(&self, run: &Context, images: &[Input], tables: &[Input]) -> Result<()> {
        let full =
            |e: io::Error| Error::io(format!("an input of the program cannot be written: {e}; set TMPDIR"));
        for path in self.images.iter().chain(&self.tables).chain([&self.output]) {
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(full)?;
        }
        for (n, (image, path)) in images.iter().zip(&self.images).enumerate() {
            let watch = |part: f64| {
                run.progress(0.1 * (n as f64 + part) / images.len() as f64, "writing its inputs");
                run.check_cancelled()
            };
            let compressed = path.extension().is_some_and(|e| e == "gz");
            nifti_write::write(File::create(path).map_err(full)?, image, compressed, &watch)?;
        }
        for (table, path) in tables.iter().zip(&self.tables) {
            let table = table.table()?;
            let is_json = path.extension().is_some_and(|e| e == "json");
            fs::write(path, if is_json { table.to_json() } else { tsv::to_tsv(&table) }).map_err(full)?;
        }
        Ok(())
    }
}

/// Inputs are what their ports say; a host may not have looked.
fn check_kinds(images: &[Input], tables: &[Input]) -> Result<()> {
    let is_image = |i: &Input| matches!(i.kind(), Kind::Volume | Kind::Mask | Kind::Labels | Kind::Probs);
    if let Some(wrong) = images.iter().find(|i| !is_image(i)) {
        return Err(Error::bad_input(format!("input `images` is {:?}, voxels are needed", wrong.kind())));
    }
    if let Some(wrong) = tables.iter().find(|i| i.kind() != Kind::Table) {
        return Err(Error::bad_input(format!("input `tables` is {:?}, a table is needed", wrong.kind())));
    }
    Ok(())
}

/// A relative path that leads nowhere else.
fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    let plain = |c: Component| matches!(c, Component::Normal(_));
    !name.contains('\0') && !name.ends_with('/') && path.components().all(plain) && path.file_name().is_some()
}

/// What is in a folder, for a message.
fn list(folder: &Path) -> String {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| format!("`{}`", e.file_name().to_string_lossy())).collect();
    names.sort();
    let more = names.len().saturating_sub(8);
    names.truncate(8);
    match (names.is_empty(), more) {
        (true, _) => "it is empty".into(),
        (_, 0) => format!("there is {}", names.join(", ")),
        _ => format!("there is {} and {more} more", names.join(", ")),
    }
}

fn cannot_start(program: &str, error: &io::Error) -> String {
    // ENOENT of a file that is there is the interpreter in its first line; ENOEXEC is no program at all.
    let help = match error.raw_os_error() {
        Some(2 | 8) => {
            "; if it is a script, its first line must name an interpreter that is there, or give the interpreter \
                        as `program` and it as `script`"
        }
        _ => "",
    };
    format!("`{program}` cannot be run: {error}{help}")
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (_, Some(9)) => "was killed (signal 9), perhaps for want of memory".into(),
        (_, Some(signal)) => format!("died of signal {signal}"),
        _ => "ended and nobody knows how".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(change: impl FnOnce(&mut Task<'a>), counts: [usize; 2]) -> Result<Call, String> {
        let mut task = Task {
            program: "/bin/sh",
            script: None,
            files: &[],
            args: &[],
            names: &[],
            output: "output.nii",
            environment: &[],
            version_args: &[],
            version: None,
            limits: Limits { seconds: None, memory: None },
        };
        change(&mut task);
        task.call(Path::new("/f"), counts, 3, 5).map_err(|e| e.message().to_owned())
    }

    fn text(list: &[&str]) -> Vec<String> {
        list.iter().map(|&s| s.to_owned()).collect()
    }

    #[test]
    fn everything_has_its_place() {
        let args = text(&["{images}", "{tables[0]}", "-o{output}", "{work}", "{threads}", "{seed}"]);
        let environment = text(&["A_1=x=y", "B={work}/b", "C="]);
        let made = call(|t| (t.args, t.environment) = (&args, &environment), [2, 1]).unwrap();
        let wanted =
            ["/f/image-0.nii", "/f/image-1.nii", "/f/table-0.tsv", "-o/f/output.nii", "/f", "3", "5"];
        assert_eq!(made.args, wanted);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(made.environment, [pair("A_1", "x=y"), pair("B", "/f/b"), pair("C", "")]);
        assert_eq!((made.program, made.output), ("/bin/sh".into(), "/f/output.nii".into()));
    }

    #[test]
    fn inputs_can_be_named() {
        let names = text(&["in/case_0000.nii.gz", "t.json"]);
        let made = call(|t| t.names = &names, [1, 1]).unwrap();
        assert_eq!(made.images, [PathBuf::from("/f/in/case_0000.nii.gz")]);
        let refused = |names: &[&str], counts| {
            let names = text(names);
            call(|t| t.names = &names, counts).unwrap_err()
        };
        assert!(refused(&["a.nii"], [1, 1]).contains("has 1 names for 1 images and 1 tables"));
        assert!(refused(&["a.mha"], [1, 0]).contains("neither with .nii nor"));
        assert!(refused(&["a.nii"], [0, 1]).contains("neither with .tsv nor"));
        assert!(refused(&["output.nii"], [1, 0]).contains("used twice"));
        for outside in ["/a.nii", "../a.nii", "x/../../a.nii", "./.nii/../a.nii"] {
            assert!(refused(&[outside], [1, 0]).contains("is no name of a file"), "{outside}");
        }
        for outside in ["", "a/", "..", ".", "/"] {
            assert!(
                call(|t| t.output = outside, [0, 0]).unwrap_err().contains("is no name of a file"),
                "{outside}"
            );
        }
    }

    #[test]
    fn what_cannot_run_is_refused_before_it_does() {
        let program = |program: &'static str| call(|t| t.program = program, [0, 0]).unwrap_err();
        assert!(program("no-such-program").contains("`command -v no-such-program` prints it"));
        assert!(program("/no/such/program").contains("look at `program`"));
        assert!(program("/etc/passwd").contains("no executable file"));
        assert!(program("/").contains("no executable file"));
        assert!(call(|t| t.version = Some("1"), [0, 0]).unwrap_err().contains("needs `version_args`"));
        for wrong in ["A", "=x", "1A=x", "A B=x"] {
            let list = text(&[wrong]);
            assert!(
                call(|t| t.environment = &list, [0, 0]).unwrap_err().contains("is not NAME=VALUE"),
                "{wrong}"
            );
        }
    }
}
