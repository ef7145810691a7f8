//! What the file of a plugin shows without being loaded: its symbols, its table, what it needs.

use ichor_abi::*;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSegment, ObjectSymbol, RelocationTarget, SymbolScope, SymbolSection};
use std::collections::BTreeMap;
use std::mem::offset_of;

/// Symbols that linkers put into every library.
const OF_LINKERS: [&str; 9] =
    ["_init", "_fini", "_start", "_end", "__end__", "_edata", "_etext", "__bss_start", "__bss_start__"];
/// No library needs more relocations for its data than this many; more would only take time.
const MAX_RELOCATIONS: usize = 10_000_000;

/// A plugin's file, read into memory.
pub(super) struct Library<'a> {
    elf: ElfFile64<'a>,
    /// What the loader writes where: addresses, from the relocations that need no symbol of another library.
    pointers: BTreeMap<u64, u64>,
}

/// The table's fields that are plain data.
pub(super) struct Head {
    pub(super) magic: u32,
    pub(super) major: u16,
    pub(super) minor: u16,
    pub(super) size: u32,
}

impl<'a> Library<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err("it is not a library (no ELF file); link it with -shared".into());
        }
        let damaged = |e: object::Error| format!("it is a damaged or foreign library ({e}); build it again");
        let elf = ElfFile64::parse(bytes).map_err(damaged)?;
        if elf.kind() != object::ObjectKind::Dynamic {
            return Err("it is an ELF file and no shared library; link it with -shared".into());
        }
        if elf.section_by_name(ICHOR_MANIFEST_SECTION).is_none() {
            return Err(format!(
                "it has no section {ICHOR_MANIFEST_SECTION}; put the manifest there \
                 (in C: __attribute__((section(ICHOR_MANIFEST_SECTION), used)))"
            ));
        }
        let mut pointers = BTreeMap::new();
        for (at, relocation) in elf.dynamic_relocations().into_iter().flatten().take(MAX_RELOCATIONS) {
            let base = match relocation.target() {
                RelocationTarget::Absolute => 0,
                RelocationTarget::Symbol(index) => {
                    let table = elf.dynamic_symbol_table();
                    table
                        .and_then(|t| object::ObjectSymbolTable::symbol_by_index(&t, index).ok())
                        .map_or(0, |s| s.address())
                }
                _ => continue,
            };
            pointers.insert(at, base.wrapping_add_signed(relocation.addend()));
        }
        Ok(Self { elf, pointers })
    }

    /// What it exports besides the plugin's table and what linkers add.
    pub(super) fn other_exports(&self) -> Vec<String> {
        let visible = |s: &object::read::elf::ElfSymbol64<'_, '_>| {
            !s.is_undefined()
                && s.section() != SymbolSection::Absolute // names of versions
                && !matches!(s.scope(), SymbolScope::Compilation | SymbolScope::Linkage)
        };
        let names =
            self.elf.dynamic_symbols().filter(visible).filter_map(|s| s.name().ok().map(str::to_owned));
        let version = |n: &str| n.strip_prefix("ichor_plugin_v").is_some_and(|v| v.parse::<u32>().is_ok());
        names.filter(|n| !n.is_empty() && !version(n) && !OF_LINKERS.contains(&n.as_str())).collect()
    }

    /// Where the plugin's table is.
    pub(super) fn table(&self) -> Option<u64> {
        let wanted = std::str::from_utf8(&ICHOR_SYMBOL[..ICHOR_SYMBOL.len() - 1]).ok()?;
        self.elf.dynamic_symbols().find(|s| s.is_definition() && s.name() == Ok(wanted)).map(|s| s.address())
    }

    /// The first fields of the table, which every version has; `None` when the file has no such bytes.
    pub(super) fn head(&self) -> Option<Head> {
        let table = self.bytes(self.table()?, 16)?;
        let u16_at = |at: usize| u16::from_le_bytes([table[at], table[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        Some(Head { magic: u32_at(0), major: u16_at(4), minor: u16_at(6), size: u32_at(8) })
    }

    /// The manifest that the table points to.
    pub(super) fn manifest_of_table(&self) -> Option<&'a [u8]> {
        let at = self.table()? + offset_of!(ichor_plugin, manifest) as u64;
        let start = self.pointer(at)?;
        let len =
            self.bytes(at + offset_of!(ichor_str, len) as u64, 8)?.try_into().ok().map(u64::from_le_bytes)?;
        self.bytes(start, len)
    }

    /// The functions that every plugin must have and this one lacks.
    pub(super) fn missing_functions(&self) -> Vec<&'static str> {
        let fields = [
            ("create", offset_of!(ichor_plugin, create)),
            ("run", offset_of!(ichor_plugin, run)),
            ("destroy", offset_of!(ichor_plugin, destroy)),
        ];
        let lacks = |at: usize| self.table().and_then(|t| self.pointer(t + at as u64)).is_none_or(|p| p == 0);
        fields.into_iter().filter(|&(_, at)| lacks(at)).map(|(name, _)| name).collect()
    }

    /// The newest version of the C library that it asks for, such as 2.34.
    pub(super) fn glibc(&self) -> Option<String> {
        let (elf, data) = (&self.elf, self.elf.data());
        let endian = elf.endian();
        let sections = elf.elf_section_table();
        let (mut needs, link) = sections.gnu_verneed(endian, data).ok()??;
        let strings = sections.strings(endian, data, link).ok()?;
        let mut newest: Option<Vec<u32>> = None;
        while let Ok(Some((_, mut versions))) = needs.next() {
            while let Ok(Some(version)) = versions.next() {
                let name = version.name(endian, strings).ok().and_then(|n| std::str::from_utf8(n).ok());
                let numbers = name
                    .and_then(|n| n.strip_prefix("GLIBC_"))
                    .map(|n| n.split('.').map(str::parse).collect());
                if let Some(Ok(numbers)) = numbers {
                    newest = newest.max(Some(numbers));
                }
            }
        }
        newest.map(|numbers| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
    }

    /// The address that stands at `at` once the library is loaded.
    fn pointer(&self, at: u64) -> Option<u64> {
        if let Some(&address) = self.pointers.get(&at) {
            return Some(address);
        }
        // Packed relocations (RELR) leave the address in its place.
        self.bytes(at, 8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// `len` bytes of the image at `address`.
    fn bytes(&self, address: u64, len: u64) -> Option<&'a [u8]> {
        self.elf.segments().find_map(|segment| segment.data_range(address, len).ok().flatten())
    }
}
