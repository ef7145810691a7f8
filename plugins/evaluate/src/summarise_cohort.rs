//! The results of many cases in a few tables and pictures.

use crate::cohort::{Characteristics, Cohort, read};
use crate::plot::{Boxes, Pairs, bland_altman, box_plots};
use crate::sheet::{Sheet, latex, markdown, tsv};
use group::{Group, groups};
use ichor_sdk::prelude::*;

mod cases;
mod group;
mod long;
mod print;

/// Sums up the measurements of many cases: tables as a paper prints them, box plots and Bland-Altman plots.
///
/// A measure is given as mean ± SD where the Shapiro-Wilk test does not reject a normal distribution (p >= 0.05), else
/// as median [first quartile–third quartile]; fewer than three values cannot be tested and are not normal. Quartiles are
/// linear between order statistics (type 7). Cases in which a measure is undefined, as distances of an empty mask are,
/// are left out of that measure alone and counted in a note.
///
/// `tables` are tables of measurements (of their rows, those of lesion `all`) or tables with a row a case and a column
/// a measure. A column `case` or `participant_id` names cases; tables without it belong to the parameter `cases` in
/// turn, or are a case each. With `methods`, the tables are as many equal parts, in order: one a method, an observer or a
/// variant. Each becomes a column, as in a table of observers against each other.
///
/// Subgroups come from a table of `characteristics` and from thirds of a measure.
#[derive(Stage)]
#[stage(id = "summarise-cohort", version = "1.0.0")]
#[input(tables, kind = "table", many, doc = "measurements, one table a case or one for many")]
#[input(
    characteristics,
    kind = "table",
    optional,
    doc = "a row a case, a column a property, as place or shape"
)]
#[output(table, kind = "table", doc = "a row a group and measure: n, mean, SD, quartiles, normality")]
#[output(cases, kind = "table", doc = "a row a case, a column a measure")]
#[output(tsv, kind = "doc", doc = "text/tab-separated-values: a row a measure, a column a group")]
#[output(markdown, kind = "doc", doc = "text/markdown: a table for all and one for each kind of subgroup")]
#[output(latex, kind = "doc", doc = "text/x-tex: the same, for the package booktabs")]
#[output(box_plots, kind = "doc", doc = "image/svg+xml: a panel a measure, a box a group")]
#[output(bland_altman, kind = "doc", doc = "image/svg+xml: agreement of two measures, a panel a method")]
pub struct SummariseCohort {
    /// Which measures to sum up, in this order; without it, all.
    #[param(default = [])]
    measures: Vec<String>,
    /// Names of methods, observers or variants, each with an equal part of the tables.
    #[param(default = [])]
    methods: Vec<String>,
    /// Names of cases for tables that do not say theirs.
    #[param(default = [])]
    cases: Vec<String>,
    /// Columns of `characteristics` that make subgroups; without it, all that hold words.
    #[param(default = [])]
    subgroups: Vec<String>,
    /// A measure by whose thirds cases are grouped, such as `volume_reference`.
    tertiles: Option<String>,
    /// Two measures whose agreement is shown. Without it, `volume` and `volume_reference` where both were measured.
    agreement: Option<[String; 2]>,
    /// What the tables show, for their captions.
    #[param(default = "Results")]
    title: String,
    /// Digits after the decimal point.
    #[param(default = 2, max = 12)]
    decimals: u32,
}

impl Run for SummariseCohort {
    fn run(&self, run: &Context) -> Result<()> {
        let tables: Vec<Table> = run.many(Self::TABLES)?.iter().map(Input::table).collect::<Result<_>>()?;
        let characteristics = run.optional(Self::CHARACTERISTICS)?.map(|input| input.table()).transpose()?;
        let made = self.summarise(&tables, characteristics.as_ref())?;
        run.emit_table(Self::TABLE, &made.table)?;
        run.emit_table(Self::CASES, &made.cases)?;
        run.emit_doc(Self::TSV, "text/tab-separated-values", "tsv", &made.tsv)?;
        run.emit_doc(Self::MARKDOWN, "text/markdown", "md", &made.markdown)?;
        run.emit_doc(Self::LATEX, "text/x-tex", "tex", &made.latex)?;
        run.emit_doc(Self::BOX_PLOTS, "image/svg+xml", "svg", &made.box_plots)?;
        run.emit_doc(Self::BLAND_ALTMAN, "image/svg+xml", "svg", &made.bland_altman)
    }
}

