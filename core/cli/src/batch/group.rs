//! What runs once over all cases.

use super::layout::Layout;
use super::{State, Study};
use crate::Failure;
use crate::console::{self, Progress};
use crate::project::Installed;
use ichor_exec::{OutputRecord, Request, RunRecord, write_whole};
use ichor_spec::spec::{StageSpec, Use, group_input};
use ichor_spec::{Options, Override, Spec};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Gathers the tables of the cases that are `done` and runs the group's stages on them.
pub fn run(study: &Study, layout: &Layout, states: &[State], cancel: &AtomicBool) -> Result<(), Failure> {
    let args = &study.args;
    let Some(group) = study.spec.group_pipeline(&study.names(), &|name| study.common.contains_key(name))
    else {
        return Ok(());
    };
    let folder = layout.out.join("tables");
    let mut options = Options { inputs: study.common.clone(), require_inputs: true, ..Options::default() };
    options.inputs.retain(|name, _| group.spec.inputs.iter().any(|input| input.name.value == *name));
    let variants: Vec<Option<&String>> = match study.variants.len() {
        0 => vec![None],
        _ => study.variants.iter().map(|v| Some(&v.name)).collect(),
    };
    for need in &group.needs {
        for (number, variant) in variants.iter().enumerate() {
            let name = group_input(need, *variant);
            let mut merged = Merged::default();
            for (index, state) in states.iter().enumerate() {
                let item = study.item(index);
                if item.number == number && matches!(state, State::Done | State::Kept) {
                    let folder = layout.case(&item.case.name, item.variant());
                    merged.add(&item.case.name, &folder.join(file_of(need, &folder)))?;
                }
            }
            let path = folder.join(format!("{name}.tsv"));
            write_whole(&path, merged.text().as_bytes())
                .map_err(|e| Failure::stage(format!("cannot write {}: {e}", path.display())))?;
            options.inputs.insert(name, path.display().to_string());
        }
    }
    options.inputs.insert("cases".into(), args.cases.display().to_string());
    options.inputs.retain(|name, _| group.spec.inputs.iter().any(|input| input.name.value == *name));
    options.overrides = methods(&group.spec, &study.installed, &study.names());
    let plan = study.resolve(&group.spec, &options)?;
    let engine = &args.engine;
    let host = engine.host()?;
    let record = ichor_exec::run(&Request {
        plan: &plan,
        arguments: &args.pipeline.arguments(),
        plugins: &study.installed.files,
        host: &host,
        out: &layout.group(),
        isolation: engine.isolation(),
        cache: engine.cache(&args.out).as_ref(),
        memory: engine.memory(),
        cancel,
        observer: &Progress::new(&plan, false),
    });
    let record = record.map_err(|e| Failure::stage(format!("over all cases: {e}")))?;
    for output in &record.outputs {
        console::print(&format!("  {}", layout.group().join(&output.file).display()));
    }
    Ok(())
}

/// What tells stages that compare what they compare: the variants' names, where the pipeline names nothing.
pub fn methods(spec: &Spec, installed: &Installed, names: &[String]) -> Vec<Override> {
    let takes = |stage: &&StageSpec| {
        let Use::Stage { id, .. } = &stage.uses.value else { return false };
        let offered = installed.catalogue.find(id);
        offered.and_then(|o| o.stage.params()).is_some_and(|params| params.contains_key("methods"))
            && !stage.with.iter().any(|(name, _)| name.value == "methods")
    };
    let name = |stage: &StageSpec| Override {
        stage: stage.name.value.clone(),
        param: "methods".into(),
        value_text: serde_json::to_string(names).unwrap_or_default(),
    };
    if names.is_empty() { Vec::new() } else { spec.stages.iter().filter(takes).map(name).collect() }
}

/// The file in a case's folder that holds `need`, `STAGE.PORT` or a stage with one output.
fn file_of(need: &str, folder: &Path) -> String {
    let name = group_input(need, None);
    let is_it = |output: &&OutputRecord| match need.contains('.') {
        true => output.name == name,
        false => output.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with('-')),
    };
    let record = RunRecord::read(folder);
    let found = record.and_then(|r| r.outputs.iter().find(is_it).map(|o| o.file.clone()));
    found.unwrap_or_else(|| format!("{name}.tsv"))
}

/// Tables of cases below one another, under a column `case`.
#[derive(Default)]
struct Merged {
    head: Option<String>,
    rows: String,
}

impl Merged {
    fn add(&mut self, case: &str, path: &Path) -> Result<(), Failure> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).map_err(|e| Failure::stage(format!("cannot read {shown}: {e}")))?;
        let mut lines = text.lines();
        let head = lines.next().unwrap_or_default();
        match &self.head {
            None => self.head = Some(head.to_owned()),
            Some(first) if first != head => {
                return Err(Failure::stage(format!(
                    "{shown} has other columns than the same table of the cases before; remove the folder of the case \
                     that an older pipeline made"
                )));
            }
            Some(_) => {}
        }
        let has_case = head.split('\t').any(|column| column == "case");
        for line in lines.filter(|line| !line.is_empty()) {
            if !has_case {
                self.rows.push_str(case);
                self.rows.push('\t');
            }
            self.rows.push_str(line);
            self.rows.push('\n');
        }
        Ok(())
    }

    fn text(&self) -> String {
        let head = self.head.as_deref().unwrap_or_default();
        let case = if head.split('\t').any(|column| column == "case") { "" } else { "case\t" };
        format!("{case}{head}\n{}", self.rows)
    }
}
