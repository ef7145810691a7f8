//! What the ports carry, and whether it fits.

use super::{Edge, Resolver, Source};
use crate::diagnostic::quote;
use crate::manifest::{Kind, Offered, PortDecl, Unit};
use serde_json::Value;

/// What a port may carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) kinds: Vec<Kind>,
    /// Empty means any.
    units: Vec<Unit>,
}

impl Type {
    pub(super) fn of(port: &PortDecl) -> Type {
        Type { kinds: port.kind.clone(), units: port.unit.clone() }
    }

    /// What both allow, None when nothing.
    pub(super) fn meet(&self, other: &Type) -> Option<Type> {
        let kinds: Vec<Kind> = self.kinds.iter().copied().filter(|k| other.kinds.contains(k)).collect();
        let units: Vec<Unit> = match (self.units.is_empty(), other.units.is_empty()) {
            (true, _) => other.units.clone(),
            (false, true) => self.units.clone(),
            (false, false) => self.units.iter().copied().filter(|u| other.units.contains(u)).collect(),
        };
        let units_meet = !units.is_empty() || self.units.is_empty() || other.units.is_empty();
        (!kinds.is_empty() && units_meet).then_some(Type { kinds, units })
    }

    /// "a volume in HU", "a mask or labels".
    pub(super) fn words(&self) -> String {
        let join = |names: Vec<&str>| names.join(" or ");
        let kinds = join(self.kinds.iter().map(|k| k.name()).collect());
        match self.units.as_slice() {
            [] => kinds,
            [Unit::None] => format!("{kinds} without unit"),
            units => format!("{kinds} in {}", join(units.iter().map(|u| u.name()).collect())),
        }
    }
}

impl Resolver<'_> {
    /// Checks what arrives at a stage and works out what its outputs carry; its sources are done.
    pub(super) fn types(&mut self, n: usize) {
        let Some(Offered { stage: manifest, .. }) = self.stages[n].offered.clone() else { return };
        let inputs = self.stages[n].inputs.clone();
        for (port, edges) in manifest.inputs.iter().zip(&inputs) {
            for edge in edges {
                self.check_edge(n, port, *edge);
            }
        }
        let mut types = Vec::new();
        for port in &manifest.outputs {
            let mut own = Type::of(port);
            if let Some(input) = &port.like
                && let Some(p) = manifest.inputs.iter().position(|i| i.name == *input)
            {
                own = Type::of(&manifest.inputs[p]);
                if let Some(edge) = inputs.get(p).and_then(|edges| edges.first())
                    && let Some(meet) = self.carried(edge.from).and_then(|c| c.meet(&own))
                {
                    own = meet;
                }
            }
            let value = |param: &Option<String>| {
                self.stages[n].params.values.get(param.as_ref()?).and_then(Value::as_str)
            };
            if let Some(kind) = value(&port.kind_param).and_then(Kind::from_name) {
                own.kinds = vec![kind];
            }
            if let Some(unit) = value(&port.unit_param).and_then(Unit::from_name) {
                own.units = vec![unit];
            }
            types.push(own);
        }
        self.stages[n].types = types;
    }

    pub(super) fn carried(&self, source: Source) -> Option<&Type> {
        self.stages.get(source.stage)?.types.get(source.port)
    }

    fn check_edge(&mut self, n: usize, port: &PortDecl, edge: Edge) {
        let wanted = Type::of(port);
        let Some(carried) = self.carried(edge.from) else { return };
        let source = &self.stages[edge.from.stage];
        let Some(manifest) = source.offered.as_ref().map(|o| &o.stage) else { return };
        let from = |p: usize| {
            format!("{}.{}", source.name, manifest.outputs.get(p).map_or("?", |output| output.name.as_str()))
        };
        let connection = format!("`{} -> {}.{}`", from(edge.from.port), self.stages[n].name, port.name);
        if carried.meet(&wanted).is_some() {
            let output = manifest.outputs.get(edge.from.port);
            if let Some((has, needed)) = output.and_then(|output| port.voxels.contradicts(&output.voxels)) {
                let message =
                    format!("{connection} carries {} with {has}, the input takes {needed}", carried.words());
                self.found.error(edge.at, || (message, "put a stage between that converts"));
            }
            return;
        }
        let message = format!("{connection} carries {}, the input takes {}", carried.words(), wanted.words());
        // Perhaps the right stage and the wrong one of its outputs, or a parameter says what is carried.
        let other = source.types.iter().position(|t| t.meet(&wanted).is_some());
        let help = match (other, self.decided_by(edge.from, &wanted)) {
            (Some(other), _) => format!("did you mean {}?", quote(&from(other))),
            (None, Some((origin, param, value))) => {
                if !self.blamed.insert(origin) {
                    return; // said once already
                }
                let stage = quote(&self.stages[origin.stage].name);
                format!("if that is what it is, write `{param}: {value}` under `with` of stage {stage}")
            }
            (None, None) => "connect another output or put a stage between that converts".to_owned(),
        };
        self.found.error(edge.at, || (message, help));
    }

    /// The output that an output takes its kind and unit from, if a parameter there decides and a value of it
    /// would give what is wanted.
    fn decided_by(&self, mut source: Source, wanted: &Type) -> Option<(Source, String, &'static str)> {
        loop {
            let draft = self.stages.get(source.stage)?;
            let manifest = &draft.offered.as_ref()?.stage;
            let port = manifest.outputs.get(source.port)?;
            let carried = self.carried(source)?;
            if carried.kinds.iter().any(|k| wanted.kinds.contains(k)) {
                if let Some(param) = &port.unit_param {
                    return Some((source, param.clone(), wanted.units.first()?.name()));
                }
            } else if let Some(param) = &port.kind_param {
                return Some((source, param.clone(), wanted.kinds.first()?.name()));
            }
            // The order of the stages has no cycle, so this ends.
            let input = manifest.inputs.iter().position(|i| Some(&i.name) == port.like.as_ref())?;
            source = draft.inputs.get(input)?.first()?.from;
        }
    }
}
