//! What stages made before, found by what they made it from.
//!
//! ```text
//! CACHE/stages/ab/<key>.json    ids of a stage's outputs, and the small ones themselves, under the key of what
//!                               made them; the first line is the BLAKE3 of the rest
//! CACHE/values/cd/<id>          a value, compressed, under the id of its content
//! ```
//!
//! A file appears by a rename, values before the stage that names them; whoever reads one checks it, against its
//! name too, so that a damaged, cut or exchanged file is told and made again. Two runs may share a cache. No decision depends on a
//! time, except which files go first when the cache is full.

use crate::content::id_of;
use crate::leftover::{is_left, mine};
use crate::record::hex;
use ichor_host::{Described, Host, Value};
use ichor_image::parallel::{for_each_chunk, map_ranges};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::SystemTime;

/// Bytes that are compressed at a time.
const BLOCK: usize = 4 << 20;
/// Fast, and with the bytes of each voxel kept apart it halves a CT.
const LEVEL: i32 = 1;

/// Prefix of files that are being written.
const TEMPORARY: &str = ".tmp-";

/// Values of up to so many bytes stand in the entry of their stage: half the files, for most tables and numbers.
const SMALL: usize = 4096;

/// A folder of values and of what made them.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    limit: u64,
    /// Bytes that may be put in before it must be looked through again.
    room: AtomicI64,
}

/// What a stage made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The key, again: an entry under another's name is none.
    pub key: String,
    /// Ids of its outputs.
    pub outputs: Vec<String>,
    /// What they are.
    pub described: Vec<Described>,
    /// The bytes of those that are small, hexadecimal.
    pub small: Vec<Option<String>>,
}

/// What the cache has under a key.
pub(crate) enum Kept {
    Entry(Box<Entry>),
    Nothing,
    /// A file that is not what was written.
    Damaged,
}

impl Entry {
    /// An entry without outputs.
    pub(crate) fn new(key: String) -> Self {
        Self { key, outputs: Vec::new(), described: Vec::new(), small: Vec::new() }
    }

    /// Adds an output; one that is not small has to be stored beside, which the return value says.
    pub(crate) fn add(&mut self, id: &str, value: &Value) -> bool {
        let bytes = value.bytes();
        let is_small = bytes.len() <= SMALL;
        self.outputs.push(id.to_owned());
        self.described.push(value.described());
        self.small.push(is_small.then(|| hex(bytes)));
        !is_small
    }

    /// An output that stands in the entry itself; `None` when it does not.
    pub(crate) fn value(&self, host: &Host, output: usize) -> Option<Found> {
        let text = self.small.get(output)?.as_ref()?;
        let (described, id) = (self.described.get(output)?, self.outputs.get(output)?);
        let Some(bytes) = unhex(text).filter(|b| b.len() == described.len()) else {
            return Some(Found::Damaged);
        };
        let made = described.clone().with_bytes(host.pool(), |out| -> Result<(), ()> {
            out.copy_from_slice(&bytes);
            if id_of(host, described, out) == *id { Ok(()) } else { Err(()) }
        });
        Some(match made {
            Some(Ok(value)) => Found::Value(Box::new(value)),
            Some(Err(())) => Found::Damaged,
            None => Found::NoMemory,
        })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
    let pairs = text.as_bytes().as_chunks::<2>();
    if !pairs.1.is_empty() {
        return None;
    }
    pairs.0.iter().map(|&[a, b]| Some(digit(a)? << 4 | digit(b)?)).collect()
}

/// What reading a value gave.
pub(crate) enum Found {
    Value(Box<Value>),
    /// The file is not there, or not what its name says; it is removed.
    Damaged,
    NoMemory,
}

#[derive(Serialize, Deserialize)]
struct Head {
    described: Described,
    /// Compressed sizes of the blocks.
    blocks: Vec<u32>,
}

impl Cache {
    /// The cache in `dir`, which need not be there yet. Beyond `limit` bytes it forgets.
    #[must_use]
    pub fn new(dir: &Path, limit: u64) -> Self {
        Self { dir: dir.to_owned(), limit, room: AtomicI64::new(0) }
    }

