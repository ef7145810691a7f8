//! A program that makes a document or any other file.

use ichor_sdk::prelude::*;

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Param)]
enum Form {
    Doc,
    Blob,
}

exec_stage! {
    /// Runs a program that makes a document or any other file.
    ///
    /// As exec-image, with any file at `{output}`. A pipeline that names the output writes it with the ending
    /// of `output`: `report.html` makes `html`, `x.nii.gz` makes `nii.gz`.
    #[stage(id = "exec-doc", version = "1.0.0")]
    #[output(doc, kind = "doc|blob", kind_param = "kind", doc = "the file that the program wrote")]
    pub struct ExecDoc {
        /// `doc` is UTF-8 text, `blob` any bytes.
        #[param(default = "doc")]
        kind: Form,
        /// What it is, for whoever reads it.
        #[param(default = "text/plain")]
        media_type: String,
        /// Name of the file that the program writes, in its folder.
        #[param(default = "output.txt")]
        output: String,
    }
}

impl Run for ExecDoc {
    fn run(&self, run: &Context) -> Result<()> {
        let done = self.task().run(run, &run.many(Self::IMAGES)?, &run.many(Self::TABLES)?)?;
        let bytes = done.bytes()?;
        match self.kind {
            Form::Blob => self.emit(run, bytes)?,
            Form::Doc => {
                let text = std::str::from_utf8(&bytes);
                let text =
                    text.map_err(|_| done.wrong("is no UTF-8 text; set `kind: blob` for other bytes"))?;
                run.emit_doc(Self::DOC, &self.media_type, extension(&self.output), text)?;
            }
        }
        let mut meta = done.meta.clone();
        meta["media_type"] = self.media_type.as_str().into();
        meta["extension"] = extension(&self.output).into();
        run.set_meta(Self::DOC, &meta)?;
        done.close(run);
        Ok(())
    }

    fn plan(&self, run: &Context) -> Result<Need> {
        match self.kind {
            Form::Blob => self.emit(run, Vec::new())?,
            Form::Doc => run.emit_doc(Self::DOC, &self.media_type, extension(&self.output), "")?,
        }
        self.task().plan(run, &run.many(Self::IMAGES)?, &run.many(Self::TABLES)?)
    }
}

impl ExecDoc {
    fn emit(&self, run: &Context, bytes: Vec<u8>) -> Result<()> {
        run.emit_blob(Self::DOC, &self.media_type, extension(&self.output), bytes)
    }
}

/// The ending of a file name, with what gzip was put around; `bin` without one.
fn extension(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    let inner = file.strip_suffix(".gz").unwrap_or(file);
    let plain = |e: &str| (1..=13).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric());
    match inner.rsplit_once('.') {
        Some((_, end)) if plain(end) => &file[inner.len() - end.len()..],
        _ if inner.len() < file.len() => "gz",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_plain() {
        for (name, wanted) in [
            ("report.html", "html"),
            ("a.b/x.nii.gz", "nii.gz"),
            ("a.b/x", "bin"),
            ("x.gz", "gz"),
            ("x.", "bin"),
            ("x.a b", "bin"),
            ("x.é", "bin"),
            ("x.averyverylongending", "bin"),
        ] {
            assert_eq!(extension(name), wanted, "{name}");
        }
    }
}
