//! A plugin in memory.

use crate::job::StageError;
use ichor_abi::*;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::ffi::c_void;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};

/// A loaded plugin. It stays for the life of the process: a library that has started threads, or whose strings
/// somebody still holds, cannot be unloaded safely.
pub(crate) struct Loaded {
    pub(crate) create: ichor_create_fn,
    pub(crate) plan: Option<ichor_plan_fn>,
    pub(crate) run: ichor_run_fn,
    pub(crate) destroy: ichor_destroy_fn,
}

/// Messages that plugins sent outside of runs, for the next run's log.
static MESSAGES: Mutex<Vec<(i32, String)>> = Mutex::new(Vec::new());

/// Takes the messages that plugins sent outside of runs.
pub(crate) fn take_messages() -> Vec<(i32, String)> {
    std::mem::take(&mut *MESSAGES.lock().unwrap_or_else(PoisonError::into_inner))
}

unsafe extern "C" fn log(_: *const ichor_host, level: i32, message: ichor_str) {
    // SAFETY: the string is valid for the call (ichor.h).
    let text = unsafe { message.text() }.unwrap_or("(a message that is not UTF-8)");
    let mut messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
    if messages.len() < 100 {
        messages.push((level, text.to_owned()));
    }
}

unsafe extern "C" fn extension(_: *const ichor_host, _: ichor_str) -> *const c_void {
    std::ptr::null() // none so far
}

struct HostTable(ichor_host);

// SAFETY: the table is never written; its functions may be called from any thread.
unsafe impl Sync for HostTable {}

/// What every plugin is given at load.
static HOST: HostTable = HostTable(ichor_host {
    size: size_of::<ichor_host>() as u32,
    abi_major: ICHOR_ABI_MAJOR,
    abi_minor: ICHOR_ABI_MINOR,
    ctx: std::ptr::null_mut(),
    name: ichor_str::new("ichor"),
    version: ichor_str::new(env!("CARGO_PKG_VERSION")),
    log,
    extension,
});

impl Loaded {
    /// Loads the library behind `file`, which may be gone from its path by now.
    pub(crate) fn open(file: &File, manifest: &[u8]) -> Result<&'static Self, StageError> {
        let mismatch = |why: String| StageError::new(ICHOR_ABI_MISMATCH, why);
        // The loader knows libraries by their path, so this number must never stand for another file: a
        // duplicate that stays open.
        let file =
            file.try_clone().map_err(|e| mismatch(format!("the plugin cannot be opened again: {e}")))?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        std::mem::forget(file);
        // SAFETY: loading runs the library's initialisers: the person who put it in a plugin folder asked for
        // that.
        let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.map_err(|e| {
            let text = e.to_string().replace(&path, "the library");
            mismatch(format!("the plugin cannot be loaded: {text}; was it built for this machine?"))
        })?;
        // SAFETY: the symbol is data; it is checked before it is believed.
        let symbol = unsafe { library.get::<*const ichor_plugin>(ICHOR_SYMBOL) };
        let plugin = symbol.map(|s| s.into_raw().cast::<ichor_plugin>()).map_err(|_| {
            mismatch(
                "the plugin exports no `ichor_plugin_v1`; it must be built against ichor.h version 1".into(),
            )
        })?;
        // Never dlclose, also of what is refused: its initialisers have run.
        std::mem::forget(library);
        if plugin.is_null() || !plugin.is_aligned() {
            return Err(mismatch("the plugin's `ichor_plugin_v1` is not where a table can be".into()));
        }
        // SAFETY: the first four fields have their place in every version (ichor.h).
        let (magic, major, minor, size) =
            unsafe { ((*plugin).magic, (*plugin).abi_major, (*plugin).abi_minor, (*plugin).size) };
        if magic != ICHOR_MAGIC {
            return Err(mismatch(format!(
                "the plugin's table begins with {magic:#x}, not with ICHR; it is damaged"
            )));
        }
        if major != ICHOR_ABI_MAJOR || minor > ICHOR_ABI_MINOR {
            return Err(mismatch(format!(
                "the plugin needs contract {major}.{minor}, this Ichor offers {ICHOR_ABI_MAJOR}.{ICHOR_ABI_MINOR}; {}",
                if major < ICHOR_ABI_MAJOR {
                    "rebuild the plugin"
                } else {
                    "update Ichor, or rebuild the plugin"
                }
            )));
        }
        if (size as usize) < size_of::<ichor_plugin>() {
            return Err(mismatch(format!("the plugin's table has {size} bytes, too few; it is damaged")));
        }
        // SAFETY: magic, version and size say that the whole table is there; it lives as long as the library.
        let plugin: &'static ichor_plugin = unsafe { &*plugin };
        // SAFETY: the manifest is static data of the plugin.
        if unsafe { plugin.manifest.text() }.map(|t| t.trim_end_matches('\0').as_bytes()) != Some(manifest) {
            return Err(mismatch(
                "the manifest in the plugin's table is not the one in its file; rebuild it".into(),
            ));
        }
        let (Some(create), Some(run), Some(destroy)) = (plugin.create, plugin.run, plugin.destroy) else {
            return Err(mismatch("the plugin's table lacks create, run or destroy; rebuild it".into()));
        };
        if let Some(load) = plugin.load {
            // SAFETY: called once per process before anything else, with a host that outlives the plugin.
            StageError::catch(|err| unsafe { load(&raw const HOST.0, err) })?;
        }
        Ok(Box::leak(Box::new(Self { create, plan: plugin.plan, run, destroy })))
    }
}
