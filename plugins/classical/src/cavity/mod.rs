//! Steps of `cavity-threshold`, in the order in which it takes them.

pub mod shrink;
pub mod upright;

pub mod enclosure;
pub mod foramen;
pub mod refine;
