//! Box plots after Tukey: quartiles, and whiskers to the last values within 1.5 interquartile ranges.

use super::axis::Axis;
use super::panels::panels;
use super::svg::{Anchor, Svg};
use crate::quantile::quantile;

/// A panel: groups of values of one measure.
pub struct Boxes {
    /// What is measured.
    pub title: String,
    /// The name of each group and its values in ascending order.
    pub groups: Vec<(String, Vec<f64>)>,
}

/// The panels as SVG.
pub fn box_plots(all: &[Boxes]) -> String {
    let widest = all.iter().map(|b| b.groups.len()).max().unwrap_or(0);
    let longest = all.iter().flat_map(|b| &b.groups).map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let (places, size) = panels(all.len(), [(40.0 * widest as f64).max(160.0), 180.0], 4.2 * longest as f64);
    let mut svg = Svg::new();
    for (boxes, panel) in all.iter().zip(places) {
        let axis = Axis::new(boxes.groups.iter().flat_map(|(_, v)| v.iter().copied()), panel.y);
        panel.frame(&mut svg, &boxes.title, &axis);
        let step = (panel.x[1] - panel.x[0]) / boxes.groups.len().max(1) as f64;
        for (n, (name, values)) in boxes.groups.iter().enumerate() {
            let x = panel.x[0] + (n as f64 + 0.5) * step;
            svg.text([x + 4.0, panel.y[0] + 14.0], Anchor::End, -40.0, name);
            one(&mut svg, values, x, (step * 0.3).min(14.0), &axis);
        }
    }
    svg.finish(size)
}

fn one(svg: &mut Svg, values: &[f64], x: f64, half: f64, axis: &Axis) {
    let Some([low, high]) = whiskers(values) else { return };
    let [q1, middle, q3] = [0.25, 0.5, 0.75].map(|p| axis.at(quantile(values, p)));
    let (ink, [bottom, top]) = ("stroke=\"black\"", [low, high].map(|v| axis.at(v)));
    svg.line([x, bottom], [x, q1], ink);
    svg.line([x, q3], [x, top], ink);
    for y in [bottom, top] {
        svg.line([x - half / 2.0, y], [x + half / 2.0, y], ink);
    }
    svg.rect([x - half, q1], [x + half, q3], "fill=\"#9ecae1\" stroke=\"black\"");
    svg.line([x - half, middle], [x + half, middle], "stroke=\"#b30000\" stroke-width=\"2\"");
    for &value in values.iter().filter(|v| **v < low || **v > high) {
        svg.circle([x, axis.at(value)], 2.0, "fill=\"none\" stroke=\"black\"");
    }
}

/// The least and the greatest value within 1.5 interquartile ranges of the quartiles; `None` without values.
fn whiskers(sorted: &[f64]) -> Option<[f64; 2]> {
    let [q1, q3] = [0.25, 0.75].map(|p| quantile(sorted, p));
    let reach = 1.5 * (q3 - q1);
    let low = sorted.iter().copied().find(|v| *v >= q1 - reach)?;
    let high = sorted.iter().rev().copied().find(|v| *v <= q3 + reach)?;
    Some([low, high])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiskers_are_those_of_matplotlib() {
        // The values of biomarkers.md, whose whiskers by matplotlib.cbook.boxplot_stats are 2.9 and 71.5.
        let manual = [2.9, 5.6, 8.3, 12.4, 17.2, 21.7, 26.6, 33.1, 39.4, 44.0, 58.9, 71.5];
        assert_eq!(whiskers(&manual), Some([2.9, 71.5]));
        assert_eq!(whiskers(&[1.0, 2.0, 3.0, 4.0, 50.0]), Some([1.0, 4.0]));
        assert_eq!(whiskers(&[]), None);
    }

    #[test]
    fn every_group_has_a_box_and_every_outlier_a_circle() {
        let groups = vec![("deep <1".into(), vec![1.0, 2.0, 3.0, 4.0, 50.0]), ("none".into(), vec![])];
        let svg = box_plots(&[Boxes { title: "DSC".into(), groups }]);
        assert_eq!(svg.matches("<circle").count(), 1);
        assert_eq!(svg.matches("fill=\"#9ecae1\"").count(), 1);
        assert!(svg.contains("deep &lt;1") && svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert!(box_plots(&[]).contains("</svg>"));
    }
}
