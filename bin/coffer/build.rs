//! How the binary is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Relocations take a tenth of the room, and so of the time that reading them takes at each
    // start. C libraries since 2022 know the form (glibc 2.36, musl 1.2.4); ours is linked in.
    // Address space randomisation stays.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
}
