//! Finds plugins and reads what they say of themselves, without running anything of theirs.

use ichor_abi::ICHOR_MANIFEST_SECTION;
use ichor_spec::PluginManifest;
use object::read::ReadCache;
use object::{Object, ObjectSection};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// No manifest needs more.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// A folder with plugins.
#[derive(Clone, Debug)]
pub struct PluginDir {
    /// The folder.
    pub path: PathBuf,
    /// Whether its plugins came with Ichor; they run in the host's process by default.
    pub shipped: bool,
}

/// A plugin on disk. The file stays open: what was read is what is hashed and loaded, whatever happens to the
/// path meanwhile.
#[derive(Clone, Debug)]
pub struct PluginFile {
    /// Where it was found.
    pub path: PathBuf,
    /// Whether it came with Ichor.
    pub shipped: bool,
    /// What it offers.
    pub manifest: PluginManifest,
    /// The bytes of its manifest.
    pub(crate) manifest_text: Vec<u8>,
    pub(crate) file: Arc<File>,
    sha256: Arc<OnceLock<String>>,
}

impl PluginFile {
    /// SHA-256 of the file, hexadecimal; read when first asked for.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sha256(&self) -> io::Result<&str> {
        if let Some(known) = self.sha256.get() {
            return Ok(known);
        }
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        let mut hash = Sha256::new();
        io::copy(&mut file, &mut hash)?;
        let text = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(self.sha256.get_or_init(|| text))
    }
}

/// All plugins in `dirs`, in the order of the folders and, in each, of the file names; and notes about files
/// that look like plugins and are none.
///
/// What anybody could have put there is refused, see [`find_plugins_anywhere`].
#[must_use]
pub fn find_plugins(dirs: &[PluginDir]) -> (Vec<PluginFile>, Vec<String>) {
    find(dirs, false)
}

/// As [`find_plugins`], without regard to who may write to the folders: for the person who knows better.
#[must_use]
pub fn find_plugins_anywhere(dirs: &[PluginDir]) -> (Vec<PluginFile>, Vec<String>) {
    find(dirs, true)
}

/// Why a plugin or its folder cannot be trusted: everybody may write to it, or it belongs to somebody else.
fn distrust(path: &Path) -> Option<String> {
    let data = fs::metadata(path).ok()?;
    let shown = path.display();
    if data.mode() & 0o002 != 0 {
        return Some(format!(
            "{shown} can be written by everybody (mode {:o}), so anybody may have changed it; `chmod o-w {shown}`, or \
             --allow-writable-plugins if that is meant",
            data.mode() & 0o7777
        ));
    }
    let (owner, me) = (data.uid(), rustix::process::geteuid().as_raw());
    (owner != 0 && owner != me).then(|| {
        format!("{shown} belongs to user {owner}, neither to you nor to root; copy it, or --allow-writable-plugins if that is meant")
    })
}

fn find(dirs: &[PluginDir], anywhere: bool) -> (Vec<PluginFile>, Vec<String>) {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    let mut seen = std::collections::BTreeSet::new();
    for dir in dirs {
        let entries = match fs::read_dir(&dir.path) {
            Ok(entries) => entries,
            Err(error) => {
                notes.push(format!("cannot read the plugin folder {}: {error}", dir.path.display()));
                continue;
            }
        };
        if let Some(why) = distrust(&dir.path).filter(|_| !anywhere) {
            notes.push(format!("no plugin of it is used: the folder {why}"));
            continue;
        }
        let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
        paths.retain(|p| p.extension().is_some_and(|e| e == "so") && p.is_file());
        paths.sort();
        for path in paths {
            if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                continue; // two folders that are one
            }
            if let Some(why) = distrust(&path).filter(|_| !anywhere) {
                notes.push(format!("{} is not used: {why}", path.display()));
                continue;
            }
            match read_plugin(&path, dir.shipped) {
                Ok(Some(plugin)) => found.push(plugin),
                // Other libraries may lie beside the program; in a plugin folder they surprise.
                Ok(None) if dir.shipped => {}
                Ok(None) => notes.push(format!(
                    "{} is not used: it is no Ichor plugin (it has no section {ICHOR_MANIFEST_SECTION})",
                    path.display()
                )),
                Err(why) => notes.push(format!("{} is not used: {why}", path.display())),
            }
        }
    }
    (found, notes)
}

/// Reads the manifest of one plugin; `None` when the file is a library without one.
///
/// # Errors
/// One sentence: the file cannot be read, is no library, or its manifest is wrong.
pub fn read_plugin(path: &Path, shipped: bool) -> Result<Option<PluginFile>, String> {
    let file = File::open(path).map_err(|e| format!("it cannot be opened: {e}"))?;
    let mut magic = [0; 4];
    if (&file).read_exact(&mut magic).is_err() || magic != *b"\x7fELF" {
        return Err("it is not a library (no ELF file)".into());
    }
    let cache = ReadCache::new(&file);
    let broken = |e: object::Error| format!("it is a damaged library: {e}");
    let elf = object::File::parse(&cache).map_err(broken)?;
    let Some(section) = elf.section_by_name(ICHOR_MANIFEST_SECTION) else { return Ok(None) };
    if section.size() > MAX_MANIFEST_BYTES {
        return Err(format!("its manifest of {} bytes is absurdly long", section.size()));
    }
    let mut text = section.data().map_err(broken)?.to_vec();
    while text.last() == Some(&0) {
        text.pop();
    }
    let manifest = PluginManifest::parse(&text).map_err(|e| e.to_string())?;
    Ok(Some(PluginFile {
        path: path.to_owned(),
        shipped,
        manifest,
        manifest_text: text,
        file: Arc::new(file),
        sha256: Arc::default(),
    }))
}
