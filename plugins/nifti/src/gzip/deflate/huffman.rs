//! Huffman codes of limited length.

/// Length of each symbol's code, at most `MOST` bits, 0 for symbols that do not occur. Two symbols have one at least,
/// so that every sequence of bits means something.
pub fn lengths<const MOST: usize>(counts: &[u32], out: &mut [u8]) {
    out.fill(0);
    let mut symbols: Vec<usize> = (0..counts.len()).filter(|&s| counts[s] > 0).collect();
    if symbols.len() < 2 {
        let one = symbols.first().copied().unwrap_or(0);
        out[one] = 1;
        out[usize::from(one == 0)] = 1;
        return;
    }
    symbols.sort_unstable_by_key(|&s| (counts[s], s));
    // Leaves and inner nodes both come in ascending weight: the two lightest are at the heads of two queues.
    let leaves = symbols.len();
    let nodes = 2 * leaves - 1;
    let mut weight: Vec<u32> = symbols.iter().map(|&s| counts[s]).collect();
    let mut parent = vec![0; nodes];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..nodes {
        let mut sum = 0;
        for _ in 0..2 {
            let next = if leaf < leaves && (inner == node || weight[leaf] <= weight[inner]) {
                &mut leaf
            } else {
                &mut inner
            };
            sum += weight[*next];
            parent[*next] = node;
            *next += 1;
        }
        weight.push(sum);
    }
    let mut depth = vec![0; nodes];
    let mut of_length = vec![0usize; MOST + 1];
    for node in (0..nodes - 1).rev() {
        depth[node] = depth[parent[node]] + 1;
        if node < leaves {
            of_length[depth[node].min(MOST)] += 1;
        }
    }
    // Cut to the limit, codes take more room than there is; each step frees one of the longest.
    let mut room: usize = (1..=MOST).map(|l| of_length[l] << (MOST - l)).sum();
    while room > 1 << MOST {
        let Some(shorter) = (1..MOST).rev().find(|&l| of_length[l] > 0) else { break };
        of_length[MOST] -= 1;
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
        room -= 1;
    }
    let mut symbols = symbols.into_iter();
    for length in (1..=MOST).rev() {
        for symbol in symbols.by_ref().take(of_length[length]) {
            out[symbol] = length as u8;
        }
    }
}

/// The codes to these lengths (RFC 1951, 3.2.2), first bit lowest.
pub fn codes(lengths: &[u8]) -> impl Iterator<Item = u64> {
    let mut next = [0u16; 17];
    for &length in lengths.iter().filter(|l| **l > 0) {
        next[usize::from(length) + 1] += 1;
    }
    for length in 1..17 {
        next[length] = (next[length] + next[length - 1]) << 1;
    }
    lengths.iter().map(move |&length| {
        let code = next[usize::from(length)];
        next[usize::from(length)] += 1;
        if length == 0 { 0 } else { u64::from(code.reverse_bits() >> (16 - length)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<const MOST: usize>(counts: &[u32]) -> Vec<u8> {
        let mut out = vec![0; counts.len()];
        lengths::<MOST>(counts, &mut out);
        let room: f64 = out.iter().filter(|l| **l > 0).map(|&l| 0.5f64.powi(i32::from(l))).sum();
        assert!((room - 1.0).abs() < 1e-9, "{counts:?} make {out:?}");
        out
    }

    #[test]
    fn lengths_are_the_best() {
        // Huffman's own example of a skewed alphabet, and powers of two.
        assert_eq!(of::<15>(&[1, 1, 2, 4, 8]), [4, 4, 3, 2, 1]);
        assert_eq!(of::<15>(&[5, 0, 5, 5, 0, 5]), [2, 0, 2, 2, 0, 2]);
        assert_eq!(of::<15>(&[0, 9, 0]), [1, 1, 0]);
        assert_eq!(of::<15>(&[0, 0]), [1, 1]);
        assert_eq!(of::<15>(&[7, 0]), [1, 1]);
    }

    #[test]
    fn lengths_keep_their_limit() {
        let mut fibonacci = vec![1u32, 1];
        while fibonacci.len() < 30 {
            fibonacci.push(fibonacci[fibonacci.len() - 1] + fibonacci[fibonacci.len() - 2]);
        }
        assert_eq!(of::<15>(&fibonacci).into_iter().max(), Some(15));
        assert_eq!(of::<7>(&fibonacci[..19]).into_iter().max(), Some(7));
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 1951, 3.2.2: lengths (3, 3, 3, 3, 3, 2, 4, 4).
        let wanted = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111];
        let lengths = [3, 3, 3, 3, 3, 2, 4, 4];
        for ((code, wanted), length) in codes(&lengths).zip(wanted).zip(lengths) {
            assert_eq!(code, u64::from((wanted as u16).reverse_bits() >> (16 - length)));
        }
    }
}
