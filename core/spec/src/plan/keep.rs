//! `--keep STAGE.PORT`: an output more than the file names.

use super::scopes::Member;
use super::{Edge, Resolver};
use crate::diagnostic::{quote, suggest};
use crate::spec::{Connection, OutputSpec, PortRef};
use crate::yaml::{Position, Spanned};

impl Resolver<'_> {
    /// Adds the output that `text` asks for.
    pub(super) fn keep(&mut self, text: &str, outputs: &mut Vec<(OutputSpec, Option<Vec<Edge>>)>) {
        let at = self.found.argument(&format!("--keep {text}"));
        let Some((scope, from)) = self.kept(text, at) else { return };
        let Some(edges) = self.reach(scope, &from, &mut Vec::new()) else { return };
        let PortRef::Stage { port, .. } = &from.value else { return };
        let port = port.clone().or_else(|| {
            let source = edges.first()?.from;
            Some(self.stages[source.stage].offered.as_ref()?.stage.outputs.get(source.port)?.name.clone())
        });
        let stage = text.split('.').next().unwrap_or(text).replace('/', "-");
        let name = format!("{stage}-{}", port.unwrap_or_default());
        if let Some((other, _)) = outputs.iter().find(|(o, _)| o.name.value.eq_ignore_ascii_case(&name)) {
            if other.name.at != at {
                self.found.error(at, || {
                    (format!("there is an output {} already", quote(&other.name.value)), "leave it out")
                });
            }
            return; // given twice
        }
        let from = Connection { is_list: edges.len() > 1, from: vec![from], at };
        outputs.push((OutputSpec { name: Spanned { value: name, at }, from }, Some(edges)));
    }

    /// The pipeline and the output in it that `cavity/fill.mask` names.
    fn kept(&mut self, text: &str, at: Position) -> Option<(usize, Spanned<PortRef>)> {
        let (path, port) = match text.split_once('.') {
            Some((path, port)) => (path, Some(port.to_owned())),
            None => (text, None),
        };
        let (outer, stage) =
            path.rsplit_once('/').map_or((None, path), |(outer, stage)| (Some(outer), stage));
        let mut scope = 0;
        for name in outer.into_iter().flat_map(|outer| outer.split('/')) {
            match self.scopes[scope].members.get(name) {
                Some(Member::Pipeline(inner)) => scope = *inner,
                Some(Member::Stage(_)) => {
                    self.found.error(at, || {
                        (format!("stage {} is not a pipeline, so no stages are in it", quote(name)), "")
                    });
                    return None;
                }
                None => {
                    let names = self.scopes[scope].members.keys().copied();
                    self.found.error(at, || {
                        let help = suggest(name, names, "its stages are");
                        (format!("the pipeline has no stage {}", quote(name)), help)
                    });
                    return None;
                }
            }
        }
        Some((scope, Spanned { value: PortRef::Stage { stage: stage.to_owned(), port }, at }))
    }
}
