//! The C library's heap, which keeps what is freed.

/// Gives free memory of the heap back to the system.
///
/// glibc keeps blocks of up to 32 MiB when they are freed, 64 MiB and more in all. Within a stage that saves
/// time; for the next stage it is memory that nobody counted.
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
