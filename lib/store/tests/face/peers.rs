//! skopeo and umoci read what coffer writes, and coffer reads what they write.

use std::path::Path;
use std::process::Command;

use coffer_oci::{Descriptor, ImageName, Platform};
use coffer_store::{Format, Image, Store};

use crate::common::{Item, name, put_gzipped, put_image, scratch, tar};

/// Runs a peer and gives its output, or `None` where it is not installed.
fn peer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn copy(from: &str, to: &str) -> Option<()> {
    peer("skopeo", &["--insecure-policy", "copy", "-q", from, to]).map(drop)
}

fn platform() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn layers() -> [Vec<u8>; 2] {
    ["lower", "upper"].map(|text| tar(&[Item::Folder("d/"), Item::File("d/file", text.as_bytes())]))
}

/// The image that `text` names, read into a new store.
fn import(text: &str) -> Image {
    let (_folder, store) = scratch();
    let found = store.import(&text.parse::<ImageName>().unwrap(), &platform()).unwrap();
    store.image(&found.descriptor).unwrap()
}

fn save(store: &Store, image: &Descriptor, format: Format, file: &Path) {
    let images = [(Some(name("shop/web:1")), image.clone()), (Some(name("x")), image.clone())];
    store.save(&images, &platform(), format, std::fs::File::create(file).unwrap()).unwrap();
}

#[test]
fn skopeo_reads_our_archives() {
    let (folder, store) = scratch();
    for image in [put_gzipped(&store, &layers()), put_image(&store, &layers()[0], 1)] {
        let ours = store.image(&image).unwrap();
        let file = folder.path().join("archive.tar");
        save(&store, &image, Format::Docker, &file);
        let from = format!("docker-archive:{}:docker.io/shop/web:1", file.display());
        let to = format!("oci:{}:t", folder.path().join(image.digest.short()).display());
        if copy(&from, &to).is_none() {
            return;
        }
        assert_eq!(import(&to).config.rootfs, ours.config.rootfs);
        save(&store, &image, Format::Oci, &file);
        let from = format!("oci-archive:{}:docker.io/shop/web:1", file.display());
        let to = format!("{to}2");
        copy(&from, &to);
        assert_eq!(import(&to).config.rootfs, ours.config.rootfs);
    }
}

/// The tag is the very word that was given, as in skopeo's own archives.
#[test]
fn an_archive_is_found_by_its_tag() {
    let (folder, store) = scratch();
    let image = put_gzipped(&store, &layers());
    let ours = store.image(&image).unwrap();
    let file = folder.path().join("archive.tar");
    for (number, tag) in ["v1", "shop/web:1.4"].into_iter().enumerate() {
        let (label, written) = (name("shop/web:v1"), std::fs::File::create(&file).unwrap());
        store.save_tagged((tag, Some(&label)), &image, &platform(), written).unwrap();
        let from = format!("oci-archive:{}:{tag}", file.display());
        assert_eq!(import(&from).config.rootfs, ours.config.rootfs);
        let loaded = scratch().1.load(std::fs::File::open(&file).unwrap()).unwrap();
        assert_eq!(loaded[0].names, [label]);
        let to = format!("oci:{}:t", folder.path().join(number.to_string()).display());
        if copy(&from, &to).is_some() {
            assert_eq!(import(&to).config.rootfs, ours.config.rootfs);
        }
    }
}

#[test]
fn we_read_archives_of_skopeo() {
    let (folder, store) = scratch();
    let image = put_gzipped(&store, &layers());
    let ours = store.image(&image).unwrap();
    let layout = folder.path().join("layout");
    store.export_folder(&image, &platform(), &layout, Some("v1")).unwrap();
    let from = format!("oci:{}:v1", layout.display());
    let docker = format!("docker-archive:{}/docker.tar:shop/web:1", folder.path().display());
    if copy(&from, &docker).is_none() {
        return;
    }
    assert_eq!(import(&docker).config.rootfs, ours.config.rootfs);
    let oci = format!("oci-archive:{}/oci.tar:shop/web:1", folder.path().display());
    copy(&from, &oci);
    for (file, digest) in [("docker.tar", None), ("oci.tar", Some(&image.digest))] {
        let (_folder, other) = scratch();
        let file = std::fs::File::open(folder.path().join(file)).unwrap();
        let loaded = other.load(file).unwrap();
        assert_eq!(loaded[0].names, [name("shop/web:1")]);
        let found = other.resolve(&name("shop/web:1")).unwrap().unwrap();
        assert_eq!(other.image(&found).unwrap().config.rootfs, ours.config.rootfs);
        assert!(digest.is_none_or(|digest| *digest == found.digest));
    }
}

#[test]
fn the_data_root_is_a_layout_for_skopeo() {
    let (_folder, store) = scratch();
    store.tag(&name("web:1"), &put_gzipped(&store, &layers())).unwrap();
    let own = format!("oci:{}:docker.io/library/web:1", store.path().display());
    if let Some(said) = peer("skopeo", &["inspect", &own]) {
        assert!(said.contains("\"Architecture\": \"amd64\""), "{said}");
    }
}

#[test]
fn root_umoci_unpacks_our_layout_and_we_read_its() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: umoci unpacks with the image's owners only as root");
        return;
    }
    let (folder, store) = scratch();
    let layout = folder.path().join("layout").display().to_string();
    let image = put_gzipped(&store, &layers());
    store.export_folder(&image, &platform(), layout.as_ref(), Some("v1")).unwrap();
    let [bundle, ours] =
        ["bundle", "layout:v1"].map(|s| folder.path().join(s).display().to_string());
    if peer("umoci", &["unpack", "--image", &ours, &bundle]).is_none() {
        return;
    }
    let file = format!("{bundle}/rootfs/d/file");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "upper");
    std::fs::write(file, "changed").unwrap();
    peer("umoci", &["repack", "--image", &format!("{layout}:v2"), &bundle]);
    let image = import(&format!("oci:{layout}:v2"));
    assert_eq!(image.manifest.layers.len(), 3);
}