/// All that the stage makes.
struct Made {
    table: Table,
    cases: Table,
    tsv: String,
    markdown: String,
    latex: String,
    box_plots: String,
    bland_altman: String,
}

impl SummariseCohort {
    fn summarise(&self, tables: &[Table], characteristics: Option<&Table>) -> Result<Made> {
        let cohort = read(tables, &self.methods, &self.cases)?;
        let measures = cohort.choose(&self.measures)?;
        let mut kinds = Vec::new();
        if let Some(name) = &self.tertiles {
            let measure = cohort.choose(std::slice::from_ref(name))?;
            kinds.extend(measure.first().map(|m| group::tertiles(&cohort, *m)));
        }
        match characteristics {
            Some(table) => kinds.extend(Characteristics::read(table, &self.subgroups, &cohort.cases)?),
            None if !self.subgroups.is_empty() => {
                return Err(Error::bad_params(
                    "`subgroups` are columns of a table of characteristics; connect one to `characteristics`",
                ));
            }
            None => {}
        }
        let groups = groups(&cohort, &kinds);
        let decimals = self.decimals as usize;
        let sheets: Vec<Sheet> = groups
            .chunk_by(|a, b| a.kind == b.kind)
            .map(|part| print::sheet(&cohort, part, &measures, &self.title, decimals))
            .collect();
        Ok(Made {
            table: long::table(&cohort, &groups, &measures, decimals),
            cases: cases::table(&cohort, &measures),
            tsv: tsv(&print::sheet(&cohort, &groups, &measures, &self.title, decimals)),
            markdown: markdown(&sheets),
            latex: latex(&sheets),
            box_plots: box_plots(&boxes(&cohort, &groups, &measures)),
            bland_altman: bland_altman(&self.pairs(&cohort)?),
        })
    }

    fn pairs(&self, cohort: &Cohort) -> Result<Vec<Pairs>> {
        let [a, b] = match &self.agreement {
            Some(names) => match cohort.choose(names)?[..] {
                [a, b] => [a, b],
                _ => return Ok(Vec::new()),
            },
            None => match (cohort.measure("volume"), cohort.measure("volume_reference")) {
                (Some(a), Some(b)) => [a, b],
                _ => return Ok(Vec::new()),
            },
        };
        let (first, second) = (&cohort.measures[a], &cohort.measures[b]);
        if first.unit != second.unit {
            return Err(Error::bad_params(format!(
                "`{}` is in `{}` and `{}` in `{}`: they cannot agree",
                first.name, first.unit, second.name, second.unit
            )));
        }
        let of = |method: usize| {
            let pair = |case| Some([cohort.value(method, case, a)?, cohort.value(method, case, b)?]);
            let name = &cohort.methods[method];
            let names = format!("{} − {}", first.name, second.name);
            Pairs {
                title: if name.is_empty() { names } else { format!("{name}: {names}") },
                unit: first.unit.clone(),
                pairs: (0..cohort.cases.len()).filter_map(pair).collect(),
            }
        };
        Ok((0..cohort.methods.len()).map(of).collect())
    }
}

fn boxes(cohort: &Cohort, groups: &[Group], measures: &[usize]) -> Vec<Boxes> {
    let of = |measure: &usize| Boxes {
        title: cohort.measures[*measure].label(),
        groups: groups
            .iter()
            .map(|g| (g.name.clone(), crate::statistics::sorted(&g.values(cohort, *measure))))
            .collect(),
    };
    measures.iter().map(of).collect()
}

#[cfg(test)]
mod tests;
