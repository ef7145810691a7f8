//! Patches and answers mirrored along axes.

/// The combinations of axes, none first.
pub fn combinations(axes: [bool; 3]) -> Vec<[bool; 3]> {
    let all = (0..8).map(|n| [n & 1 != 0, n & 2 != 0, n & 4 != 0]);
    all.filter(|flip| (0..3).all(|a| axes[a] || !flip[a])).collect()
}

/// Mirrors every channel of an array, x fastest, along axes.
pub fn mirrored(data: &[f32], shape: [usize; 3], flip: [bool; 3]) -> Vec<f32> {
    let [nx, ny, nz] = shape;
    let mut out = Vec::with_capacity(data.len());
    let turned = |flip: bool, at: usize, n: usize| if flip { n - 1 - at } else { at };
    for channel in data.chunks_exact(nx * ny * nz) {
        for k in 0..nz {
            for j in 0..ny {
                let from = turned(flip[1], j, ny) + ny * turned(flip[2], k, nz);
                let row = &channel[nx * from..][..nx];
                if flip[0] {
                    out.extend(row.iter().rev());
                } else {
                    out.extend(row);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_axis_turns_around() {
        let data: Vec<f32> = (0..48).map(|n| n as f32).collect();
        let shape = [2, 3, 4];
        for flip in combinations([true; 3]) {
            let out = mirrored(&data, shape, flip);
            for (at, v) in out.iter().enumerate() {
                let (c, n) = (at / 24, at % 24);
                let index = [n % 2, n / 2 % 3, n / 6];
                let [i, j, k] =
                    std::array::from_fn(|a| if flip[a] { shape[a] - 1 - index[a] } else { index[a] });
                assert_eq!(*v, (24 * c + i + 2 * (j + 3 * k)) as f32);
            }
        }
    }

    #[test]
    fn combinations_of_some_axes() {
        assert_eq!(combinations([false; 3]), [[false; 3]]);
        let two = combinations([true, false, true]);
        assert_eq!(two.len(), 4);
        assert!(two[0] == [false; 3] && two.contains(&[true, false, true]));
    }
}
