//! From values to greys.

/// The part of the value range that is shown, in the volume's unit.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub width: f64,
    pub level: f64,
}

impl Window {
    /// Black up to here.
    pub fn lower(&self) -> f64 {
        self.level - self.width / 2.0
    }

    /// The grey of a value, 0 to 255: DICOM's VOI LUT function LINEAR_EXACT (PS3.3, C.11.2.1.3.2). What is no
    /// number is black.
    pub fn grey(&self, value: f32) -> f32 {
        let t = (f64::from(value) - self.level) / self.width + 0.5;
        if t > 0.0 { (255.0 * t.min(1.0)) as f32 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_brain_window_shows_0_to_80() {
        let w = Window { width: 80.0, level: 40.0 };
        let values = [-1024.0, 0.0, 20.0, 40.0, 80.0, 3000.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        assert_eq!(values.map(|v| w.grey(v)), [0.0, 0.0, 63.75, 127.5, 255.0, 255.0, 255.0, 0.0, 0.0]);
        assert_eq!(w.lower(), 0.0);
    }
}
