//! `coffer seccomp`: two filters side by side, and one held against newer kernels.

use crate::common::{coffer, good};

/// A filter in a file, and its path.
fn file(json: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file.as_file(), json.as_bytes()).unwrap();
    file
}

const FEW: &str = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
    {"names":["read","clone"],"action":"SCMP_ACT_ALLOW"},
    {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_PTRACE"]}},
    {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#;

const MORE: &str = r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
    {"names":["read","openat"],"action":"SCMP_ACT_ALLOW"},
    {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":38,"op":"SCMP_CMP_EQ"}]}]}"#;

#[test]
fn a_filter_beside_itself() {
    let same = coffer("seccomp diff default default");
    assert_eq!((same.code, same.stdout.as_str()), (0, "the filters answer every call alike\n"));
}

#[test]
fn what_a_second_filter_opens_and_closes() {
    let (few, more) = (file(FEW), file(MORE));
    let line = format!("seccomp diff {} {}", few.path().display(), more.path().display());
    let ran = coffer(&line);
    assert_eq!(ran.code, 1);
    let seen: Vec<Vec<&str>> =
        ran.stdout.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    let expected =
        [vec!["CALL", "BEFORE"], vec!["-", "clone"], vec!["+", "openat"], vec!["±", "socket"]];
    assert_eq!(seen[..4], expected, "{}", ran.stdout);
    assert!(ran.stdout.ends_with("2 opened, 2 closed, 3 differ\n"), "{}", ran.stdout);
    let json = coffer(&format!("{line} --json"));
    assert!(json.stdout.contains("\"call\": \"openat\""), "{}", json.stdout);
    // Conditions on capabilities are held against what is granted.
    let tracing = coffer(&format!("{line} --cap-add SYS_PTRACE"));
    assert!(tracing.stdout.contains("ptrace"), "{}", tracing.stdout);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn programs_of_another_architecture_are_a_difference() {
    let archs = r#"{"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"#;
    let (few, wide) = (file(FEW), file(&FEW.replacen('{', archs, 1)));
    let (few, wide) = (few.path().display().to_string(), wide.path().display().to_string());
    let ran = coffer(&format!("seccomp diff {few} {wide}"));
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("+ programs for x86 run"), "{}", ran.stdout);
    let ran = coffer(&format!("seccomp diff {wide} {few}"));
    assert!(ran.stdout.starts_with("- programs for x86 are killed"), "{}", ran.stdout);
    assert_eq!(coffer(&format!("seccomp diff {wide} {wide}")).code, 0);
}

#[test]
fn what_newer_kernels_have_undone() {
    assert_eq!(coffer("seccomp check default").code, 0);
    let more = file(MORE);
    let ran = coffer(&format!("seccomp check {}", more.path().display()));
    assert_eq!(ran.code, 1);
    let fix = "allow openat2, or answer openat2 with errnoRet 38 (ENOSYS)";
    assert!(ran.stdout.contains("5.6") && ran.stdout.contains(fix), "{}", ran.stdout);
    let open = file(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["ptrace","mount"],"action":"SCMP_ACT_ERRNO"}]}"#,
    );
    let ran = coffer(&format!("seccomp check {}", open.path().display()));
    for fix in ["refuse process_vm_readv too", "refuse move_mount too", "refuse pidfd_getfd too"] {
        assert!(ran.stdout.contains(fix), "{}", ran.stdout);
    }
}

#[test]
fn calls_say_since_when_and_why() {
    let text = good(coffer("seccomp calls"));
    let line = text.lines().find(|line| line.starts_with("clone3 ")).unwrap();
    for part in [" 435 ", " 5.3 ", "refused (ENOSYS)", "its flags lie in memory"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let young = good(coffer("seccomp calls --since 6.13"));
    assert!(young.contains("open_tree_attr") && !young.contains("clone3"), "{young}");
}

/// Asking verbs say 2 where they cannot tell, and name what is wrong.
#[test]
fn what_is_no_filter() {
    let unknown = file(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["opeant"],"action":"SCMP_ACT_ALLOW"}]}"#,
    );
    let path = unknown.path().display().to_string();
    let ran = coffer(&format!("seccomp check {path}"));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("\"opeant\"") && ran.stderr.contains(&path), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean openat?"), "{}", ran.stderr);
    assert_eq!(coffer("seccomp diff default /none/such").code, 2);
    assert_eq!(coffer("seccomp calls --since soon").code, 125);
}

/// The profile that podman and docker share, where it is installed (containers-common).
#[test]
fn what_our_own_filter_closes_of_podmans() {
    let path = "/usr/share/containers/seccomp.json";
    if rustix::fs::access(path, rustix::fs::Access::EXISTS).is_err() {
        return println!("skipped: needs Debian's golang-github-containers-common");
    }
    let ran = coffer(&format!("seccomp diff {path} default"));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    // What coffer's own takes away beside docker's.
    for call in ["clone3", "keyctl", "name_to_handle_at", "process_vm_readv", "ptrace"] {
        let closed = ran.stdout.lines().any(|line| line.starts_with(&format!("-   {call} ")));
        assert!(closed, "{call} in\n{}", ran.stdout);
    }
}
