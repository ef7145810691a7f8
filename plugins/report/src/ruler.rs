//! Lengths that are easy to read.

/// The longest of 1, 2 and 5 times a power of ten that is at most `most` mm, and how it is written.
pub fn length(most: f64) -> (f64, String) {
    let power = 10f64.powi(most.max(1e-3).log10().floor() as i32);
    let mm = [5.0, 2.0].into_iter().map(|n| n * power).find(|&mm| mm <= most).unwrap_or(power);
    (mm, format!("{} mm", (mm * 1e6).round() / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_round() {
        let text = |most| length(most).1;
        assert_eq!([text(60.0), text(49.9), text(19.0), text(10.0)], ["50 mm", "20 mm", "10 mm", "10 mm"]);
        assert_eq!([text(0.7), text(0.25), text(200.0)], ["0.5 mm", "0.2 mm", "200 mm"]);
        assert_eq!(length(60.0).0, 50.0);
    }
}
