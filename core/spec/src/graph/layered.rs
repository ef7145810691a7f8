//! Places boxes in rows from the top down so that wires are short and cross little, after Sugiyama, Tagawa,
//! Toda (IEEE Trans. SMC 11:109, 1981): rows by the longest way from the top, order within a row by the mean
//! place of the neighbours, places by least squares.

use super::Net;

/// Room between two boxes, and around a wire that passes through a row.
const BOX_GAP: f64 = 24.0;
const WIRE_GAP: f64 = 16.0;
/// Wires are led around boxes while they pass through no more rows than this, all together; a picture with
/// more is past reading and only has to be made in time.
const MOST_PASSES: usize = 20_000;
const SWEEPS: usize = 24;
/// How much more a wire wants to stay straight than a box wants to be near another.
const STRAIGHT: f64 = 8.0;

/// Where everything is: rows by number from the top, places in pixels from 0 at the left.
pub(super) struct Layout {
    /// For each box.
    pub(super) row: Vec<usize>,
    /// For each box, the place of its middle.
    pub(super) middle: Vec<f64>,
    /// For each box, as given.
    pub(super) widths: Vec<f64>,
    /// For each net, where it passes through the rows below that of its box.
    pub(super) passes: Vec<Vec<f64>>,
    /// Number of rows.
    pub(super) rows: usize,
    /// Width of all.
    pub(super) width: f64,
}

/// A box, or the passage of a net through a row (which has no width).
struct Vertex {
    row: usize,
    width: f64,
    gap: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

impl Vertex {
    fn new(row: usize, width: f64, gap: f64) -> Vertex {
        Vertex { row, width, gap, above: Vec::new(), below: Vec::new() }
    }
}

/// Places boxes of these widths. Every net must lead from a box to later ones.
pub(super) fn place(widths: &[f64], nets: &[Net]) -> Layout {
    let row = rows(widths.len(), nets);
    let mut vertices: Vec<Vertex> =
        widths.iter().zip(&row).map(|(&width, &row)| Vertex::new(row, width, BOX_GAP)).collect();
    let length = |net: &Net| net.to.iter().map(|&to| row[to] - row[net.from] - 1).max().unwrap_or(0);
    let lead_around = nets.iter().map(length).sum::<usize>() <= MOST_PASSES;
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for net in nets {
        let mut chain = vec![net.from];
        for step in 0..if lead_around { length(net) } else { 0 } {
            let passage = vertices.len();
            vertices.push(Vertex::new(row[net.from] + 1 + step, 0.0, WIRE_GAP));
            link(&mut vertices, chain[step], passage);
            chain.push(passage);
        }
        for &to in &net.to {
            let last = (row[to] - row[net.from] - 1).min(chain.len() - 1);
            link(&mut vertices, chain[last], to);
        }
        chains.push(chain);
    }
    let rows = row.iter().max().map_or(0, |last| last + 1);
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); rows];
    for (n, vertex) in vertices.iter().enumerate() {
        order[vertex.row].push(n);
    }
    let order = untangle(&vertices, order);
    let mut middle = places(&vertices, &order);
    let left = vertices.iter().zip(&middle).map(|(v, x)| x - v.width / 2.0).fold(f64::INFINITY, f64::min);
    middle.iter_mut().for_each(|x| *x -= left);
    Layout {
        width: vertices.iter().zip(&middle).map(|(v, x)| x + v.width / 2.0).fold(0.0, f64::max),
        passes: chains.iter().map(|chain| chain[1..].iter().map(|&v| middle[v]).collect()).collect(),
        middle: middle[..widths.len()].to_vec(),
        widths: widths.to_vec(),
        row,
        rows,
    }
}

fn link(vertices: &mut [Vertex], above: usize, below: usize) {
    vertices[above].below.push(below);
    vertices[below].above.push(above);
}

/// The longest way from the top; what nothing leads to stands right above what it leads to.
fn rows(count: usize, nets: &[Net]) -> Vec<usize> {
    let mut row = vec![0; count];
    let mut nets: Vec<&Net> = nets.iter().collect();
    nets.sort_by_key(|net| net.from);
    for net in &nets {
        for &to in &net.to {
            row[to] = row[to].max(row[net.from] + 1);
        }
    }
    let mut nearest = vec![usize::MAX; count];
    for net in &nets {
        let first = net.to.iter().map(|&to| row[to]).min().unwrap_or(usize::MAX);
        nearest[net.from] = nearest[net.from].min(first);
    }
    for (row, nearest) in row.iter_mut().zip(nearest) {
        if *row == 0 && nearest != usize::MAX {
            *row = nearest - 1;
        }
    }
    row
}

