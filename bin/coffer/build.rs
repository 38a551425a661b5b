//! How the binary is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Relocations take a tenth of the room, and so of the time that reading them takes at each
    // start. The C library of Linux systems since 2022 knows the form (glibc 2.36); ours is linked
    // in. Address space randomisation stays.
    if std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
