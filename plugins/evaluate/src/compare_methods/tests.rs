use super::*;
use ichor_image::{Serial, parallel::Threads};

const MANUAL: [f64; 12] = [12.4, 33.1, 5.6, 58.9, 21.7, 8.3, 44.0, 17.2, 71.5, 2.9, 26.6, 39.4];
const AUTO: [f64; 12] = [11.9, 34.0, 5.6, 55.2, 22.5, 8.0, 42.1, 17.9, 69.3, 3.3, 25.1, 40.2];
const ABC2: [f64; 12] = [14.8, 40.2, 5.1, 77.7, 25.0, 8.9, 55.3, 16.8, 98.4, 2.5, 31.9, 52.0];

fn stage(methods: &[&str]) -> CompareMethods {
    CompareMethods {
        methods: methods.iter().map(|m| m.to_string()).collect(),
        baseline: None,
        measures: Vec::new(),
        cases: Vec::new(),
        larger_is_better: Vec::new(),
        smaller_is_better: Vec::new(),
        alpha: 0.05,
        resamples: 2000,
        decimals: 2,
    }
}

fn wide(name: &str, values: &[f64]) -> Table {
    let mut t = Table::new(&["case", name]);
    t.rows = values.iter().enumerate().map(|(n, v)| vec![format!("sub-{n}").into(), (*v).into()]).collect();
    t
}

fn compare(stage: &CompareMethods, tables: &[Table]) -> (Cohort, Vec<Comparison>) {
    stage.compare(&Serial, tables, 3, &|| Ok(())).unwrap()
}

#[test]
fn volumes_are_compared_as_scipy_does() {
    let tables = [wide("volume", &MANUAL), wide("volume", &AUTO), wide("volume", &ABC2)];
    let mut stage = stage(&["manual", "auto", "abc2"]);
    stage.baseline = Some("manual".into());
    let (cohort, all) = compare(&stage, &tables);
    assert_eq!(all.len(), 2);
    // biomarkers.md, scipy 1.17.1: Shapiro p 0.0878 (t-test, p 0.2297) and 0.0430 (Wilcoxon; of all signs of these tied ranks p 0.0063477).
    assert!(all[0].normal() && (all[0].p().unwrap() - 0.22971986996977267).abs() < 1e-9);
    assert!(!all[1].normal() && (all[1].p().unwrap() - 0.00634765625).abs() < 1e-12);
    assert!((all[0].wilcoxon.unwrap().p - 0.4521484375).abs() < 1e-12, "the test that was not chosen, too");
    assert_eq!(all[1].corrected, Some(2.0 * 0.00634765625));
    assert!(all[1].significant && !all[0].significant);
    // Nobody said whether more volume is better.
    assert_eq!(all[1].better, None);
    let text = markdown(&stage.sheets(&cohort, &all));
    assert!(text.contains("abc2 compared with manual (n=12)"), "{text}");
    assert!(text.contains("| W | 0.006 | 0.013 * |"), "{text}");
    assert_eq!(print::table(&cohort, &all).rows[1][26], Cell::Num(0.00634765625));
    assert_eq!(tsv(&print::joined(&stage.sheets(&cohort, &all))).lines().count(), 3);
}

#[test]
fn the_better_method_is_named() {
    let (low, high): (Vec<f64>, Vec<f64>) =
        (0..20).map(|n| (0.80 + 0.005 * f64::from(n % 7), 0.90 + 0.003 * f64::from(n % 5))).unzip();
    for (name, better) in [("dice", 1), ("hd", 0)] {
        let (_, all) = compare(&stage(&["a", "b"]), &[wide(name, &low), wide(name, &high)]);
        assert_eq!((all[0].better, all[0].significant), (Some(better), true), "{name}");
    }
    let mut stage = stage(&["a", "b"]);
    stage.smaller_is_better = vec!["error".into()];
    assert_eq!(compare(&stage, &[wide("error", &low), wide("error", &high)]).1[0].better, Some(0));
}

#[test]
fn cases_without_a_pair_are_counted() {
    let mut second = wide("hd", &AUTO[..10]);
    second.rows[2][1] = Cell::Null;
    let (cohort, all) = compare(&stage(&["a", "b"]), &[wide("hd", &MANUAL), second]);
    assert_eq!((all[0].unpaired, all[0].differences.sorted.len()), (3, 9));
    let sheets = stage(&["a", "b"]).sheets(&cohort, &all);
    assert!(sheets[0].notes.iter().any(|n| n.contains("9 pairs; 3 cases")));
}

#[test]
fn equal_methods_have_nothing_to_test() {
    let (cohort, all) = compare(&stage(&["a", "b"]), &[wide("hd", &MANUAL), wide("hd", &MANUAL)]);
    assert_eq!(
        (all[0].p(), all[0].corrected, all[0].interval, all[0].significant),
        (None, None, None, false)
    );
    assert!(markdown(&stage(&["a", "b"]).sheets(&cohort, &all)).contains("| – | – | – |"));
}

#[test]
fn all_pairs_and_the_seed() {
    let tables = [wide("hd", &MANUAL), wide("hd", &AUTO), wide("hd", &ABC2)];
    let stage_of = || stage(&["a", "b", "c"]);
    let of = |par: &dyn Parallel, seed| {
        let (cohort, all) = stage_of().compare(par, &tables, seed, &|| Ok(())).unwrap();
        print::table(&cohort, &all).to_json()
    };
    assert_eq!(compare(&stage_of(), &tables).1.len(), 3);
    assert_eq!(of(&Serial, 3), of(&Threads(3), 3));
    assert_ne!(of(&Serial, 3), of(&Serial, 4));
    let message =
        |stage: CompareMethods| stage.compare(&Serial, &tables, 1, &|| Ok(())).err().unwrap().to_string();
    assert!(message(stage(&["a"])).contains("at least two"));
    let mut lost = stage_of();
    lost.baseline = Some("d".into());
    assert!(message(lost).contains("`d` is none of the methods a, b, c"));
}
