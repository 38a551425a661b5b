//! Volumes: kept beside containers, filled from images, and given by name.

#![expect(clippy::disallowed_methods, reason = "folders that the tests made, and a store by path")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use coffer_oci::Digest;
use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::podman::Podman;
use coffer_tests::program::{self, Outcome};
use coffer_tests::registry::{Guard, Registry};
use coffer_tests::steps::{self, End, Victim};
use serde_json::{Value, json};

/// busybox with a layer of what `make` puts into a folder, and `volumes` in its configuration, as a
/// layout at `to`.
fn image(to: &Path, volumes: &[&str], make: impl FnOnce(&Path)) {
    program::run(Command::new("cp").arg("-r").arg(BUSYBOX.layout()).arg(to)).success();
    let tree = tempfile::tempdir().unwrap();
    make(tree.path());
    let mut pack = Command::new("tar");
    pack.args(["--numeric-owner", "-cf", "-", "-C"]).arg(tree.path()).arg(".");
    let layer = pack.output().unwrap().stdout;
    let blobs = to.join("blobs/sha256");
    let read = |descriptor: &Value| -> Value {
        let digest = descriptor["digest"].as_str().unwrap().replace("sha256:", "");
        serde_json::from_slice(&fs::read(blobs.join(digest)).unwrap()).unwrap()
    };
    let put = |kind: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
    };
    let index = to.join("index.json");
    let mut names: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let mut manifest = read(&names["manifests"][0]);
    let mut config = read(&manifest["config"]);
    config["config"]["Volumes"] = volumes.iter().map(|v| ((*v).to_owned(), json!({}))).collect();
    let diff_ids = config["rootfs"]["diff_ids"].as_array_mut().unwrap();
    diff_ids.push(json!(Digest::of(&layer)));
    config["history"] = json!([]);
    let layers = manifest["layers"].as_array_mut().unwrap();
    layers.push(put("application/vnd.oci.image.layer.v1.tar", &layer));
    manifest["config"] =
        put("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    names["manifests"] = json!([put(kind, manifest.to_string().as_bytes())]);
    fs::write(index, names.to_string()).unwrap();
}

/// The same where `coffer` can read it: its id there.
fn given(coffer: &Coffer, volumes: &[&str], make: impl FnOnce(&Path)) -> String {
    fs::create_dir_all(coffer.home()).unwrap();
    image(&coffer.home().join("image"), volumes, make);
    // An ordinary user sees his home at another place.
    let is_users = coffer.layout(&BUSYBOX).starts_with("oci:/mnt/");
    let home = if is_users { PathBuf::from("/mnt/home") } else { coffer.home() };
    let name = format!("oci:{}", home.join("image").display());
    coffer.must(&["pull", "--quiet", &name]).trim().to_owned()
}

/// A folder of somebody's with a file of another's, as an image has them.
fn data(tree: &Path) {
    let folder = tree.join("srv/data");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("seed"), "of the image\n").unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
    chown(folder.join("seed"), Some(34), Some(35)).unwrap();
    chown(&folder, Some(33), Some(33)).unwrap();
}

