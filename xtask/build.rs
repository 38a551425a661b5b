//! Passes on which target this is built for: the folder that cargo puts programs in.

fn main() {
    if let Ok(target) = std::env::var("TARGET") {
        println!("cargo::rustc-env=TARGET={target}");
    }
}
