//! The groups of a cohort as a table for print: a row a measure, a column a group.

use super::group::Group;
use crate::cohort::Cohort;
use crate::sheet::Sheet;
use crate::statistics::describe::Description;

/// The table of these groups.
pub fn sheet(cohort: &Cohort, groups: &[Group], measures: &[usize], title: &str, decimals: usize) -> Sheet {
    let mut head = vec![String::new()];
    head.extend(groups.iter().map(|g| format!("{} (n={})", g.name, g.cases.len())));
    let mut notes = vec![
        "Mean ± SD where the Shapiro–Wilk test does not reject a normal distribution (p ≥ 0.05), else median [first \
         quartile–third quartile]."
            .to_owned(),
    ];
    notes.extend(cohort.convention.iter().map(|c| format!("Distances follow the convention `{c}`.")));
    let mut rows = Vec::new();
    for &measure in measures {
        let label = cohort.measures[measure].label();
        let mut row = vec![label.clone()];
        for group in groups {
            let values = group.values(cohort, measure);
            let text = Description::new(&values).text(decimals);
            let [undefined, missing] = group.without(cohort, measure);
            row.push(match undefined + missing {
                0 => text,
                _ => format!("{text} (n={})", values.len()),
            });
            for (count, what) in [(undefined, "undefined"), (missing, "not measured")] {
                if count > 0 {
                    notes.push(format!(
                        "{label}: {what} in {count} of {} ({}).",
                        group.cases.len(),
                        group.name
                    ));
                }
            }
        }
        rows.push(row);
    }
    // Groups of one table are all of a kind, or all there are.
    let kind = groups.first().map_or("", |g| &g.kind);
    let of_one_kind = !kind.is_empty() && groups.iter().all(|g| g.kind == kind);
    let caption = if of_one_kind { format!("{title} by {kind}") } else { title.into() };
    Sheet { caption, head, rows, notes }
}
