//! Volumes cut into stacks of rows, so that work along y and z stays parallel and reads whole rows.

use crate::{Parallel, parallel::for_each_chunk};

/// Calls `body(n, rows)` for every plane that holds x and `axis` (1 or 2): `rows[m]` is the row of `data` along x
/// at position m of `axis`, and `n` the position on the axis that is left.
pub(crate) fn for_each_stack<T: Send>(
    par: &dyn Parallel,
    data: &mut [T],
    [nx, ny, nz]: [usize; 3],
    axis: usize,
    body: &(dyn Fn(usize, &mut [&mut [T]]) + Sync),
) {
    assert_eq!(data.len(), nx * ny * nz, "array and shape disagree");
    if data.is_empty() {
        return;
    }
    let rows = data.chunks_mut(nx);
    let (n, length) = if axis == 1 { (nz, ny) } else { (ny, nz) };
    let mut stacks: Vec<Vec<&mut [T]>> = (0..n).map(|_| Vec::with_capacity(length)).collect();
    for (r, row) in rows.enumerate() {
        stacks[if axis == 1 { r / ny } else { r % ny }].push(row);
    }
    for_each_chunk(par, &mut stacks, 1, &|n, stack| body(n, &mut stack[0]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Serial;

    #[test]
    fn rows_come_in_the_order_of_their_axis() {
        let mut data: Vec<usize> = (0..24).collect();
        for_each_stack(&Serial, &mut data, [2, 3, 4], 2, &|j, rows| {
            assert_eq!(rows.len(), 4);
            for (k, row) in rows.iter_mut().enumerate() {
                assert_eq!(row[1], 1 + 2 * (j + 3 * k));
                row[0] = 100 * j + k;
            }
        });
        assert_eq!(data[2 * (2 + 3 * 3)], 203);
        for_each_stack(&Serial, &mut data, [2, 3, 4], 1, &|k, rows| {
            assert_eq!((rows.len(), rows[2][0]), (3, 200 + k));
        });
    }
}
