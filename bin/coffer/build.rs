//! How the binary is linked.

#![expect(clippy::disallowed_methods, reason = "works on the developer's own checkout")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// The functions that a start runs, a pattern of a name each, in the order in which it comes to
/// them. Written by `cargo xtask order`.
const ORDER: &str = "start.order";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={ORDER}");
    // Relocations take a tenth of the room, and so of the time that reading them takes at each
    // start. C libraries since 2022 know the form (glibc 2.36, musl 1.2.4); ours is linked in.
    // Address space randomisation stays.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    if is_shipped() {
        // Where it begins: lib/sys/src/first.rs.
        println!("cargo:rustc-link-arg-bins=-Wl,--entry=coffer_first");
        order()?;
    }
    Ok(())
}

/// Whether this is the binary that the order was found for.
fn is_shipped() -> bool {
    let is = |name: &str, value: &str| env::var(name).as_deref() == Ok(value);
    is("CARGO_CFG_TARGET_ENV", "musl")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("PROFILE", "release")
}

/// Lays the functions of a start side by side before all others: they are read in, and count as
/// memory, by windows of 64 KiB (`fault_around_bytes`). Source: ld manual, "INSERT".
fn order() -> Result<(), Box<dyn Error>> {
    let mut script = String::from("SECTIONS {\n  .text.start : {\n    *(.text.coffer_first)\n");
    for name in fs::read_to_string(ORDER)?.lines() {
        writeln!(script, "    *(.text.{name} .text.{name}.llvm.* .text.unlikely.{name})")?;
    }
    script.push_str("  }\n} INSERT BEFORE .text;\n");
    let file = Path::new(&env::var("OUT_DIR")?).join("start.ld");
    fs::write(&file, script)?;
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", file.display());
    Ok(())
}
