use super::*;
use ichor_image::Serial;

const PHANTOM: &str = include_str!("../../tests/ibsi_digital_phantom.json");
const REFERENCE: &str = include_str!("../../tests/ibsi_digital_phantom.csv");

fn stage(aggregation: Aggregation) -> Radiomics {
    Radiomics {
        per_lesion: false,
        resegmentation_range: None,
        discretisation: Method::FixedBinSize,
        bin_size: 1.0,
        bin_number: 6,
        aggregation,
        dependence_coarseness: 0,
        morphology: true,
        intensity: true,
        local_intensity: true,
        texture: true,
    }
}

fn phantom() -> (Vec<i16>, Vec<u8>, Grid) {
    let json: ichor_sdk::json::Value = PHANTOM.parse().unwrap();
    let flat = |key: &str| -> Vec<i64> {
        let planes = json[key].as_array().unwrap();
        let rows = planes.iter().flat_map(|p| p.as_array().unwrap());
        rows.flat_map(|r| r.as_array().unwrap()).map(|v| v.as_i64().unwrap()).collect()
    };
    let grid = Grid::new([5, 4, 4], Affine::from_spacing([2.0; 3], [0.0; 3])).unwrap();
    let image = flat("image").into_iter().map(|v| v as i16).collect();
    (image, flat("mask").into_iter().map(|v| v as u8).collect(), grid)
}

/// A row of the reference: family, code, tag, aggregation, value as printed, tolerance.
struct Row {
    family: String,
    code: String,
    tag: String,
    aggregation: String,
    value: String,
    tolerance: f64,
}

fn reference() -> Vec<Row> {
    REFERENCE
        .lines()
        .skip(1)
        .map(|line| {
            // Only the aggregation is quoted.
            let line = line.replace("D, ", "D ").replace('"', "");
            let cells: Vec<&str> = line.split(',').collect();
            Row {
                family: cells[0].into(),
                code: cells[2].into(),
                aggregation: cells[3].into(),
                value: cells[4].into(),
                tolerance: cells[5].parse().unwrap(),
                tag: cells[7].into(),
            }
        })
        .collect()
}

/// Half a unit of the third digit: so many are printed, without zeros at the end.
fn rounding(printed: &str) -> f64 {
    let value: f64 = printed.parse().unwrap();
    let first = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    0.5001 * 10f64.powf(first - 2.0)
}

#[test]
fn the_digital_phantom_has_the_initiatives_reference_values() {
    use Aggregation::*;
    let (image, mask, grid) = phantom();
    let (mut passed, mut wrong, mut seen) = (0, Vec::new(), std::collections::BTreeSet::new());
    let rows = reference();
    for how in [Averaged2, SliceMerged2, DirectionMerged25, Merged25, Averaged3, Merged3] {
        let lesion = crate::lesion::whole(&mask, grid.shape);
        let region = Region::new(lesion, None, |i, j, k| {
            f32::from(image[grid.index(i as usize, j as usize, k as usize)])
        });
        let row = |j: usize, k: usize| -> Cow<'static, [f32]> {
            Cow::Owned(image[grid.index(0, j, k)..][..5].iter().map(|v| f32::from(*v)).collect())
        };
        let found = stage(how).features(&Serial, &region, &grid, &row).unwrap();
        for (n, expected) in rows.iter().enumerate() {
            if !expected.aggregation.is_empty()
                && expected.aggregation != how.name()
                && expected.aggregation != how.space()
            {
                continue;
            }
            let feature = found.iter().find(|f| {
                f.name.1 == expected.code
                    && (!matches!(f.name.1, "BC2M" | "GBPN")
                        || f.name.0[f.name.0.len() - 2..] == expected.tag[expected.tag.len() - 2..])
            });
            let Some(feature) = feature else { panic!("{} {} is missing", expected.family, expected.code) };
            if !seen.insert(n) {
                continue;
            }
            let value: f64 = expected.value.parse().unwrap();
            let tolerance = expected.tolerance.max(rounding(&expected.value));
            if (feature.value - value).abs() <= tolerance {
                passed += 1;
            } else {
                wrong.push(format!("{}: {} for {}", expected.tag, feature.value, expected.value));
            }
        }
    }
    assert!(wrong.is_empty(), "{passed} passed, {} did not:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((passed, rows.len()), (482, 482));
}

