//! What of Hounsfield units registration looks at.

/// HU from -100 to 900, moved to 0 to 1000: air and fat are 0, so that what lies outside a field of view looks like
/// air, and metal is bone. What is not a number is air.
pub fn window(hu: f32) -> f32 {
    // False for NaN.
    if hu > -100.0 { hu.min(900.0) + 100.0 } else { 0.0 }
}

/// A windowed value with bone brought nearer to tissue: the free form has the brain's surface and ventricles to go by,
/// too, which beside bone would weigh nothing.
pub fn soften(value: f32) -> f32 {
    const KNEE: f32 = 250.0;
    if value > KNEE { KNEE + 0.2 * (value - KNEE) } else { value }
}
