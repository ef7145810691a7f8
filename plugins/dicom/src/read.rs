//! Reads the pixels of slices.

use crate::codec::Frames;
use crate::fault::{Fault, Outcome};
use crate::file::DataSet;
use crate::files::Files;
use crate::header;
use crate::pixel::{Pixels, to_hu};
use crate::slice::Slice;
use crate::values::Values;
use ichor_sdk::prelude::*;
use std::collections::BTreeMap;

/// Slices that are read between two questions whether to go on.
const BATCH: usize = 32;

/// The pixels of slices, in their order.
pub fn pixels(files: &Files, slices: &[Slice], run: &Context) -> Result<Vec<Pixels>> {
    let mut by_file: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (n, slice) in slices.iter().enumerate() {
        by_file.entry(slice.file).or_default().push(n);
    }
    let mut out: Vec<Option<Pixels>> = vec![None; slices.len()];
    let mut done = 0;
    let mut tell = |more: usize| {
        done += more;
        run.progress(0.3 + 0.5 * done as f64 / slices.len().max(1) as f64, "reading pixels");
        run.check_cancelled()
    };
    let (single, several): (Vec<_>, Vec<_>) = by_file.into_iter().partition(|(_, ns)| ns.len() == 1);
    for batch in single.chunks(BATCH) {
        let read = map_ranges(run, batch.len(), 1, &|range| {
            let (file, ns) = &batch[range.start];
            let read = files
                .read(*file)
                .and_then(|bytes| frames_of(&bytes, &[&slices[ns[0]]], &ichor_image::Serial));
            (*file, ns[0], read)
        });
        for (file, n, read) in read {
            let mut read = read.map_err(|fault| fault.of(&files.name(file)))?;
            out[n] = read.pop();
        }
        tell(batch.len())?;
    }
    for (file, ns) in several {
        let wanted: Vec<&Slice> = ns.iter().map(|&n| &slices[n]).collect();
        let read = files.read(file).and_then(|bytes| frames_of(&bytes, &wanted, run));
        for (n, pixels) in ns.iter().zip(read.map_err(|fault| fault.of(&files.name(file)))?) {
            out[*n] = Some(pixels);
        }
        tell(ns.len())?;
    }
    let all: Option<Vec<Pixels>> = out.into_iter().collect();
    all.ok_or_else(|| Error::internal("a slice was not read"))
}

/// The pixels of slices of one file.
pub fn frames_of(bytes: &[u8], slices: &[&Slice], par: &dyn Parallel) -> Outcome<Vec<Pixels>> {
    let set = DataSet::open(bytes)?;
    let values = Values::read(&set.bytes, set.coding)?;
    let frames = Frames::find(&set, &values, header::frames(&values)?)?;
    let read = map_ranges(par, slices.len(), 1, &|range| {
        let slice = slices.get(range.start).ok_or_else(|| Fault::new("lacks a frame"))?;
        frames.words(slice).map(|words| to_hu(&words, &slice.stored))
    });
    read.into_iter().collect()
}
