//! System call profiles, `/etc/subuid` and the pool of ids.
#![no_main]

use coffer_confine::capability::CapSet;
use coffer_confine::ids::{HostUid, pool::Pool, subid};
use coffer_confine::seccomp::{Arch, Profile, compile, docker};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let host = docker::Host { arch: Arch::X86_64, kernel: (6, 1) };
    if let Ok(filter) = docker::parse(bytes, CapSet::DEFAULT, host) {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            // Either is an answer; neither may panic.
            drop(Profile::from_oci(&filter).map(|profile| compile(&profile, arch)));
        }
    }
    for lent in
        subid::parse(bytes, subid::Kind::Users, Some("a"), HostUid::new(1)).unwrap_or_default()
    {
        assert!(lent.start.checked_add(lent.count).is_some());
    }
    if let Ok(pool) = Pool::parse(bytes) {
        assert_eq!(Pool::parse(pool.to_text().as_bytes()).ok(), Some(pool));
    }
});
