//! Groups of cases.

use crate::cohort::{Characteristics, Cohort, Reading};
use crate::quantile::quantile;
use crate::statistics::sorted;

/// Cases of one method that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What the cases are grouped by; empty for all of a method.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The method.
    pub method: usize,
    /// The cases that the method measured.
    pub cases: Vec<usize>,
}

impl Group {
    /// The values of a measure, in the order of cases.
    pub fn values(&self, cohort: &Cohort, measure: usize) -> Vec<f64> {
        self.cases.iter().filter_map(|case| cohort.value(self.method, *case, measure)).collect()
    }

    /// How many cases have no value because it is undefined, and because there is no measurement.
    pub fn without(&self, cohort: &Cohort, measure: usize) -> [usize; 2] {
        [Reading::Undefined, Reading::Missing].map(|what| {
            self.cases.iter().filter(|case| cohort.reading(self.method, **case, measure) == what).count()
        })
    }
}

/// All cases of each method, then for each property the cases of each level by each method.
pub fn groups(cohort: &Cohort, kinds: &[Characteristics]) -> Vec<Group> {
    let methods = 0..cohort.methods.len();
    let measured = |method: usize, case: usize| {
        (0..cohort.measures.len()).any(|m| cohort.reading(method, case, m) != Reading::Missing)
    };
    let of = |method: usize, kind: &str, name: &str, of_group: &dyn Fn(usize) -> bool| Group {
        kind: kind.into(),
        name: match (cohort.methods[method].as_str(), name) {
            ("", "") => "all".into(),
            ("", name) | (name, "") => name.into(),
            (method, name) => format!("{method}, {name}"),
        },
        method,
        cases: (0..cohort.cases.len()).filter(|case| of_group(*case) && measured(method, *case)).collect(),
    };
    let mut out: Vec<Group> = methods.clone().map(|m| of(m, "", "", &|_| true)).collect();
    for kind in kinds {
        for (n, level) in kind.levels.iter().enumerate() {
            let of_level = |case: usize| kind.of_case[case] == Some(n);
            out.extend(methods.clone().map(|m| of(m, &kind.name, level, &of_level)));
        }
    }
    out
}

/// Thirds of a measure, by the first method that has it.
pub fn tertiles(cohort: &Cohort, measure: usize) -> Characteristics {
    let value = |case: usize| (0..cohort.methods.len()).find_map(|m| cohort.value(m, case, measure));
    let all = sorted(&(0..cohort.cases.len()).filter_map(value).collect::<Vec<_>>());
    let [low, high] = [1.0 / 3.0, 2.0 / 3.0].map(|p| quantile(&all, p));
    let unit = match cohort.measures[measure].unit.as_str() {
        "" | "1" => String::new(),
        unit => format!(" {unit}"),
    };
    let levels =
        vec![format!("≤ {low:.1}{unit}"), format!("≤ {high:.1}{unit}"), format!("> {high:.1}{unit}")];
    let third = |v: f64| usize::from(v > low) + usize::from(v > high);
    Characteristics {
        name: format!("{} tertile", cohort.measures[measure].name),
        levels,
        of_case: (0..cohort.cases.len()).map(|case| value(case).map(third)).collect(),
    }
}