    /// Makes the folder if it is not there, so that nobody but its owner can read it.
    pub(crate) fn make(&self) -> io::Result<()> {
        for part in ["stages", "values"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(self.dir.join(part))?;
        }
        Ok(())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    fn place(&self, part: &str, name: &str) -> PathBuf {
        self.dir.join(part).join(name.get(..2).unwrap_or("xx")).join(name)
    }

    /// What the stage of this key made, if it is all there.
    pub(crate) fn stage(&self, key: &str) -> Kept {
        let path = self.place("stages", &format!("{key}.json"));
        let Ok(text) = fs::read(&path) else { return Kept::Nothing };
        let whole = (text.get(..64).zip(text.get(65..)))
            .filter(|(sum, json)| blake3::hash(json).to_hex().as_bytes() == *sum)
            .and_then(|(_, json)| serde_json::from_slice::<Entry>(json).ok())
            .filter(|e| {
                e.key == key && e.outputs.len() == e.described.len() && e.outputs.len() == e.small.len()
            });
        // It stays until the stage has run again: a forecast is not the one to tell of it.
        let Some(entry) = whole else { return Kept::Damaged };
        let is_there = |(id, small): (&String, &Option<String>)| small.is_some() || self.has(id);
        if !entry.outputs.iter().zip(&entry.small).all(is_there) {
            return Kept::Nothing; // a value was forgotten
        }
        touch(&path);
        Kept::Entry(Box::new(entry))
    }

    pub(crate) fn put_stage(&self, entry: &Entry) -> io::Result<()> {
        let json = serde_json::to_vec(entry)?;
        let sum = blake3::hash(&json).to_hex();
        self.write(&self.place("stages", &format!("{}.json", entry.key)), |file| {
            file.write_all(&[sum.as_bytes(), b"\n", &json].concat())
        })
    }

    /// Whether a value is there; it may still be damaged.
    pub(crate) fn has(&self, id: &str) -> bool {
        is_id(id) && self.place("values", id).is_file()
    }

    pub(crate) fn put_value(&self, host: &Host, id: &str, value: &Value) -> io::Result<()> {
        let path = self.place("values", id);
        if path.is_file() {
            touch(&path);
            return Ok(());
        }
        let described = value.described();
        let (element, len) = (described.element(), described.len());
        let blocks: Vec<io::Result<Vec<u8>>> = map_ranges(&host.parallel(), len, BLOCK, &|range| {
            zstd::bulk::compress(&apart(&value.part(range), element), LEVEL)
        });
        let blocks = blocks.into_iter().collect::<io::Result<Vec<_>>>()?;
        let head = Head { described, blocks: blocks.iter().map(|b| b.len() as u32).collect() };
        let mut text = serde_json::to_vec(&head)?;
        text.push(b'\n');
        self.write(&path, |file| {
            file.write_all(&text)?;
            blocks.iter().try_for_each(|block| file.write_all(block))
        })
    }

    /// Reads a value and checks that it is what its id says.
    pub(crate) fn value(&self, host: &Host, id: &str) -> Found {
        let path = self.place("values", id);
        match self.read(host, id, &path) {
            Some(Ok(value)) => {
                touch(&path);
                Found::Value(Box::new(value))
            }
            Some(Err(_)) => {
                let _ = fs::remove_file(&path);
                Found::Damaged
            }
            None => Found::NoMemory,
        }
    }

    fn read(&self, host: &Host, id: &str, path: &Path) -> Option<io::Result<Value>> {
        let read_head = || -> io::Result<(Head, File, u64)> {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            let mut reader = BufReader::new((&file).take(size));
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line)?;
            let head: Head = serde_json::from_slice(&line)?;
            let body: u64 = head.blocks.iter().map(|&n| u64::from(n)).sum();
            let blocks = head.described.len().div_ceil(BLOCK);
            if line.len() as u64 + body != size || head.blocks.len() != blocks {
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok((head, file, line.len() as u64))
        };
        let (head, file, start) = match read_head() {
            Ok(parts) => parts,
            Err(error) => return Some(Err(error)),
        };
        let mut places = Vec::with_capacity(head.blocks.len());
        let mut at = start;
        for &len in &head.blocks {
            places.push((at, len as usize));
            at += u64::from(len);
        }
        let element = head.described.element();
        let described = head.described.clone();
        head.described.with_bytes(host.pool(), |bytes| {
            let failed = AtomicBool::new(false);
            for_each_chunk(&host.parallel(), bytes, BLOCK, &|n, part| {
                let mut read = || -> io::Result<()> {
                    let mut packed = vec![0; places[n].1];
                    file.read_exact_at(&mut packed, places[n].0)?;
                    let plain = zstd::bulk::decompress(&packed, part.len())?;
                    if plain.len() != part.len() {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    together(&plain, element, part);
                    Ok(())
                };
                if read().is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
            });
            let is_it = !failed.into_inner() && id_of(host, &described, bytes) == id;
            if is_it { Ok(()) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
        })
    }

    fn write(&self, path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.dir);
        let temporary = || tempfile::Builder::new().prefix(&mine(TEMPORARY)).tempfile_in(folder);
        let mut file = match temporary() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                temporary()
            }
            other => other,
        }?;
        fill(file.as_file_mut())?;
        let length = file.as_file().metadata().map_or(0, |m| m.len() as i64);
        self.room.fetch_sub(length, Ordering::Relaxed);
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    /// Where so much was put in that it may be too much, removes what was not used for longest until the cache keeps its
    /// limit, and what killed runs left.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn trim(&self) -> io::Result<()> {
        if self.room.load(Ordering::Relaxed) >= 0 {
            return Ok(());
        }
        let mut files = Vec::new();
        for part in ["values", "stages"] {
            for folder in fs::read_dir(self.dir.join(part))?.flatten() {
                for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                    // A file may be gone by now: another run trims too.
                    let Ok(data) = file.metadata() else { continue };
                    let used = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    let name = file.file_name();
                    if name.to_str().is_some_and(|name| is_left(name, TEMPORARY)) {
                        let _ = fs::remove_file(file.path());
                    } else {
                        files.push((used, data.len(), file.path()));
                    }
                }
            }
        }
        let mut size: u64 = files.iter().map(|f| f.1).sum();
        // Others may put something in, too, so only a part of what is free is this run's.
        let free = (self.limit - size.min(self.limit)) / 8;
        self.room.store(i64::try_from(free).unwrap_or(i64::MAX), Ordering::Relaxed);
        if size <= self.limit {
            return Ok(());
        }
        files.sort();
        for (_, len, path) in files {
            if size <= self.limit / 10 * 9 {
                break;
            }
            let _ = fs::remove_file(path); // a stage that names it becomes a miss
            size -= len;
        }
        Ok(())
    }
}

