use super::*;

fn stage() -> SummariseCohort {
    SummariseCohort {
        measures: Vec::new(),
        methods: Vec::new(),
        cases: Vec::new(),
        subgroups: Vec::new(),
        tertiles: None,
        agreement: None,
        title: "Results".into(),
        decimals: 2,
    }
}

/// Twelve cases: the volumes and their manual reference of biomarkers.md, and a Dice.
fn tables() -> Vec<Table> {
    let manual = [12.4, 33.1, 5.6, 58.9, 21.7, 8.3, 44.0, 17.2, 71.5, 2.9, 26.6, 39.4];
    let auto = [11.9, 34.0, 5.6, 55.2, 22.5, 8.0, 42.1, 17.9, 69.3, 3.3, 25.1, 40.2];
    let one = |n: usize| {
        let mut t = Table::measurements();
        t.measure("all", "convention", "paper", "", "");
        t.measure("all", "dice", [0.91, 0.88, 0.95, 0.93][n % 4], "1", "");
        t.measure("all", "hd", if n == 3 { f64::NAN } else { 2.0f64.powi(n as i32) }, "mm", "");
        t.measure("all", "volume", auto[n], "mL", "");
        t.measure("all", "volume_reference", manual[n], "mL", "");
        t
    };
    (0..12).map(one).collect()
}

#[test]
fn a_cohort_is_printed_as_the_paper_does() {
    let measures: Vec<String> = ["dice", "hd", "volume_reference"].map(String::from).into();
    let made = SummariseCohort { measures, ..stage() }.summarise(&tables(), None).unwrap();
    let lines: Vec<&str> = made.tsv.lines().collect();
    assert_eq!(lines[0], "n/a\tall (n=12)");
    // scipy 1.17.1: shapiro of the manual volumes 0.430, mean 28.467, SD 21.696; the powers of two are not normal.
    assert_eq!(lines[3], "Reference volume (mL)\t28.47 ± 21.70");
    assert_eq!(lines[2], "HD (mm)\t64.00 [10.00–384.00] (n=11)");
    assert!(lines[1].starts_with("DSC\t0.9"), "{}", lines[1]);
    assert!(
        made.markdown.contains("HD (mm): undefined in 1 of 12 (all).") && made.markdown.contains("`paper`")
    );
    assert!(made.latex.contains("28.47 $\\pm$ 21.70"));
    assert_eq!(made.table.rows.len(), 3);
    assert_eq!(made.table.rows[1][5..8], [11usize.into(), 1usize.into(), 0usize.into()] as [Cell; 3]);
    assert_eq!((made.cases.rows.len(), made.cases.columns.len()), (12, 4));
    assert!(made.bland_altman.contains("bias -0.54"));
    assert_eq!(made.box_plots.matches("fill=\"#9ecae1\"").count(), 3);
}

#[test]
fn subgroups_are_thirds_and_characteristics() {
    let mut cases = Table::new(&["case", "location"]);
    for n in 1..=12 {
        let place = if n == 12 { Cell::Null } else { ["deep", "lobar"][n % 2].into() };
        cases.rows.push(vec![n.to_string().into(), place]);
    }
    let summarise = |stage: SummariseCohort| stage.summarise(&tables(), Some(&cases)).unwrap();
    let made = summarise(SummariseCohort { tertiles: Some("volume_reference".into()), ..stage() });
    let head: Vec<&str> = made.tsv.lines().next().unwrap().split('\t').collect();
    // numpy 2.4.6: percentiles 100/3 and 200/3 of the manual volumes are 15.6 and 35.2.
    assert_eq!(
        head,
        [
            "n/a",
            "all (n=12)",
            "≤ 15.6 mL (n=4)",
            "≤ 35.2 mL (n=4)",
            "> 35.2 mL (n=4)",
            "lobar (n=6)",
            "deep (n=5)"
        ]
    );
    let captions: Vec<&str> = made.markdown.lines().filter(|l| l.starts_with("Results")).collect();
    assert_eq!(captions, ["Results", "Results by volume_reference tertile", "Results by location"]);
    let error = SummariseCohort { subgroups: vec!["location".into()], ..stage() }.summarise(&tables(), None);
    assert!(error.err().unwrap().to_string().contains("connect one to `characteristics`"));
}

#[test]
fn methods_are_columns() {
    let methods = vec!["observer 1".into(), "observer 2".into(), "method".into()];
    let made = SummariseCohort { methods, ..stage() }.summarise(&tables(), None).unwrap();
    let head = made.tsv.lines().next().unwrap();
    assert_eq!(head, "n/a\tobserver 1 (n=4)\tobserver 2 (n=4)\tmethod (n=4)");
    assert_eq!(made.cases.rows.len(), 12);
    assert!(made.bland_altman.contains("observer 2: volume − volume_reference"));
}

#[test]
fn a_measure_that_is_not_there_is_named_with_those_that_are() {
    let error =
        SummariseCohort { measures: vec!["dsc".into()], ..stage() }.summarise(&tables(), None).err().unwrap();
    assert_eq!(error.to_string(), "no table measures `dsc`; there are dice, hd, volume, volume_reference");
}
