//! What the ports carry, and whether it fits.

use super::{Edge, Resolver, Role, Source};
use crate::diagnostic::quote;
use crate::manifest::{Kind, Offered, PortDecl, StageManifest, Unit};
use crate::spec::InputSpec;
use crate::voxels::VoxelRules;
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

    /// What an input of a pipeline takes when it is connected.
    pub(super) fn of_input(input: &InputSpec) -> Type {
        Type { kinds: input.kind.carries().into_iter().collect(), units: input.unit.into_iter().collect() }
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
    /// Works out what the outputs of a stage carry; its sources are done.
    pub(super) fn types(&mut self, n: usize) {
        let Some(Offered { stage: manifest, .. }) = self.stages[n].offered.clone() else { return };
        let inputs = self.stages[n].inputs.clone();
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

    /// Checks what arrives at the inputs of pipelines that are stages.
    pub(super) fn check_doors(&mut self) {
        for n in 0..self.doors.len() {
            let door = &self.doors[n];
            let (input, edges) = (door.input, door.edges.clone().unwrap_or_default());
            let target = format!("{}{}", self.scopes[door.scope].dotted(), input.name.value);
            for edge in edges {
                let fits = self.check_edge(&target, &Type::of_input(input), &VoxelRules::default(), edge);
                self.doors[n].is_wrong |= !fits;
            }
        }
    }

    /// Checks what arrives at a stage.
    pub(super) fn check_edges(&mut self, n: usize) {
        let Some(Offered { stage: manifest, .. }) = self.stages[n].offered.clone() else { return };
        let inputs = self.stages[n].inputs.clone();
        for (port, edges) in manifest.inputs.iter().zip(&inputs) {
            let target = format!("{}.{}", self.stages[n].name, port.name);
            for edge in edges {
                self.check_edge(&target, &Type::of(port), &port.voxels, *edge);
            }
        }
    }

    /// Whether what an edge carries is what its target takes; a door that it came through may have said so before.
    fn check_edge(&mut self, target: &str, wanted: &Type, voxels: &VoxelRules, edge: Edge) -> bool {
        if edge.door.is_some_and(|door| self.doors[door].is_wrong) {
            return false;
        }
        let Some(carried) = self.carried(edge.from).cloned() else { return true };
        let source = &self.stages[edge.from.stage];
        let Some(manifest) = source.offered.as_ref().map(|o| &o.stage) else { return true };
        let from = |p: usize| {
            format!("{}.{}", source.name, manifest.outputs.get(p).map_or("?", |output| output.name.as_str()))
        };
        let connection = format!("`{} -> {target}`", from(edge.from.port));
        if carried.meet(wanted).is_some() {
            let output = manifest.outputs.get(edge.from.port);
            let Some((has, needed)) = output.and_then(|output| voxels.contradicts(&output.voxels)) else {
                return true;
            };
            let message =
                format!("{connection} carries {} with {has}, the input takes {needed}", carried.words());
            self.found.error(edge.at, || (message, "put a stage between that converts"));
            return false;
        }
        let message = format!("{connection} carries {}, the input takes {}", carried.words(), wanted.words());
        // Perhaps the right stage and the wrong one of its outputs, or a parameter says what is carried.
        let other = source.types.iter().position(|t| t.meet(wanted).is_some());
        let help = match (other, self.decided_by(edge.from, wanted)) {
            (Some(other), _) => format!("did you mean {}?", quote(&from(other))),
            (None, Some((origin, param, value))) => {
                if !self.blamed.insert(origin) {
                    return false; // said once already
                }
                let draft = &self.stages[origin.stage];
                let place = match draft.role {
                    Role::Reader => format!("in the declaration of input {}", quote(read_by(&draft.name))),
                    _ => format!("under `with` of stage {}", quote(&draft.name)),
                };
                let between = match self.converters(&carried, wanted) {
                    stages if stages.is_empty() => String::new(),
                    stages => format!("; if not, put a stage between that converts: {stages}"),
                };
                format!("if that is what it is, write `{param}: {value}` {place}{between}")
            }
            (None, None) => match self.converters(&carried, wanted) {
                stages if stages.is_empty() => "connect another output".to_owned(),
                stages => format!("connect another output, or put a stage between that converts: {stages}"),
            },
        };
        self.found.error(edge.at, || (message, help));
        false
    }

    /// The stages that would turn what is carried into what is wanted, at most four.
    fn converters(&self, carried: &Type, wanted: &Type) -> String {
        let makes = |stage: &StageManifest| {
            let takes =
                stage.inputs.iter().any(|port| !port.optional && carried.meet(&Type::of(port)).is_some());
            let gives = |port: &PortDecl| {
                let is_fixed = port.like.is_none() && port.kind_param.is_none();
                is_fixed && Type::of(port).meet(wanted).is_some()
            };
            takes && stage.outputs.iter().any(gives)
        };
        let stages = self.catalogue.stages().filter(|offered| makes(&offered.stage));
        let names: Vec<String> = stages.map(|offered| quote(&offered.stage.id)).take(4).collect();
        names.join(", ")
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

/// The input that a stage of this name reads.
fn read_by(name: &str) -> &str {
    name.rsplit_once("load:").map_or(name, |(_, input)| input)
}