fn is_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Marks a file as used now; only trimming looks at it.
fn touch(path: &Path) {
    let _ = File::open(path).and_then(|f| f.set_modified(SystemTime::now()));
}

/// The first bytes of all voxels, then the second ones: neighbours are alike.
fn apart(bytes: &[u8], element: usize) -> Vec<u8> {
    let n = bytes.len() / element;
    let mut out = vec![0; bytes.len()];
    for (part, out) in out.chunks_exact_mut(n.max(1)).take(element).enumerate() {
        out.iter_mut().zip(bytes[part..].iter().step_by(element)).for_each(|(to, from)| *to = *from);
    }
    out
}

/// Undoes `apart`.
fn together(bytes: &[u8], element: usize, out: &mut [u8]) {
    let n = bytes.len() / element;
    for (part, bytes) in bytes.chunks_exact(n.max(1)).take(element).enumerate() {
        out[part..].iter_mut().step_by(element).zip(bytes).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ichor_host::{DType, HostOptions};
    use ichor_image::{Affine, Grid};
    use ichor_spec::{Kind, Unit};

    fn value(host: &Host, shift: i16) -> Value {
        let grid = Grid::new([300, 200, 50], Affine::from_spacing([0.5, 0.5, 5.0], [0.1; 3])).unwrap();
        let bytes: Vec<u8> = (0..grid.len()).flat_map(|n| (n as i16 % 700 + shift).to_ne_bytes()).collect();
        Value::from_voxels(host.pool(), (Kind::Volume, Unit::Hu, DType::I16), &grid, &bytes).unwrap()
    }

    #[test]
    fn a_value_comes_back_and_a_changed_one_does_not() {
        let (host, dir) = (Host::new(HostOptions::new(2)).unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::new(dir.path(), u64::MAX);
        let value = value(&host, 0);
        let id = crate::content::content_id(&host, &value);
        cache.put_value(&host, &id, &value).unwrap();
        let Found::Value(back) = cache.value(&host, &id) else { panic!() };
        assert_eq!((back.bytes(), back.described()), (value.bytes(), value.described()));
        assert!(back.grid().unwrap() == value.grid().unwrap());

        let path = cache.place("values", &id);
        let good = fs::read(&path).unwrap();
        for change in [0, 10, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[change] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(matches!(cache.value(&host, &id), Found::Damaged), "byte {change}");
            assert!(!path.exists());
        }
        for cut in [0, 100, good.len() - 1] {
            fs::write(&path, &good[..cut]).unwrap();
            assert!(matches!(cache.value(&host, &id), Found::Damaged));
        }
        // Under another value's name it is not that value.
        let other = crate::content::content_id(&host, &self::value(&host, 1));
        cache.put_value(&host, &other, &value).unwrap();
        assert!(matches!(cache.value(&host, &other), Found::Damaged));
    }

    #[test]
    fn a_stage_without_its_values_is_a_miss_and_trimming_takes_the_oldest() {
        let (host, dir) = (Host::new(HostOptions::new(1)).unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::new(dir.path(), 1);
        let value = value(&host, 3);
        let id = crate::content::content_id(&host, &value);
        let mut entry = Entry::new("ab".repeat(32));
        assert!(entry.add(&id, &value));
        cache.put_value(&host, &id, &value).unwrap();
        cache.put_stage(&entry).unwrap();
        let Kept::Entry(back) = cache.stage(&entry.key) else { panic!() };
        assert_eq!(back.outputs, entry.outputs);
        assert!(matches!(cache.stage(&"cd".repeat(32)), Kept::Nothing));
        cache.trim().unwrap();
        assert!(matches!(cache.stage(&entry.key), Kept::Nothing));
    }

    #[test]
    fn small_values_stand_in_the_entry_and_damage_is_told() {
        let (host, dir) = (Host::new(HostOptions::new(1)).unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::new(dir.path(), u64::MAX);
        let value = Value::from_bytes(Kind::Doc, b"three words more".as_slice());
        let id = crate::content::content_id(&host, &value);
        let mut entry = Entry::new("ab".repeat(32));
        assert!(!entry.add(&id, &value));
        cache.put_stage(&entry).unwrap();
        assert!(!cache.has(&id));
        let Kept::Entry(back) = cache.stage(&entry.key) else { panic!() };
        let Some(Found::Value(back)) = back.value(&host, 0) else { panic!() };
        assert_eq!((back.bytes(), back.described()), (value.bytes(), value.described()));

        let path = cache.place("stages", &format!("{}.json", entry.key));
        let good = fs::read(&path).unwrap();
        for change in 0..good.len() {
            let mut bad = good.clone();
            bad[change] ^= 4;
            fs::write(&path, &bad).unwrap();
            // The line's end is the only byte that says nothing.
            let damaged = matches!(cache.stage(&entry.key), Kept::Damaged);
            assert!(damaged || change == 64, "byte {change}");
            fs::write(&path, &good[..change]).unwrap();
            assert!(matches!(cache.stage(&entry.key), Kept::Damaged));
        }
        // Under another's key it is no entry.
        fs::create_dir_all(dir.path().join("stages/cd")).unwrap();
        fs::write(cache.place("stages", &format!("{}.json", "cd".repeat(32))), &good).unwrap();
        assert!(matches!(cache.stage(&"cd".repeat(32)), Kept::Damaged));
    }
}
