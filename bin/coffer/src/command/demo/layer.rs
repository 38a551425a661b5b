//! The demo's layer: a tar stream with coffer's own binary and the few files that a program
//! expects. Source: POSIX pax, "ustar Interchange Format".

use std::io::Read;

use crate::failure::Failure;

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// What the image holds beside the binary.
const FILES: [(&str, &str); 2] = [
    ("etc/passwd", "root:x:0:0:root:/root:/coffer\nnobody:x:65534:65534:nobody:/:/coffer\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
];
const FOLDERS: [(&str, u32); 3] = [("etc/", 0o755), ("root/", 0o700), ("tmp/", 0o1777)];

/// The kinds of entries that the layer has.
#[derive(Clone, Copy)]
enum Kind {
    File = b'0' as isize,
    Folder = b'5' as isize,
}

/// The whole layer.
pub(super) fn build() -> Result<Vec<u8>, Failure> {
    let binary = own_binary()?;
    let mut layer = Vec::with_capacity(binary.len() + 16 * BLOCK);
    for (name, mode) in FOLDERS {
        entry(&mut layer, name, mode, Kind::Folder, &[]);
    }
    for (name, text) in FILES {
        entry(&mut layer, name, 0o644, Kind::File, text.as_bytes());
    }
    entry(&mut layer, "coffer", 0o755, Kind::File, &binary);
    layer.resize(layer.len() + 2 * BLOCK, 0);
    Ok(layer)
}

/// The program that runs now, even if its file was replaced meanwhile.
fn own_binary() -> Result<Vec<u8>, Failure> {
    let fail = |error: std::io::Error| {
        Failure::new("coffer cannot read its own binary")
            .at("/proc/self/exe")
            .because(error.to_string())
    };
    #[expect(clippy::disallowed_methods, reason = "the kernel's own name for this program")]
    let mut file = std::fs::File::open("/proc/self/exe").map_err(fail)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

fn entry(layer: &mut Vec<u8>, name: &str, mode: u32, kind: Kind, content: &[u8]) {
    layer.extend(header(name, mode, kind, content.len()));
    layer.extend(content);
    layer.resize(layer.len().next_multiple_of(BLOCK), 0);
}

fn header(name: &str, mode: u32, kind: Kind, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        let field = header.iter_mut().skip(at);
        field.zip(text.bytes()).for_each(|(to, from)| *to = from);
    };
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000"); // uid
    put(116, "0000000"); // gid
    put(124, &format!("{size:011o}"));
    put(136, "00000000000"); // mtime: the epoch, so that equal binaries give equal layers
    put(148, "        "); // the checksum counts as blanks
    put(257, "ustar\u{0}00");
    if let Some(flag) = header.get_mut(156) {
        *flag = kind as u8;
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let field = header.iter_mut().skip(148);
    field.zip(format!("{sum:06o}\0").bytes()).for_each(|(to, from)| *to = from);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_it() {
        let mut layer = Vec::new();
        entry(&mut layer, "tmp/", 0o1777, Kind::Folder, &[]);
        entry(&mut layer, "a", 0o755, Kind::File, b"text");
        layer.resize(layer.len() + 2 * BLOCK, 0);
        let mut tar = std::process::Command::new("tar")
            .args(["-tv", "--numeric-owner"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut tar.stdin.take().unwrap(), &layer).unwrap();
        let output = tar.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(output.status.success() && lines.len() == 2, "{text}");
        assert!(lines[0].starts_with("drwxrwxrwt 0/0") && lines[0].ends_with("tmp/"), "{text}");
        assert!(lines[1].starts_with("-rwxr-xr-x 0/0") && lines[1].contains(" 4 "), "{text}");
    }
}