/// Orders each row; of all orders met, the one with the fewest crossings.
fn untangle(vertices: &[Vertex], mut order: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    let mut best = (crossings(vertices, &order), order.clone());
    let mut place = vec![0.0; vertices.len()];
    for sweep in 0..SWEEPS {
        for row in towards(sweep, &mut order) {
            number(row, |v, n| place[v] = n as f64);
            let wish = |v: usize| {
                let near = if sweep % 2 == 0 { &vertices[v].above } else { &vertices[v].below };
                mean(near.iter().map(|&n| (place[n], 1.0))).unwrap_or(place[v])
            };
            let mut keyed: Vec<(f64, usize)> = row.iter().map(|&v| (wish(v), v)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *row = keyed.into_iter().map(|(_, v)| v).collect();
            number(row, |v, n| place[v] = n as f64);
        }
        let now = crossings(vertices, &order);
        if now < best.0 {
            best = (now, order.clone());
        }
    }
    best.1
}

/// The rows from the top down in even sweeps, from the bottom up in odd ones.
fn towards<'a, T>(sweep: usize, rows: &'a mut [T]) -> Box<dyn Iterator<Item = &'a mut T> + 'a> {
    if sweep.is_multiple_of(2) { Box::new(rows.iter_mut()) } else { Box::new(rows.iter_mut().rev()) }
}

fn number(row: &[usize], mut set: impl FnMut(usize, usize)) {
    row.iter().enumerate().for_each(|(n, &v)| set(v, n));
}

/// Of values and their weights.
fn mean(values: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (sum, weight) =
        values.fold((0.0, 0.0), |(sum, all), (value, weight)| (sum + value * weight, all + weight));
    (weight > 0.0).then_some(sum / weight)
}

/// Crossings of the wires between neighbouring rows.
fn crossings(vertices: &[Vertex], order: &[Vec<usize>]) -> usize {
    let mut place = vec![0; vertices.len()];
    for row in order {
        number(row, |v, n| place[v] = n);
    }
    let mut total = 0;
    for row in order {
        let mut ends: Vec<usize> = Vec::new();
        for &v in row {
            let start = ends.len();
            ends.extend(vertices[v].below.iter().map(|&b| place[b]));
            ends[start..].sort_unstable();
        }
        total += inversions(&mut ends);
    }
    total
}

/// Pairs that stand in the wrong order, counted while they are sorted.
fn inversions(list: &mut [usize]) -> usize {
    if list.len() < 2 {
        return 0;
    }
    let (first, second) = list.split_at_mut(list.len() / 2);
    let mut count = inversions(first) + inversions(second);
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let mut taken = 0;
    for &next in second.iter() {
        while taken < first.len() && first[taken] <= next {
            merged.push(first[taken]);
            taken += 1;
        }
        count += first.len() - taken;
        merged.push(next);
    }
    merged.extend_from_slice(&first[taken..]);
    list.copy_from_slice(&merged);
    count
}

/// Places that bring every vertex near its neighbours and keep the order and the gaps.
fn places(vertices: &[Vertex], order: &[Vec<usize>]) -> Vec<f64> {
    let mut middle = vec![0.0; vertices.len()];
    for row in order {
        settle(vertices, row, &vec![0.0; row.len()], &mut middle);
    }
    let mut rows: Vec<&Vec<usize>> = order.iter().collect();
    for sweep in 0..SWEEPS {
        for row in towards(sweep, &mut rows) {
            let wish = |&n: &usize| {
                let v = &vertices[n];
                // The last sweeps weigh both sides.
                let both = sweep + 8 >= SWEEPS;
                let above = v.above.iter().filter(|_| both || sweep % 2 == 0);
                let below = v.below.iter().filter(|_| both || sweep % 2 == 1);
                let passes = |n: usize| vertices[n].width == 0.0;
                let weight = |other: usize| if passes(n) && passes(other) { STRAIGHT } else { 1.0 };
                mean(above.chain(below).map(|&other| (middle[other], weight(other)))).unwrap_or(middle[n])
            };
            let wishes: Vec<f64> = row.iter().map(wish).collect();
            settle(vertices, row, &wishes, &mut middle);
        }
    }
    middle
}

