//! Bland-Altman plots: differences of two measurements against their means.

use super::axis::Axis;
use super::panels::panels;
use super::svg::{Anchor, Svg};
use crate::statistics::agreement::agreement;

/// A panel: pairs of measurements of the same.
pub struct Pairs {
    /// What is compared.
    pub title: String,
    /// Unit of both.
    pub unit: String,
    /// The pairs; differences are first minus second.
    pub pairs: Vec<[f64; 2]>,
}

/// The panels as SVG: a point a pair, the bias with its interval and the limits of agreement.
pub fn bland_altman(all: &[Pairs]) -> String {
    let (places, size) = panels(all.len().max(1), [300.0, 220.0], 14.0);
    let mut svg = Svg::new();
    for (pairs, panel) in all.iter().zip(&places) {
        let means: Vec<f64> = pairs.pairs.iter().map(|[a, b]| (a + b) / 2.0).collect();
        let differences: Vec<f64> = pairs.pairs.iter().map(|[a, b]| a - b).collect();
        let found = agreement(&differences);
        let limits = found.iter().flat_map(|f| f.limits);
        let y = Axis::new(differences.iter().copied().chain(limits).chain([0.0]), panel.y);
        let x = Axis::new(means.iter().copied(), panel.x);
        panel.frame(&mut svg, &pairs.title, &y);
        for (value, text) in x.ticks() {
            svg.line([x.at(value), panel.y[0]], [x.at(value), panel.y[0] + 4.0], "stroke=\"black\"");
            svg.text([x.at(value), panel.y[0] + 16.0], Anchor::Middle, 0.0, &text);
        }
        let unit = if pairs.unit.is_empty() { String::new() } else { format!(" ({})", pairs.unit) };
        let middle = (panel.x[0] + panel.x[1]) / 2.0;
        svg.text([middle, panel.y[0] + 31.0], Anchor::Middle, 0.0, &format!("mean{unit}"));
        let side = [panel.x[0] - 36.0, (panel.y[0] + panel.y[1]) / 2.0];
        svg.text(side, Anchor::Middle, -90.0, &format!("difference{unit}"));
        if let Some(found) = found {
            let [low, high] = found.bias_interval.map(|v| y.at(v));
            svg.rect([x.ends()[0], low], [x.ends()[1], high], "fill=\"#9ecae1\" fill-opacity=\"0.4\"");
            let mut level = |value: f64, style: &str, name: &str| {
                svg.line([x.ends()[0], y.at(value)], [x.ends()[1], y.at(value)], style);
                let text = format!("{name} {value:.2}");
                svg.text([x.ends()[1], y.at(value) - 3.0], Anchor::End, 0.0, &text);
            };
            level(found.bias, "stroke=\"#b30000\"", "bias");
            level(found.limits[0], "stroke=\"black\" stroke-dasharray=\"5 3\"", "−1.96 SD");
            level(found.limits[1], "stroke=\"black\" stroke-dasharray=\"5 3\"", "+1.96 SD");
        }
        for (mean, difference) in means.iter().zip(&differences) {
            svg.circle([x.at(*mean), y.at(*difference)], 2.5, "fill=\"#2171b5\" fill-opacity=\"0.7\"");
        }
    }
    if all.is_empty() {
        svg.text([20.0, 30.0], Anchor::Start, 0.0, "there are no two measurements to compare");
    }
    svg.finish(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bias_and_limits_are_written() {
        // scipy 1.17.1 and numpy 2.4.6, biomarkers.md: bias -0.54, limits -3.43 and 2.35.
        let manual = [12.4, 33.1, 5.6, 58.9, 21.7, 8.3, 44.0, 17.2, 71.5, 2.9, 26.6, 39.4];
        let auto = [11.9, 34.0, 5.6, 55.2, 22.5, 8.0, 42.1, 17.9, 69.3, 3.3, 25.1, 40.2];
        let pairs = auto.into_iter().zip(manual).map(|(a, b)| [a, b]).collect();
        let svg = bland_altman(&[Pairs { title: "Volume".into(), unit: "mL".into(), pairs }]);
        for text in ["bias -0.54", "−1.96 SD -3.43", "+1.96 SD 2.35", "difference (mL)"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg.matches("<circle").count(), 12);
    }

    #[test]
    fn nothing_to_compare_is_said() {
        assert!(bland_altman(&[]).contains("no two measurements"));
        let one = Pairs { title: "x".into(), unit: String::new(), pairs: vec![[1.0, 2.0]] };
        assert!(bland_altman(&[one]).contains("<circle"));
    }
}
