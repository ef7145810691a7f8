//! What every stage here has: its inputs, and the parameters that say what to run.

/// Declares a stage with the common inputs and parameters and its own.
macro_rules! exec_stage {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        #[derive(Stage)]
        $(#[$meta])*
        #[input(images, kind = "volume|mask|labels|probs", many, optional, doc = "written as NIfTI-1 files")]
        #[input(tables, kind = "table", many, optional, doc = "written as TSV or JSON files")]
        pub struct $name {
            /// Path of the program. Its content is in the cache key; what it loads besides is not, see
            /// `files`.
            #[param(input_file)]
            program: String,
            /// Path of a script or container image that the program is to run: `{script}` in `args`. Its
            /// content is in the cache key.
            #[param(input_file)]
            script: Option<String>,
            /// Paths of other files that the program reads, such as weights and settings: `{files[0]}` in
            /// `args`. Their content is in the cache key.
            #[param(default = [], input_file)]
            files: Vec<String>,
            /// The program's arguments. No shell comes between: a placeholder is always part of one argument.
            #[param(default = [])]
            args: Vec<String>,
            /// File names of the inputs in the program's folder, images first: `.nii` or `.nii.gz`, tables
            /// `.tsv` or `.json`, as many as there are inputs. Without it `image-0.nii`, `table-0.tsv` and so
            /// on.
            #[param(default = [])]
            names: Vec<String>,
            /// Variables as NAME=VALUE, with placeholders. The program has no others than these and PATH,
            /// HOME, TMPDIR, LANG and the usual ones for a number of threads.
            #[param(default = [])]
            environment: Vec<String>,
            /// Arguments with which the program tells its version, such as `--version`: run first, logged,
            /// and written into the output's metadata.
            #[param(default = [])]
            version_args: Vec<String>,
            /// Text that must be in what `version_args` makes the program print. It is in the cache key.
            version: Option<String>,
            /// Wall time that the program may take.
            #[param(min = 0.01, unit = "s")]
            seconds: Option<f64>,
            /// Memory that the program and what it starts may use, looked at ten times a second.
            #[param(min = 1, unit = "MiB")]
            memory_mib: Option<u64>,
            $($own)*
        }

        impl $name {
            fn task(&self) -> crate::call::Task<'_> {
                crate::call::Task {
                    program: &self.program,
                    script: self.script.as_deref(),
                    files: &self.files,
                    args: &self.args,
                    names: &self.names,
                    output: &self.output,
                    environment: &self.environment,
                    version_args: &self.version_args,
                    version: self.version.as_deref(),
                    limits: crate::process::Limits {
                        seconds: self.seconds,
                        memory: self.memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
                    },
                }
            }
        }
    };
}
