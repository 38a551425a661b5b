//! Wherever an image is named it may be a registry's name, a folder or a file.

use serde_json::Value;

use crate::common::{Ran, coffer_at, good};
use crate::images::layout;

/// A root, and the image of the layout by each of its names: a folder, two archives, a registry's
/// name.
struct Bed {
    folder: tempfile::TempDir,
    digest: String,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        layout(&folder.path().join("from"));
        let mut bed = Self { folder, digest: String::new() };
        let digest = good(bed.coffer(&["pull", "--quiet", &bed.at("oci:", "from:v1")]));
        bed.digest = digest.trim().to_owned();
        good(bed.coffer(&["tag", &bed.digest, "shop/web:1"]));
        for (scheme, path) in [("oci-archive:", "o.tar:v2"), ("docker-archive:", "d.tar:a/b:3")] {
            good(bed.coffer(&["push", "shop/web:1", &bed.at(scheme, path)]));
        }
        bed
    }

    fn at(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}{}", self.folder.path().join(path).display())
    }

    fn coffer(&self, args: &[&str]) -> Ran {
        coffer_at(&self.folder.path().join("root"), args)
    }

    /// On a root where nothing is.
    fn afresh(&self, root: &str, args: &[&str]) -> Ran {
        coffer_at(&self.folder.path().join(root), args)
    }

    fn files(&self) -> [String; 4] {
        [
            self.at("oci:", "from:v1"),
            self.at("oci-archive:", "o.tar:v2"),
            self.at("oci-archive:", "o.tar"),
            self.at("docker-archive:", "d.tar:a/b:3"),
        ]
    }
}

fn id(inspected: &str) -> String {
    let json: Value = serde_json::from_str(inspected).unwrap();
    json[0]["Config"]["Cmd"][0].as_str().unwrap().to_owned()
}

#[test]
fn root_a_file_is_named_where_an_image_is() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    for (number, file) in bed.files().iter().enumerate() {
        let root = format!("root{number}");
        let at = |args: &[&str]| bed.afresh(&root, args);
        assert_eq!(id(&good(at(&["inspect", file]))), "/bin/true", "{file}");
        let explained = good(at(&["explain", "--json", file]));
        assert!(explained.contains(file.as_str()), "{explained}");
        good(at(&["tag", file, "here:1"]));
        assert!(good(at(&["images"])).contains("\nhere         1     "), "{file}");
        let saved = bed.folder.path().join(format!("saved{number}.tar"));
        good(at(&["save", "--output", &saved.display().to_string(), file]));
        good(bed.coffer(&["load", "--input", &saved.display().to_string()]));
        good(at(&["push", file, &bed.at("oci:", &format!("to{number}:x"))]));
        let pushed = good(bed.coffer(&["inspect", &bed.at("oci:", &format!("to{number}:x"))]));
        assert_eq!(id(&pushed), "/bin/true");
        good(at(&["create", "--name", "web", file]));
    }
}

#[test]
fn root_a_registrys_name_may_say_so() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    let name = "docker://shop/web:1";
    let out = bed.folder.path().join("s.tar").display().to_string();
    assert_eq!(id(&good(bed.coffer(&["inspect", name]))), "/bin/true");
    good(bed.coffer(&["explain", name]));
    good(bed.coffer(&["tag", name, "shop/web:2"]));
    good(bed.coffer(&["save", "--output", &out, name]));
    good(bed.coffer(&["push", name, &bed.at("oci:", "to:x")]));
    let list = good(bed.coffer(&["images", "--quiet", "--no-trunc", name]));
    assert_eq!(list, format!("{}\n", bed.digest));
    good(bed.coffer(&["create", "--name", "web", "--pull", "never", name]));
    good(bed.coffer(&["rm", "web"]));
    assert_eq!(good(bed.coffer(&["rmi", name])), "Untagged: shop/web:1\n");
}

#[test]
fn root_a_file_is_not_removed_and_not_guessed() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    let file = bed.at("oci:", "from:v1");
    let ran = bed.coffer(&["rmi", &file]);
    let wanted = format!(
        "error: {file} is a file of yours, and not in the store\n\
         help: coffer images lists what is\n"
    );
    assert_eq!((ran.code, ran.stderr), (125, wanted));
    good(bed.coffer(&["inspect", &file]));
    let ran = bed.coffer(&["inspect", &bed.at("oci:", "from:v9")]);
    let wanted = "error: there is no image \"v9\"; there are: v1\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (125, wanted));
    let ran = bed.coffer(&["tag", "containers-storage:x", "y"]);
    assert_eq!(ran.code, 125);
    assert!(ran.stderr.contains("transport \"containers-storage:\" is not supported"), "{ran:?}");
}

#[test]
fn root_a_file_for_another_platform_is_not_taken_in() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    for file in bed.files() {
        let at = |args: &[&str]| bed.afresh("other", args);
        let ran = at(&["pull", "--platform", "linux/arm64", &file]);
        let wanted = format!(
            "error: {file} is not there for linux/arm64; it is for linux/amd64\n\
             help: take another platform: --platform linux/amd64\n"
        );
        assert_eq!((ran.code, ran.stderr), (125, wanted));
        assert_eq!(good(at(&["images", "--quiet"])), "");
    }
}

#[test]
fn root_an_image_without_a_choice_goes_out_for_its_own_platform_only() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    let file = bed.folder.path().join("out.tar").display().to_string();
    let to = bed.at("oci:", "out:x");
    for line in [
        &["save", "--platform", "linux/arm64", "--output", &file, "shop/web:1"][..],
        &["push", "--platform", "linux/arm64", "shop/web:1", &to],
    ] {
        let ran = bed.coffer(line);
        let wanted = "error: shop/web:1 is not there for linux/arm64; it is for linux/amd64\n\
                      help: take another platform: --platform linux/amd64\n";
        assert_eq!((ran.code, ran.stderr.as_str()), (125, wanted), "{line:?}");
    }
    for name in ["out.tar", "out"] {
        let left = rustix::fs::stat(bed.folder.path().join(name));
        assert_eq!(left.unwrap_err(), rustix::io::Errno::NOENT, "{name}");
    }
    good(bed.coffer(&["save", "--platform", "linux/amd64", "--output", &file, "shop/web:1"]));
    good(bed.coffer(&["push", "--platform", "linux/amd64", "shop/web:1", &to]));
}

#[test]
fn root_push_says_what_went() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let bed = Bed::new();
    for kind in ["oci:", "oci-archive:", "docker-archive:"] {
        let to = bed.at(kind, &format!("{}to", kind.trim_end_matches(':')));
        let said = good(bed.coffer(&["push", "--json", "shop/web:1", &to]));
        let said: Value = serde_json::from_str(&said).unwrap();
        let wanted = serde_json::json!({
            "version": 1, "destination": to, "digest": bed.digest, "platform": null,
        });
        assert_eq!(said, wanted);
        let said = good(bed.coffer(&["push", "--quiet", "shop/web:1", &to]));
        assert_eq!(said, format!("{}\n", bed.digest));
    }
}