fn value(table: &Table, lesion: &str, name: &str) -> Option<f64> {
    let row = table.rows.iter().find(|r| r[0] == Cell::from(lesion) && r[1] == Cell::from(name));
    match row.unwrap_or_else(|| panic!("no {name} of {lesion}"))[2] {
        Cell::Num(v) => Some(v),
        Cell::Null => None,
        ref other => panic!("{name} is {other:?}"),
    }
}

fn ramp(shape: [usize; 3], spacing: [f64; 3]) -> (Vec<f32>, Vec<u8>, Grid) {
    let grid = Grid::new(shape, Affine::from_spacing(spacing, [0.0; 3])).unwrap();
    let [nx, ny, _] = shape;
    let at = |n: usize| [n % nx, n / nx % ny, n / nx / ny];
    let ct =
        (0..grid.len()).map(|n| at(n).into_iter().zip([3, 5, 7]).map(|(v, f)| v * f).sum::<usize>() % 40);
    let mask = (0..grid.len()).map(|n| {
        let d = at(n).into_iter().zip(shape).map(|(v, n)| (2 * v + 1) as f64 / n as f64 - 1.0);
        u8::from(d.map(|d| d * d).sum::<f64>() < 0.8)
    });
    (ct.map(|v| v as f32).collect(), mask.collect(), grid)
}

#[test]
fn axes_stored_in_another_order_or_direction_change_nothing() {
    let (ct, mask, grid) = ramp([17, 14, 9], [0.45, 0.5, 5.0]);
    // The same voxels with axes S, L, A.
    let shape = [9, 17, 14];
    let at = |n: usize| {
        let (s, l, a) = (n % 9, n / 9 % 17, n / 9 / 17);
        grid.index(16 - l, a, s)
    };
    let affine = Affine([[0.0, -0.45, 0.0, 7.2], [0.0, 0.0, 0.5, 0.0], [5.0, 0.0, 0.0, 0.0]]);
    let turned = Grid::new(shape, affine).unwrap();
    let ct2: Vec<f32> = (0..ct.len()).map(|n| ct[at(n)]).collect();
    let mask2: Vec<u8> = (0..ct.len()).map(|n| mask[at(n)]).collect();
    for how in [Aggregation::SliceMerged2, Aggregation::Averaged3] {
        let a = stage(how).measure(&Serial, &ct, &mask, &grid).unwrap();
        let b = stage(how).measure(&Serial, &ct2, &mask2, &turned).unwrap();
        assert_eq!(a.rows.len(), b.rows.len());
        for (x, y) in a.rows.iter().zip(&b.rows) {
            let (Cell::Num(v), Cell::Num(w)) = (&x[2], &y[2]) else { panic!("{x:?}, {y:?}") };
            // The mesh cuts rings that are not flat in one of two ways.
            let close = (v - w).abs() <= 1e-3 * v.abs() + 1e-9;
            assert!(close, "{:?}: {v}, {w}", x[1]);
        }
    }
}

#[test]
fn threads_change_no_digit() {
    let (ct, mask, grid) = ramp([40, 37, 33], [0.45, 0.45, 2.0]);
    for how in [Aggregation::SliceMerged2, Aggregation::Merged25, Aggregation::Averaged3] {
        let one = stage(how).measure(&Serial, &ct, &mask, &grid).unwrap();
        let four = stage(how).measure(&ichor_image::parallel::Threads(4), &ct, &mask, &grid).unwrap();
        assert_eq!(one, four);
    }
}

