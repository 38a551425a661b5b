//! The image's passwd and group files, and what `--user` takes.
#![no_main]

use coffer_confine::user::{ID_LIMIT, resolve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8], &[u8])| {
    let (spec, passwd, group) = input;
    if let Ok(who) = resolve(spec, passwd, group) {
        assert!(who.uid.number() <= ID_LIMIT && who.gid.number() <= ID_LIMIT);
        assert!(who.home.starts_with('/') && who.groups[0] == who.gid);
    }
});
