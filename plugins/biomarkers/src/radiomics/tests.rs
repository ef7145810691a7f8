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
