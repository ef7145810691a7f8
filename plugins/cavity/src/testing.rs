//! What the tests of this crate share.

use ichor_image::Parallel;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many threads that take ranges in whatever order comes.
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
