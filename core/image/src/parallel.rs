//! Parallel loops on threads that somebody else owns.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs the parts of a loop, perhaps at the same time. The host's thread budget stands behind it in a
/// pipeline; [`Serial`] does in tests.
///
/// Results must not depend on how many threads there are: `body` gets ranges whose borders depend on
/// `n` and `grain` alone, and reductions are summed in the order of the ranges.
pub trait Parallel: Sync {
    /// Calls `body` with consecutive ranges of at most `grain` elements until `0..n` is covered.
    fn for_each(&self, n: usize, grain: usize, body: &(dyn Fn(Range<usize>) + Sync));
}

/// One range after another on the calling thread.
pub struct Serial;

impl Parallel for Serial {
    fn for_each(&self, n: usize, grain: usize, body: &(dyn Fn(Range<usize>) + Sync)) {
        let grain = grain.max(1);
        let mut begin = 0;
        while begin < n {
            let end = (begin + grain).min(n);
            body(begin..end);
            begin = end;
        }
    }
}

/// So many threads of its own that take ranges in whatever order comes: for tests and benchmarks. A stage uses the
/// threads that the host gives it.
pub struct Threads(pub usize);

impl Parallel for Threads {
    fn for_each(&self, n: usize, grain: usize, body: &(dyn Fn(Range<usize>) + Sync)) {
        let grain = grain.max(1);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.0 {
                scope.spawn(|| {
                    loop {
                        let begin = next.fetch_add(1, Ordering::Relaxed) * grain;
                        if begin >= n {
                            return;
                        }
                        body(begin..(begin + grain).min(n));
                    }
                });
            }
        });
    }
}

/// Splits `out` into consecutive chunks of `chunk` elements and calls `body(index, chunk)` for each.
pub fn for_each_chunk<T: Send>(
    par: &dyn Parallel,
    out: &mut [T],
    chunk: usize,
    body: &(dyn Fn(usize, &mut [T]) + Sync),
) {
    // A mutex per chunk hands each chunk to exactly one call without unsafe code; it is never contended.
    let cells: Vec<std::sync::Mutex<&mut [T]>> =
        out.chunks_mut(chunk.max(1)).map(std::sync::Mutex::new).collect();
    par.for_each(cells.len(), 1, &|range| {
        for index in range {
            if let Ok(mut part) = cells[index].lock() {
                body(index, &mut part);
            }
        }
    });
}

/// Maps consecutive ranges of `0..n` to values, in the order of the ranges.
pub fn map_ranges<T: Send>(
    par: &dyn Parallel,
    n: usize,
    grain: usize,
    body: &(dyn Fn(Range<usize>) -> T + Sync),
) -> Vec<T> {
    let grain = grain.max(1);
    let mut out: Vec<Option<T>> = (0..n.div_ceil(grain)).map(|_| None).collect();
    for_each_chunk(par, &mut out, 1, &|index, slot| {
        slot[0] = Some(body(index * grain..((index + 1) * grain).min(n)));
    });
    out.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once_and_in_order() {
        assert_eq!(map_ranges(&Serial, 10, 4, &|r| (r.start, r.end)), [(0, 4), (4, 8), (8, 10)]);
        let mut out = [0usize; 7];
        for_each_chunk(&Serial, &mut out, 3, &|index, part| part.fill(index + 1));
        assert_eq!(out, [1, 1, 1, 2, 2, 2, 3]);
    }
}