/// The places in a row nearest to those wished (least squares) that keep the order and the gaps: isotonic
/// regression of the wishes less the room that those before need, by pooling adjacent violators.
fn settle(vertices: &[Vertex], row: &[usize], wishes: &[f64], middle: &mut [f64]) {
    let mut room = 0.0;
    let mut rooms = Vec::with_capacity(row.len());
    // Runs of vertices that touch: the sum of what they wish, and their number.
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for (n, (&v, wish)) in row.iter().zip(wishes).enumerate() {
        if let Some(&before) = n.checked_sub(1).and_then(|before| row.get(before)) {
            let (a, b) = (&vertices[before], &vertices[v]);
            room += (a.width + b.width) / 2.0 + a.gap.max(b.gap);
        }
        rooms.push(room);
        let mut run = (wish - room, 1);
        while let Some(&(sum, count)) = runs.last()
            && sum / count as f64 > run.0 / run.1 as f64
        {
            run = (run.0 + sum, run.1 + count);
            runs.pop();
        }
        runs.push(run);
    }
    let fitted = runs.iter().flat_map(|&(sum, count)| std::iter::repeat_n(sum / count as f64, count));
    for ((&v, room), x) in row.iter().zip(rooms).zip(fitted) {
        middle[v] = x + room;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(from: usize, to: &[usize]) -> Net {
        Net { from, port: String::new(), to: to.to_vec() }
    }

    #[test]
    fn rows_are_longest_ways_and_sources_stand_near_their_use() {
        // 0 -> 1 -> 2 -> 4 and 0 -> 4; 3 is used by 4 alone.
        let nets = [net(0, &[1, 4]), net(1, &[2]), net(2, &[4]), net(3, &[4])];
        assert_eq!(rows(5, &nets), [0, 1, 2, 2, 3]);
        let layout = place(&[40.0; 5], &nets);
        assert_eq!((layout.rows, layout.passes[0].len()), (4, 2));
        // The wire that passes rows 1 and 2 stays clear of the boxes there.
        for (row, x) in [(1, layout.passes[0][0]), (2, layout.passes[0][1])] {
            for (r, middle) in layout.row.iter().zip(&layout.middle) {
                assert!(*r != row || (x - middle).abs() >= 20.0 + WIRE_GAP - 1e-9);
            }
        }
    }

    #[test]
    fn boxes_of_a_row_do_not_overlap_and_a_chain_is_straight() {
        let fan = place(&[40.0, 30.0, 50.0, 30.0, 40.0], &[net(0, &[1, 2, 3]), net(2, &[4])]);
        assert!(fan.middle[1] + 15.0 + BOX_GAP <= fan.middle[2] - 25.0 + 1e-9);
        assert!(fan.middle[2] + 25.0 + BOX_GAP <= fan.middle[3] - 15.0 + 1e-9);
        assert!((fan.width - (30.0 + 50.0 + 30.0 + 2.0 * BOX_GAP)).abs() < 1e-9);
        let chain = place(&[40.0; 3], &[net(0, &[1]), net(1, &[2])]);
        assert_eq!(chain.middle, [20.0; 3]);
        assert_eq!(place(&[], &[]).width, 0.0);
    }

    #[test]
    fn a_crossing_that_need_not_be_is_removed() {
        // 0 -> 3, 1 -> 2 as listed would cross.
        let layout = place(&[40.0; 4], &[net(0, &[3]), net(1, &[2])]);
        assert_eq!(layout.middle[0] < layout.middle[1], layout.middle[3] < layout.middle[2]);
        assert_eq!(inversions(&mut [3, 1, 2, 0]), 5);
        assert_eq!(inversions(&mut [1, 1, 2]), 0);
    }

    #[test]
    fn settling_is_least_squares_under_the_gaps() {
        let vertices = [0; 3].map(|row| Vertex::new(row, 10.0, 10.0));
        let mut middle = [0.0; 3];
        settle(&vertices, &[0, 1, 2], &[0.0, 0.0, 100.0], &mut middle);
        assert_eq!(middle, [-10.0, 10.0, 100.0]);
    }

    #[test]
    fn a_picture_past_reading_is_still_made() {
        // 2000 boxes in a chain, the first wired to all: 2 million passages if led around.
        let count = 2000;
        let mut nets: Vec<Net> = (1..count - 1).map(|n| net(n, &[n + 1])).collect();
        nets.push(net(0, &(1..count).collect::<Vec<_>>()));
        nets.extend((1..60).map(|n| net(n, &[count - 1])));
        assert_eq!(place(&vec![40.0; count], &nets).rows, count);
    }
}
