//! Steps of `cavity-threshold`, in the order in which it takes them.

pub mod refine;
pub mod slices;
