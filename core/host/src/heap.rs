//! The C library's heap, which keeps what is freed.
//!
//! glibc keeps freed blocks of up to 32 MiB, 64 MiB of them and more, for every thread anew. Within a stage
//! that saves time; after it, it is memory that no forecast counts.

/// Makes all threads share one heap, the only kind that can be given back whole. Before threads are made.
pub(crate) fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::c_int;
        /// malloc.h
        const M_ARENA_MAX: c_int = -8;
        unsafe extern "C" {
            fn mallopt(param: c_int, value: c_int) -> c_int;
        }
        // SAFETY: a setting; it moves nothing that was allocated before.
        unsafe { mallopt(M_ARENA_MAX, 1) };
    }
}

/// Gives what is free back to the system. After every stage.
pub(crate) fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: may be called at any time from any thread; touches free memory alone.
        unsafe { malloc_trim(0) };
    }
}
