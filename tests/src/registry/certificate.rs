//! A private certificate authority and the registry's certificate, by openssl.

use std::fs;
use std::path::Path;

use crate::program;

/// Makes `ca.crt`, and `host.crt` with `host.key` for 127.0.0.1 and localhost.
pub(super) fn make(folder: &Path) {
    let file = |name: &str| folder.join(name).display().to_string();
    self_signed(folder, "ca", "/CN=tests authority");
    openssl(
        &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            .map(String::from)
            .into_iter()
            .chain(["-subj".into(), "/CN=127.0.0.1".into()])
            .chain(["-keyout".into(), file("host.key"), "-out".into(), file("host.csr")])
            .collect::<Vec<_>>(),
    );
    fs::write(file("host.ext"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    let authority = ["-CA".into(), file("ca.crt"), "-CAkey".into(), file("ca.key")];
    openssl(
        &["x509", "-req", "-days", "2", "-CAcreateserial"]
            .map(String::from)
            .into_iter()
            .chain(authority)
            .chain(["-in".into(), file("host.csr"), "-out".into(), file("host.crt")])
            .chain(["-extfile".into(), file("host.ext")])
            .collect::<Vec<_>>(),
    );
}

/// Makes `<name>.crt` and `<name>.key`.
pub(super) fn self_signed(folder: &Path, name: &str, subject: &str) {
    let file = |suffix: &str| folder.join(format!("{name}.{suffix}")).display().to_string();
    openssl(
        &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject]
            .map(String::from)
            .into_iter()
            .chain(["-keyout".into(), file("key"), "-out".into(), file("crt")])
            .collect::<Vec<_>>(),
    );
}

fn openssl(arguments: &[String]) {
    program::must("openssl", arguments);
}