fn names(coffer: &Coffer) -> Vec<String> {
    coffer.must(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect()
}

/// What podman does with them, line by line; ANY stands where each says something of its own.
const LINES: &[&[&str]] = &[
    &["volume", "create", "data"],
    &["run", "--rm", "-v", "data:/etc", "IMAGE", "cat", "/etc/group"],
    &["run", "--rm", "-v", "data:/etc", "IMAGE", "sh", "-c", "echo kept >/etc/kept"],
    &["run", "--rm", "-v", "data:/x:ro", "IMAGE", "cat", "/x/kept"],
    &["run", "--rm", "-v", "data:/x:ro", "IMAGE", "touch", "/x/more"],
    &["run", "--rm", "-v", "none:/etc:nocopy", "IMAGE", "ls", "-A", "/etc/group"],
    &["run", "--rm", "--mount", "type=volume,src=made,dst=/d", "IMAGE", "touch", "/d/x"],
    &["volume", "ls", "-q"],
    &["create", "--name", "box", "-v", "data:/d", "-v", "/nameless", "IMAGE", "true"],
    &["volume", "rm", "data"],
    &["volume", "inspect", "--format", "{{.Name}} {{.Driver}} {{.Scope}}", "data"],
    &["rm", "-v", "box"],
    &["volume", "ls", "-q"],
    &["run", "--rm", "-v", "/nameless", "IMAGE", "sh", "-c", "echo x >/nameless/x"],
    &["volume", "ls", "-q"],
    &["volume", "rm", "data"],
    &["volume", "rm", "data"],
    &["volume", "rm", "made", "none"],
    &["volume", "ls", "-q"],
];

#[test]
fn root_volumes_are_what_they_are_with_podman() {
    if !program::root() {
        return;
    }
    let registry = Registry::start(Guard::Plain);
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let (podman, name) = (Podman::with_crun(), registry.push(&BUSYBOX));
    podman.pull(&name);
    let one = |engine: &dyn Fn(&[&str]) -> Outcome, image: &str, line: &[&str]| {
        let words: Vec<&str> = line.iter().map(|w| if *w == "IMAGE" { image } else { w }).collect();
        let outcome = engine(&words);
        let mut said: Vec<String> = outcome.stdout.lines().map(str::to_owned).collect();
        if line[0] == "create" || line[0] == "rm" {
            said.clear();
        }
        said.sort();
        // Of coffer's own mistakes podman has other numbers.
        (
            if matches!(line[0], "run") { outcome.status } else { i32::from(outcome.status != 0) },
            said,
        )
    };
    for line in LINES {
        let ours = one(&|words| coffer.run(words), &id, line);
        let theirs = one(&|words| podman.run(words), &name, line);
        assert_eq!(ours, theirs, "{line:?}");
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_an_images_volume_is_filled_and_goes_with_its_container() {
    if !program::root() {
        return;
    }
    for coffer in [Coffer::default(), Coffer::of_user()] {
        let id = given(&coffer, &["/srv/data", "/new", "../odd", "/proc/odd"], data);
        let show = "stat -c '%u:%g %a' /srv/data /srv/data/seed && cat /srv/data/seed && \
            echo x >/srv/data/x && echo y >/new/y && ! echo z >/z 2>/dev/null";
        let seen = "33:33 750\n34:35 644\nof the image\n";
        let line = ["run", "--rm", "--read-only", &id, "sh", "-c", show];
        assert_eq!(coffer.must(&line), seen);
        assert_eq!(names(&coffer), [""; 0], "they go with --rm");
        coffer.must(&["run", "--name", "kept", "--read-only", &id, "sh", "-c", show]);
        assert_eq!(names(&coffer).len(), 2);
        // Another start has what the first one wrote, and the image's is not copied again.
        coffer.must(&["start", "-a", "kept"]);
        coffer.must(&["rm", "kept"]);
        assert_eq!(names(&coffer).len(), 2, "docker leaves them, too");
        assert!(coffer.must(&["volume", "prune", "-f"]).starts_with("removed 2 volumes: "));
        coffer.must(&["create", "--name", "gone", &id, "true"]);
        coffer.must(&["rm", "-v", "gone"]);
        assert_eq!(names(&coffer), [""; 0]);
        // A folder of the caller's own, or memory, is what the caller says.
        let memory = ["run", "--rm", "--tmpfs", "/srv/data", &id, "ls", "/srv/data"];
        assert_eq!(coffer.must(&memory), "");
        assert_eq!(coffer.leftovers(), [""; 0]);
    }
}

#[test]
fn root_containers_share_a_volume_by_its_name() {
    if !program::root() {
        return;
    }
    for coffer in [Coffer::default(), Coffer::of_user()] {
        let id = given(&coffer, &[], data);
        let write = "echo one >/srv/data/one && chown 7:8 /srv/data/one";
        coffer.must(&["run", "--name", "a1", "-v", "shared:/srv/data", &id, "sh", "-c", write]);
        let line = ["run", "--rm", "-v", "shared:/d", &id, "stat", "-c", "%n %u:%g %a"];
        let seen = coffer.must(&[&line[..], &["/d", "/d/seed", "/d/one"]].concat());
        assert_eq!(seen, "/d 33:33 750\n/d/seed 34:35 644\n/d/one 7:8 644\n");
        let said = coffer.run(&["volume", "rm", "shared"]).failure(125);
        assert_eq!(said, "error: volume shared is in use by a1\nhelp: coffer rm a1\n");
        coffer.must(&["volume", "prune", "--all"]);
        coffer.must(&["system", "prune", "--volumes"]);
        assert_eq!(names(&coffer), ["shared"]);
        let df =
            coffer.must(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"]);
        assert!(df.ends_with("Local Volumes 1 1\n"), "{df}");
        coffer.must(&["rm", "-v", "a1"]);
        assert_eq!(names(&coffer), ["shared"], "one with a name is everybody's");
        // What is in it stays what it is, whatever the image has there.
        let line = ["run", "--rm", "-v", "shared:/etc", &id, "ls", "/etc"];
        assert_eq!(coffer.must(&line), "one\nseed\n");
        coffer.must(&["volume", "rm", "shared"]);
        assert_eq!(fs::read_dir(coffer.root().join("volumes")).unwrap().count(), 0);
        assert_eq!(coffer.leftovers(), [""; 0]);
    }
}

/// A volume is no folder of the host's to what `explain` counts, and is one to `inspect`.
#[test]
fn root_volumes_are_told_from_folders_of_the_hosts() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let host = format!("{}:/host", coffer.home().display());
    let made = |name: &str, more: &[&str]| {
        coffer.must(&[&["create", "--name", name], more, &[&id, "true"]].concat());
        let told: Value = serde_json::from_str(&coffer.must(&["explain", "--json", name])).unwrap();
        let format = ["inspect", "-f", "{{range .Mounts}}{{.Type}} {{.Destination}};{{end}}", name];
        (told["score"]["points"].clone(), coffer.must(&format))
    };
    let (bare, _) = made("bare", &[]);
    let (with, mounts) = made("with", &["-v", "named:/n", "-v", "/own", "-v", "named:/ro:ro"]);
    assert!(bare.is_number(), "{bare}");
    assert_eq!((&with, &*mounts), (&bare, "volume /n;volume /own;volume /ro;\n"));
    let (less, mounts) = made("less", &["-v", &host]);
    assert_eq!(mounts, "bind /host;\n");
    assert!(less.as_i64() < bare.as_i64(), "{less}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// What an image has laid out at the place of a volume is copied, and leads nowhere.
#[test]
fn root_what_an_image_has_for_a_volume_stays_inside() {
    if !program::root() {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("secret"), "the host's").unwrap();
    let coffer = Coffer::default();
    let id = given(&coffer, &["/data"], |tree| {
        symlink(host.path(), tree.join("link")).unwrap();
        symlink(
            Path::new("../../../../../..").join(&host.path().to_str().unwrap()[1..]),
            tree.join("climb"),
        )
        .unwrap();
        fs::create_dir(tree.join("data")).unwrap();
        symlink(host.path(), tree.join("data/out")).unwrap();
        symlink(host.path().join("secret"), tree.join("data/file")).unwrap();
        let null = tree.join("data/null");
        program::run(Command::new("mknod").arg(null).args(["c", "1", "3"])).success();
        fs::write(tree.join("data/setuid"), "x").unwrap();
        fs::set_permissions(tree.join("data/setuid"), fs::Permissions::from_mode(0o6755)).unwrap();
    });
    let show = "cat /data/out/secret /data/file; ls /data; stat -c %a /data/setuid";
    let ran = coffer.run(&["run", "--name", "box", &id, "sh", "-c", show]);
    assert_eq!(ran.stdout, "file\nout\nsetuid\n6755\n", "{ran}");
    // A link that leads nowhere inside is no place for a volume.
    for place in ["/link", "/climb"] {
        coffer.run(&["run", "--rm", "-v", place, &id, "true"]).failure(125);
    }
    let kept = fs::read_dir(host.path()).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(kept.collect::<Vec<_>>(), ["secret"]);
    coffer.must(&["rm", "-v", "box"]);
    assert_eq!(names(&coffer), [""; 0]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_volume_is_not_taken_away_from_who_begins_to_use_it() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    std::thread::scope(|scope| {
        for turn in 0..4 {
            let (coffer, id) = (&coffer, &id);
            scope.spawn(move || {
                for _ in 0..10 {
                    let line =
                        format!("echo x >/etc/{turn} && cat /etc/{turn} /etc/group >/dev/null");
                    let run = ["run", "--rm", "-v", "v1:/etc", id, "sh", "-c", &line];
                    coffer.must(&run);
                    drop(coffer.run(&["volume", "rm", "v1"]));
                }
            });
        }
    });
    coffer.must(&["volume", "prune", "-a"]);
    assert_eq!(fs::read_dir(coffer.root().join("volumes")).unwrap().count(), 0);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// After a kill at any step a volume is there whole or not at all, and what is left goes.
#[test]
fn root_volumes_may_be_killed_anywhere() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::in_memory();
    let id = given(&coffer, &["/srv/data"], data);
    // What has no name goes with every prune.
    coffer.must(&["tag", &id, "seeded"]);
    let id = "seeded";
    let kept = coffer.root().join("volumes/kept");
    let lines: [(&[&str], usize); 4] = [
        (&["run", "--rm", "-v", "kept:/srv/data", "-v", "/new", id, "true"], 60),
        (&["volume", "create", "kept"], 8),
        (&["volume", "rm", "kept"], 3),
        (&["rm", "-v", "box"], 10),
    ];
    for (line, fewest) in lines {
        let last = steps::each(|step| {
            match line {
                ["volume", "rm", ..] => drop(coffer.must(&["volume", "create", "kept"])),
                ["rm", ..] => {
                    let make = ["create", "--name", "box", "-v", "kept:/x", id, "true"];
                    drop(coffer.must(&make));
                }
                _ => {}
            }
            let (end, outcome) = steps::kill_at(step, Victim::Any, &coffer.command(line));
            assert!(end == End::Killed || outcome.status == 0, "step {step}: {outcome}");
            if kept.exists() && line[0] == "run" {
                let seed = fs::read_to_string(kept.join("data/seed")).unwrap();
                let about = fs::metadata(kept.join("data")).unwrap();
                assert_eq!((seed.as_str(), about.uid()), ("of the image\n", 33), "step {step}");
            }
            coffer.recovers(step);
            coffer.must(&["volume", "prune", "-a"]);
            let left = fs::read_dir(coffer.root().join("volumes"));
            let left: Vec<_> = left.into_iter().flatten().map(|e| e.unwrap().file_name()).collect();
            assert!(left.is_empty(), "after a kill at step {step} of {line:?}: {left:?}");
            end
        });
        assert!(last > fewest, "{line:?} has more than {last} steps");
    }
}
