//! What the object file holds besides code.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use object::build::elf::{Builder, SectionData};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SectionKind, SymbolKind,
};

/// A section with instructions.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// Functions that instructions call by name, by index of the instruction.
    pub(super) calls: Vec<(usize, String)>,
}

/// Removes DWARF. BTF stays, with its line information: the verifier quotes source lines from it.
pub(super) fn strip_debug(object: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("not an ELF object")?;
    for section in builder.sections.iter_mut() {
        let name = section.name.to_vec();
        let name = String::from_utf8_lossy(&name);
        let name = name.strip_prefix(".rel").unwrap_or(&name);
        section.delete = name.starts_with(".debug_");
    }
    builder.delete_orphans();
    // LLVM keeps the names of sections and of symbols in one table; the writer wants two.
    let is_names = |data: &SectionData<'_>| matches!(data, SectionData::SectionString);
    if !builder
        .sections
        .iter()
        .any(|section| is_names(&section.data))
    {
        let names = builder.sections.add();
        names.name = b".shstrtab".as_slice().into();
        names.sh_type = object::elf::SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("cannot write the ELF object")?;
    Ok(stripped)
}

/// The sections with instructions.
pub(super) fn code(object: &[u8]) -> anyhow::Result<Vec<Code>> {
    let file = object::File::parse(object).context("not an ELF object")?;
    file.sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .map(|section| {
            Ok(Code {
                name: section.name().context("a section has a name")?.to_owned(),
                bytes: section.data().context("a section has data")?.to_vec(),
                calls: calls(&file, &section)?,
            })
        })
        .collect()
}

/// The functions that a section's relocations name.
fn calls(
    file: &object::File<'_>,
    section: &object::Section<'_, '_>,
) -> anyhow::Result<Vec<(usize, String)>> {
    let mut calls = Vec::new();
    for (offset, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            continue;
        };
        let symbol = file.symbol_by_index(index).context("a symbol exists")?;
        if symbol.kind() == SymbolKind::Text {
            let name = symbol.name().context("a function has a name")?;
            calls.push((usize::try_from(offset)? / 8, name.to_owned()));
        }
    }
    Ok(calls)
}

/// Refuses an object that names a directory of the machine it was built on.
pub(super) fn refuse_paths(object: &[u8], paths: &[PathBuf]) -> anyhow::Result<()> {
    for path in paths {
        let needle = path.as_os_str().as_encoded_bytes();
        if object.windows(needle.len()).any(|window| window == needle) {
            bail!("the object names the builder's `{}`", path.display());
        }
    }
    Ok(())
}
