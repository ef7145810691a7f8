//! Any bytes through header, geometry, decoders and resampling.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    // A panic of a decoder that the loader catches is no finding; one that it does not catch still ends the run.
    init: std::panic::set_hook(Box::new(|_| ())),
    |input: &[u8]| ichor_dicom::fuzz::any(input)
);
