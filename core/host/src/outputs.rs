//! What a stage makes, held against what its manifest promises.

use crate::job::{Breach, Job, Loops, StageError};
use crate::pool::BufferPool;
use crate::spool::Spool;
use crate::value::{DType, Shape, Value, kind_from_code};
use ichor_abi::*;
use ichor_image::parallel::map_ranges;
use ichor_image::{Affine, Grid};
use ichor_spec::{Kind, PortDecl, StageManifest, Unit, VoxelForm, VoxelRules};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The outputs of one run, as far as they are made.
pub(crate) struct Outputs<'a> {
    job: &'a Job<'a>,
    pool: &'a BufferPool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    made: Vec<Option<Made>>,
    refusal: Option<String>,
}

struct Made {
    value: Value,
    /// It is an input: checked when it was made.
    forwarded: bool,
    /// What is written piece by piece, in place of the value.
    spool: Option<Spool>,
}

type Refused = (ichor_status, String);

/// Metadata that belong to a grid, not to what lies on it: how its file wrote it down. Whatever a stage makes on
/// exactly the grid of an input has them, too.
const GRID: &str = "grid";

impl<'a> Outputs<'a> {
    /// Checks the inputs, too: their voxels are what their ports need, and those that must share a grid do.
    pub(crate) fn new(job: &'a Job<'a>, pool: &'a BufferPool) -> Result<Self, StageError> {
        check_inputs(job.stage, |port| job.inputs.get(port).into_iter().flatten().filter_map(|v| v.shape()))?;
        for (port, values) in job.stage.inputs.iter().zip(job.inputs) {
            let Some(other) = &port.grid else { continue };
            let Some(wanted) = input_grid(job, other) else { continue };
            if let Some(grid) = values.iter().filter_map(|v| v.grid()).find(|g| !g.same_as(&wanted)) {
                return Err(StageError::new(
                    ICHOR_BAD_INPUT,
                    format!(
                        "input `{}` ({grid}) must have the grid of input `{other}` ({wanted}){}; resample one to \
                         the other",
                        port.name,
                        where_they_differ(&grid, &wanted)
                    ),
                ));
            }
        }
        let made = job.stage.outputs.iter().map(|_| None).collect();
        Ok(Self { job, pool, state: Mutex::new(State { made, refusal: None }) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the host refused something, if it did.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.lock().refusal.clone()
    }

    fn answer<T>(&self, result: Result<T, Refused>) -> Result<T, ichor_status> {
        result.map_err(|(status, why)| {
            self.lock().refusal.get_or_insert(why);
            status
        })
    }

    fn port(&self, port: u32) -> Result<&'a PortDecl, Refused> {
        let outputs = &self.job.stage.outputs;
        outputs
            .get(port as usize)
            .ok_or_else(|| (ICHOR_BAD_PARAMS, format!("the stage has no output number {port}")))
    }

    pub(crate) fn new_tensor(&self, port: u32, shape: Shape) -> Result<Value, ichor_status> {
        self.answer(self.port(port).and_then(|decl| {
            let name = &decl.name;
            check_shape(&shape).map_err(|why| (ICHOR_BAD_PARAMS, format!("output `{name}`: {why}")))?;
            self.check_type(decl, shape.kind, shape.unit)?;
            check_promise(decl, &shape)?;
            if let Some(grid) = shape.grid() {
                self.check_grid(decl, &grid)?;
            }
            let bytes = shape.bytes().unwrap_or(usize::MAX);
            let buffer = self.pool.take(bytes).ok_or_else(|| {
                let gib = bytes as f64 / (1u64 << 30) as f64;
                (ICHOR_OUT_OF_MEMORY, format!("output `{name}` needs {gib:.1} GiB, which are not free"))
            })?;
            let mut value = Value::voxels(shape, Arc::new(buffer));
            if let Some(about) = value.grid().and_then(|grid| self.about(&grid)) {
                value.meta_mut().insert(GRID.to_owned(), about);
            }
            self.put(port, Made { value: value.clone(), forwarded: false, spool: None })?;
            Ok(value)
        }))
    }

    /// What an input's metadata say of the grid, when it lies on exactly this one.
    fn about(&self, grid: &Grid) -> Option<serde_json::Value> {
        let on_it = self.job.inputs.iter().flatten().filter(|input| input.grid() == Some(*grid));
        on_it.filter_map(|input| input.meta().get(GRID)).next().cloned()
    }

    pub(crate) fn forward(&self, out: u32, input: u32) -> ichor_status {
        let result = self.port(out).and_then(|decl| {
            let value = self.job.inputs.get(input as usize).and_then(|p| p.first()).ok_or_else(|| {
                (
                    ICHOR_BAD_PARAMS,
                    format!("output `{}` cannot be input number {input}: nothing is connected", decl.name),
                )
            })?;
            self.check_type(decl, value.kind(), value.unit())?;
            value.shape().map_or(Ok(()), |shape| check_promise(decl, shape))?;
            if let Some(grid) = value.grid() {
                self.check_grid(decl, &grid)?;
            }
            self.put(out, Made { value: Value::clone(value), forwarded: true, spool: None })
        });
        self.answer(result).err().unwrap_or(ICHOR_OK)
    }

    pub(crate) fn emit_bytes(&self, port: u32, kind: ichor_kind, bytes: &[u8]) -> ichor_status {
        let result = self.port(port).and_then(|decl| {
            let name = &decl.name;
            let kind = kind_from_code(kind)
                .filter(|k| matches!(k, Kind::Table | Kind::Doc | Kind::Blob))
                .ok_or_else(|| {
                    (ICHOR_BAD_PARAMS, format!("output `{name}`: kind {kind} is not made of bytes"))
                })?;
            self.check_type(decl, kind, Unit::None)?;
            if kind != Kind::Blob && std::str::from_utf8(bytes).is_err() {
                return Err((ICHOR_BAD_PARAMS, format!("output `{name}` is a {kind} and not UTF-8 text")));
            }
            if kind == Kind::Table {
                check_table(bytes)
                    .map_err(|why| (ICHOR_BAD_PARAMS, format!("output `{name}` is no table: {why}")))?;
            }
            self.put(port, Made { value: Value::from_bytes(kind, bytes), forwarded: false, spool: None })
        });
        self.answer(result).err().unwrap_or(ICHOR_OK)
    }

    pub(crate) fn write_blob(&self, port: u32, offset: u64, bytes: &[u8]) -> ichor_status {
        let result = self.port(port).and_then(|decl| {
            self.check_type(decl, Kind::Blob, Unit::None)?;
            let lost = |e: io::Error| (ICHOR_IO, format!("output `{}` could not be kept: {e}", decl.name));
            let mut state = self.lock();
            let Some(slot) = state.made.get_mut(port as usize) else { return Ok(()) };
            if slot.is_none() {
                let spool = Spool::new(self.job.folder).map_err(lost)?;
                let value = Value::from_bytes(Kind::Blob, []);
                *slot = Some(Made { value, forwarded: false, spool: Some(spool) });
            }
            match slot.as_mut().and_then(|made| made.spool.as_mut()) {
                Some(spool) => spool.write(offset, bytes).map_err(lost),
                None => Err((ICHOR_BAD_PARAMS, format!("output `{}` was made twice", decl.name))),
            }
        });
        self.answer(result).err().unwrap_or(ICHOR_OK)
    }

    pub(crate) fn read_blob(&self, port: u32, offset: u64, out: &mut [u8]) -> ichor_status {
        let result = self.port(port).and_then(|decl| {
            let state = self.lock();
            let spool = state.made.get(port as usize).and_then(|m| m.as_ref()?.spool.as_ref());
            let name = &decl.name;
            let spool = spool
                .ok_or_else(|| (ICHOR_BAD_PARAMS, format!("output `{name}` was read before written")))?;
            spool
                .read(offset, out)
                .map_err(|e| (ICHOR_IO, format!("output `{name}` does not read back: {e}")))
        });
        self.answer(result).err().unwrap_or(ICHOR_OK)
    }

    /// Bytes written so far.
    pub(crate) fn blob_len(&self, port: u32) -> usize {
        let state = self.lock();
        let spool = state.made.get(port as usize).and_then(|m| m.as_ref()?.spool.as_ref());
        spool.map_or(0, Spool::len)
    }

    pub(crate) fn set_meta(&self, port: u32, json: &str) -> ichor_status {
        let result = self.port(port).and_then(|decl| {
            let Ok(serde_json::Value::Object(meta)) = serde_json::from_str(json) else {
                return Err((
                    ICHOR_BAD_PARAMS,
                    format!("the metadata of output `{}` is no JSON object", decl.name),
                ));
            };
            match self.lock().made.get_mut(port as usize) {
                Some(Some(made)) => {
                    *made.value.meta_mut() = meta;
                    Ok(())
                }
                _ => {
                    Err((ICHOR_BAD_PARAMS, format!("output `{}` got metadata before it was made", decl.name)))
                }
            }
        });
        self.answer(result).err().unwrap_or(ICHOR_OK)
    }

    fn put(&self, port: u32, made: Made) -> Result<(), Refused> {
        let mut state = self.lock();
        match state.made.get_mut(port as usize) {
            Some(slot @ None) => {
                *slot = Some(made);
                Ok(())
            }
            _ => Err((ICHOR_BAD_PARAMS, format!("output `{}` was made twice", self.port(port)?.name))),
        }
    }

    /// The kind and unit are those that the manifest names, or those of an input or parameter it names.
    fn check_type(&self, decl: &PortDecl, kind: Kind, unit: Unit) -> Result<(), Refused> {
        let stage = self.job.stage;
        let like = decl.like.as_ref().and_then(|name| stage.inputs.iter().position(|p| p.name == *name));
        let like = like.and_then(|p| self.job.inputs.get(p)).and_then(|p| p.first());
        let param = |name: &Option<String>| self.job.params.get(name.as_ref()?)?.as_str();
        let kinds = match (param(&decl.kind_param).and_then(Kind::from_name), like) {
            (Some(kind), _) => vec![kind],
            (None, Some(input)) => vec![input.kind()],
            (None, None) => decl.kind.clone(),
        };
        let units = match (param(&decl.unit_param).and_then(Unit::from_name), like) {
            (Some(unit), _) => vec![unit],
            (None, Some(input)) => vec![input.unit()],
            (None, None) => decl.unit.clone(),
        };
        let name = &decl.name;
        if !kinds.is_empty() && !kinds.contains(&kind) {
            let wanted = kinds.iter().map(|k| k.name()).collect::<Vec<_>>().join(" or ");
            return Err((ICHOR_BAD_PARAMS, format!("output `{name}` is {kind}, its manifest says {wanted}")));
        }
        // Masks, labels and probabilities have the one unit that there is for them.
        if kind == Kind::Volume && !units.is_empty() && !units.contains(&unit) {
            let wanted = units.iter().map(|u| u.name()).collect::<Vec<_>>().join(" or ");
            return Err((
                ICHOR_BAD_PARAMS,
                format!("output `{name}` is in {unit}, its manifest says {wanted}"),
            ));
        }
        Ok(())
    }

    fn check_grid(&self, decl: &PortDecl, grid: &Grid) -> Result<(), Refused> {
        let Some(other) = &decl.grid else { return Ok(()) };
        let of_output = || {
            let place = self.job.stage.outputs.iter().position(|p| p.name == *other)?;
            self.lock().made[place].as_ref()?.value.grid()
        };
        let Some(wanted) = input_grid(self.job, other).or_else(of_output) else { return Ok(()) };
        if grid.same_as(&wanted) {
            return Ok(());
        }
        let differ = where_they_differ(grid, &wanted);
        let text = format!(
            "output `{}` has the grid {grid}, its manifest promises that of `{other}`, {wanted}{differ}",
            decl.name
        );
        Err((ICHOR_BAD_PARAMS, text))
    }

    /// The outputs, all made and each keeping its kind's promise.
    pub(crate) fn finish(&self, loops: &Loops) -> Result<Vec<Arc<Value>>, StageError> {
        let made = std::mem::take(&mut self.lock().made);
        let mut outputs = Vec::with_capacity(made.len());
        for (decl, made) in self.job.stage.outputs.iter().zip(made) {
            let name = &decl.name;
            let missing = || format!("it ended well without making its output `{name}`");
            let mut made = made.ok_or_else(|| StageError::breach(Breach::Missing, &missing()))?;
            if let Some(spool) = made.spool {
                let spooled = spool.finish().map_err(|e| {
                    StageError::new(ICHOR_IO, format!("output `{name}` could not be kept: {e}"))
                })?;
                made.value = Value::from_spooled(spooled).with_meta(std::mem::take(made.value.meta_mut()));
            }
            if let (Some(buffer), Some(shape), false) =
                (made.value.buffer(), made.value.shape(), made.forwarded)
            {
                if buffer.overrun() {
                    let why = format!("it wrote behind the end of its output `{name}`");
                    return Err(StageError::breach(Breach::Overrun, &why));
                }
                check_content(shape, buffer.bytes(), loops)
                    .map_err(|why| StageError::breach(Breach::Content, &format!("output `{name}` {why}")))?;
                // From here on it is an input of others, which must not write to it.
                buffer
                    .mapping()
                    .protect(false)
                    .map_err(|e| StageError::new(ICHOR_OUT_OF_MEMORY, e.to_string()))?;
            }
            outputs.push(Arc::new(made.value));
        }
        Ok(outputs)
    }
}

/// What is connected to each input has a kind, and as a volume a unit, that its port takes. A plan is built so;
/// here it holds whoever calls.
pub(crate) fn check_kinds(job: &Job) -> Result<(), StageError> {
    for (port, values) in job.stage.inputs.iter().zip(job.inputs) {
        for value in values {
            let (kind, unit) = (value.kind(), value.unit());
            let fits = port.kind.contains(&kind)
                && (kind != Kind::Volume || port.unit.is_empty() || port.unit.contains(&unit));
            if !fits {
                let wanted: Vec<&str> = port.kind.iter().map(|k| k.name()).collect();
                let units: Vec<&str> = port.unit.iter().map(|u| u.name()).collect();
                let units =
                    if units.is_empty() { String::new() } else { format!(" in {}", units.join(" or ")) };
                let text = format!(
                    "input `{}` is {kind} in {unit}, the stage takes {}{units}",
                    port.name,
                    wanted.join(" or ")
                );
                return Err(StageError::new(ICHOR_BAD_INPUT, text));
            }
        }
    }
    Ok(())
}

/// The voxels of what is connected to each input are as its port needs them.
pub(crate) fn check_inputs<'s, I: Iterator<Item = &'s Shape>>(
    stage: &StageManifest,
    connected: impl Fn(usize) -> I,
) -> Result<(), StageError> {
    for (n, port) in stage.inputs.iter().enumerate() {
        if let Some(objection) = connected(n).find_map(|shape| objection(&port.voxels, shape)) {
            return Err(StageError::new(ICHOR_BAD_INPUT, format!("input `{}` {objection}", port.name)));
        }
    }
    Ok(())
}

fn check_promise(decl: &PortDecl, shape: &Shape) -> Result<(), Refused> {
    let Some(objection) = objection(&decl.voxels, shape) else { return Ok(()) };
    Err((ICHOR_BAD_PARAMS, format!("output `{}` {objection}, as its manifest promises", decl.name)))
}

/// Why voxels break the rules of a port.
fn objection(rules: &VoxelRules, shape: &Shape) -> Option<String> {
    let dtype = shape.dtype.name();
    match shape.affine {
        Some(rows) => rules.objection(&VoxelForm {
            dtype,
            steps: [0, 1, 2].map(|column| rows.map(|row| row[column])),
            orientation: Affine(rows).orientation(),
        }),
        // Of numbers without grid only the type can be asked.
        None => VoxelRules { dtype: rules.dtype.clone(), ..VoxelRules::default() }.objection(&VoxelForm {
            dtype,
            steps: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            orientation: ['R', 'A', 'S'],
        }),
    }
}

fn input_grid(job: &Job, name: &str) -> Option<Grid> {
    let port = job.stage.inputs.iter().position(|p| p.name == name)?;
    job.inputs.get(port)?.first()?.grid()
}

/// How far apart two grids lie that look alike when printed; else nothing.
#[must_use]
pub fn where_they_differ(a: &Grid, b: &Grid) -> String {
    if a.to_string() != b.to_string() {
        return String::new();
    }
    let end = a.shape.map(|n| n as f64 - 1.0);
    let distance = |v: [f64; 3]| {
        let (p, q) = (a.affine.apply(v), b.affine.apply(v));
        (0..3).map(|i| (p[i] - q[i]).powi(2)).sum::<f64>().sqrt()
    };
    format!(
        " (their first voxels lie {:.3} mm apart, their last {:.3} mm)",
        distance([0.0; 3]),
        distance(end)
    )
}

pub(crate) fn check_shape(shape: &Shape) -> Result<(), String> {
    let allowed: &[DType] = match shape.kind {
        Kind::Volume => &[DType::I16, DType::U16, DType::F32],
        Kind::Mask => &[DType::U8],
        Kind::Labels => &[DType::U8, DType::U16, DType::U32],
        Kind::Probs => &[DType::F32],
        Kind::Tensor => &[DType::U8, DType::I16, DType::U16, DType::U32, DType::F32],
        Kind::Table | Kind::Doc | Kind::Blob => return Err(format!("a {} has no voxels", shape.kind)),
    };
    if !allowed.contains(&shape.dtype) {
        return Err(format!("{:?} is no voxel type of a {}", shape.dtype, shape.kind));
    }
    let Some(bytes) = shape.bytes() else { return Err(format!("{:?} is no shape", shape.dims)) };
    if bytes >= 1 << 46 {
        return Err(format!("a shape of {:?} needs {} TiB", shape.dims, bytes >> 40));
    }
    if shape.kind == Kind::Tensor {
        return Ok(());
    }
    let (ndim, Some(affine)) = (shape.dims.len(), shape.affine) else {
        return Err("it has no affine".into());
    };
    if ndim != 3 && !(ndim == 4 && shape.kind == Kind::Probs) {
        return Err(format!("a {} of {ndim} dimensions", shape.kind));
    }
    Affine(affine).check().map_err(|e| e.to_string())?;
    shape.grid().map(|_| ()).ok_or_else(|| format!("{:?} is no shape for a volume", shape.dims))
}

fn check_table(bytes: &[u8]) -> Result<(), String> {
    let table: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let columns = table["columns"].as_array().ok_or("it has no list `columns`")?;
    if columns.iter().any(|c| !c["name"].is_string()) {
        return Err("a column has no name".into());
    }
    for row in table["rows"].as_array().ok_or("it has no list `rows`")? {
        let cells = row.as_array().ok_or("a row is no list")?;
        if cells.len() != columns.len() {
            return Err(format!("a row has {} cells under {} columns", cells.len(), columns.len()));
        }
        if cells.iter().any(|c| c.is_array() || c.is_object()) {
            return Err("a cell is a list or an object".into());
        }
    }
    Ok(())
}

/// Voxel values keep what their kind promises.
fn check_content(shape: &Shape, bytes: &[u8], loops: &Loops) -> Result<(), String> {
    fn bad(bytes: &[u8], loops: &Loops, size: usize, is_bad: &(dyn Fn(&[u8]) -> usize + Sync)) -> usize {
        let grain = 1 << 18;
        map_ranges(loops, bytes.len() / size, grain, &|r| is_bad(&bytes[r.start * size..r.end * size]))
            .iter()
            .sum()
    }
    /// Floats of native byte order, counted where `keep` does not hold. Written so that it becomes SIMD.
    fn floats(bytes: &[u8], keep: impl Fn(f32) -> bool) -> usize {
        let mut count = 0;
        for chunk in bytes.as_chunks::<4>().0.chunks(1024) {
            count += chunk.iter().map(|b| u32::from(!keep(f32::from_ne_bytes(*b)))).sum::<u32>() as usize;
        }
        count
    }
    let (count, what) = match (shape.kind, shape.dtype) {
        (Kind::Mask, _) => {
            let count = |part: &[u8]| {
                part.chunks(255).map(|c| usize::from(c.iter().map(|&v| u8::from(v > 1)).sum::<u8>())).sum()
            };
            (bad(bytes, loops, 1, &count), "that are neither 0 nor 1")
        }
        (Kind::Probs, _) => {
            let count = |part: &[u8]| floats(part, |v| (0.0..=1.0).contains(&v));
            (bad(bytes, loops, 4, &count), "that are no probabilities from 0 to 1")
        }
        (Kind::Volume, DType::F32) => {
            (bad(bytes, loops, 4, &|part| floats(part, f32::is_finite)), "that are NaN or infinite")
        }
        _ => return Ok(()),
    };
    if count == 0 { Ok(()) } else { Err(format!("has {count} voxels {what}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::{Host, HostOptions, Sink};
    use serde_json::{Value as Json, json};
    use std::sync::atomic::AtomicBool;

    struct Deaf;

    impl Sink for Deaf {
        fn progress(&self, _: f64, _: &str) {}
        fn log(&self, _: i32, _: &str) {}
    }

    /// What the host says of a stage whose ports have these rules, given a CT of 0.5 x 0.5 x 5 mm in i16, LPS.
    /// The stage hands it on, or makes a copy when `copies`.
    fn verdict(input: Json, output: Json, copies: bool) -> Result<(), String> {
        let port = |name: &str, mut rules: Json| {
            rules["name"] = name.into();
            rules["kind"] = json!(["volume"]);
            rules
        };
        let stage = json!({"id": "s", "version": "1.0.0", "inputs": [port("ct", input)], "outputs": [port("out", output)]});
        let stage: StageManifest = serde_json::from_value(stage).unwrap();
        let host = Host::new(HostOptions::new(1)).unwrap();
        let rows = [[-0.5, 0.0, 0.0, 10.0], [0.0, -0.5, 0.0, 10.0], [0.0, 0.0, 5.0, 0.0]];
        let grid = Grid::new([2, 2, 2], Affine(rows)).unwrap();
        let kind = (Kind::Volume, Unit::Hu, DType::I16);
        let ct = Arc::new(Value::from_voxels(host.pool(), kind, &grid, &[0; 16]).unwrap());
        let job = Job {
            stage: &stage,
            params: &json!({}),
            inputs: &[vec![Arc::clone(&ct)]],
            seed: 1,
            max_threads: 1,
            limits: Limits::default(),
            folder: None,
            cancel: &AtomicBool::new(false),
            sink: &Deaf,
        };
        let outputs = Outputs::new(&job, host.pool()).map_err(|e| e.to_string())?;
        let status = match copies {
            true => outputs.new_tensor(0, ct.shape().unwrap().clone()).err().unwrap_or(ICHOR_OK),
            false => outputs.forward(0, 0),
        };
        assert_eq!(status == ICHOR_OK, outputs.refusal().is_none());
        outputs.refusal().map_or(Ok(()), Err)
    }

    #[test]
    fn voxels_keep_the_rules_of_their_ports() {
        let fits = json!({"dtype": ["f32", "i16"], "spacing": [[0.4, 0.6], [0.4, 0.6], [5, 5]], "orientation": "LPS", "regular": true});
        for copies in [true, false] {
            assert_eq!(verdict(json!({}), json!({}), copies), Ok(()));
            assert_eq!(verdict(fits.clone(), fits.clone(), copies), Ok(()));
            assert_eq!(
                verdict(json!({}), json!({"orientation": "RAS"}), copies).unwrap_err(),
                "output `out` has the orientation LPS, RAS is needed, as its manifest promises"
            );
        }
        assert_eq!(
            verdict(json!({"dtype": ["f32"]}), json!({}), true).unwrap_err(),
            "input `ct` has voxels of type i16, f32 is needed"
        );
        assert_eq!(
            verdict(json!({"spacing": [[0.4, 0.6], [0.4, 0.6], [0.5, 3]]}), json!({}), true).unwrap_err(),
            "input `ct` has a spacing of 5.000 mm along k, 0.5 to 3 mm is needed"
        );
    }
}