#[test]
fn what_is_not_defined_is_null_and_says_why() {
    let (ct, _, grid) = ramp([6, 6, 6], [1.0; 3]);
    let check = |mask: &[u8], range: Option<[f64; 2]>, nulls: &[&str], whys: &str| {
        let stage = Radiomics { resegmentation_range: range, ..stage(Aggregation::Merged3) };
        let t = stage.measure(&Serial, &ct, mask, &grid).unwrap();
        for name in nulls {
            assert_eq!(value(&t, "all", name), None, "{name}");
            let row = t.rows.iter().find(|r| r[1] == Cell::from(*name)).unwrap();
            assert!(matches!(&row[4], Cell::Text(d) if d.ends_with(whys)), "{row:?}");
        }
        t
    };
    let mut mask = vec![0; 216];
    let empty = "undefined here: the mask is empty";
    let names = ["morph_sphericity", "stat_mean_intensity", "glcm_contrast", "ngldm_grey_level_variance"];
    check(&mask, None, &names, empty);
    mask[grid.index(2, 2, 2)] = 1;
    let alone = ["glcm_contrast", "ngtdm_coarseness", "stat_intensity_skewness", "morph_elongation"];
    let t = check(&mask, None, &alone, "undefined here: too few voxels or grey levels, all equal");
    assert_eq!(value(&t, "all", "glszm_zone_percentage"), Some(1.0));
    let out = "undefined here: `resegmentation_range` leaves no voxel";
    let t = check(&mask, Some([-50.0, -40.0]), &["stat_mean_intensity", "ih_intensity_histogram_mode"], out);
    assert!(value(&t, "all", "morph_volume_mesh").is_some());
}

#[test]
fn resegmentation_moves_textures_and_not_shape() {
    let (mut ct, mask, grid) = ramp([20, 20, 20], [1.0; 3]);
    ct[grid.index(10, 10, 10)] = 3000.0;
    let with = Radiomics { resegmentation_range: Some([0.0, 100.0]), ..stage(Aggregation::Averaged3) };
    let t = with.measure(&Serial, &ct, &mask, &grid).unwrap();
    assert_eq!(value(&t, "all", "stat_maximum_intensity"), Some(39.0));
    // Without, bins of 1 HU up to 3000 HU are too many.
    let error = stage(Aggregation::Averaged3).measure(&Serial, &ct, &mask, &grid).unwrap_err();
    assert!(error.starts_with("the intensities 0 to 3000 fall into 3001 bins of 1"), "{error}");
    let number = Radiomics { discretisation: Method::FixedBinNumber, ..stage(Aggregation::Averaged3) };
    let u = number.measure(&Serial, &ct, &mask, &grid).unwrap();
    assert_eq!(value(&u, "all", "ih_maximum_discretised_intensity"), Some(6.0));
    let volume = |t: &Table| value(t, "all", "morph_volume_mesh");
    assert_eq!(volume(&t), volume(&u));
}

#[test]
fn lesions_are_numbered_by_volume_and_names_stand_once() {
    let grid = Grid::new([30, 8, 8], Affine::from_spacing([1.0; 3], [0.0; 3])).unwrap();
    let mut mask = vec![0; grid.len()];
    for (from, to) in [(2, 5), (10, 18)] {
        (from..to).for_each(|i| mask[grid.index(i, 4, 4)] = 1);
    }
    let ct: Vec<f32> = (0..grid.len()).map(|n| (n % 30) as f32).collect();
    let each = Radiomics { per_lesion: true, ..stage(Aggregation::Averaged3) };
    let t = each.measure(&Serial, &ct, &mask, &grid).unwrap();
    assert_eq!(value(&t, "all", "morph_volume_voxel_counting"), Some(11.0));
    assert_eq!(value(&t, "1", "stat_mean_intensity"), Some(13.5));
    assert_eq!(value(&t, "2", "stat_mean_intensity"), Some(3.0));
    let names: std::collections::BTreeSet<String> =
        t.rows.iter().map(|r| format!("{r:?}")[..80].into()).collect();
    assert_eq!((t.rows.len(), names.len()), (3 * 169, 3 * 169));
}
