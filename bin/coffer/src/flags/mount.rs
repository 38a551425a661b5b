//! `-v`, `--mount` and `--tmpfs`. Source: docker's documentation of bind mounts, volumes and tmpfs.

use std::path::PathBuf;

use coffer_confine::ids::{ContainerGid, ContainerUid};
use coffer_runtime::spec::{
    Access, BindMount, Copy, Exec, MissingSource, MountRequest, Recursion, Sharers, TmpfsMount,
    VolumeMount,
};
use coffer_runtime::volume::{VolumeName, VolumeNameError};

use super::container::FileFlags;
use super::limit::Room;
use crate::failure::Failure;

/// Why a mount has the wrong form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MountError {
    /// `-v`.
    #[error("a volume looks like NAME:/path or /host/dir:/path, with :ro behind it for read-only")]
    Volume,
    /// What is neither a path nor a name.
    #[error("{0}; a folder of the host begins with / or ./")]
    Named(VolumeNameError),
    /// The place is not absolute.
    #[error("the place in the container has to be absolute and without \"..\"; {0:?} is not")]
    Relative(String),
    /// A part of `--mount`.
    #[error("{0:?} is not an option of this mount; there are: {1}")]
    Option(String, &'static str),
    /// What `--mount` cannot do without.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Nothing can stand there.
    #[error("nothing can be mounted on the root, /proc or /sys of the container: {0:?} is there")]
    Kernel(String),
    /// Words that cannot all be meant.
    #[error("{0} and {1} contradict each other: leave one of them out")]
    Contradiction(String, String),
    /// A kind of mount.
    #[error(
        "mounts of type {0:?} are not supported; bind (a folder of the host), volume and tmpfs are"
    )]
    Kind(String),
}

const VOLUME_OPTIONS: &str = "ro, rw, nocopy, z, Z, nosuid, nodev, bind, rbind, private, rprivate";
const MOUNT_OPTIONS: &str = "type, source, target, readonly, volume-nocopy, bind-recursive, bind-propagation=rprivate, tmpfs-size, tmpfs-mode";
const TMPFS_OPTIONS: &str = "size, mode, uid, gid, ro, rw, nosuid, nodev, noexec, exec";

/// `-v [SOURCE:]TARGET[:OPTIONS]`, where the source is a path, or the name of a volume; without one the
/// volume has no name.
pub(crate) fn volume(text: &str) -> Result<MountRequest, MountError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => return nameless(target),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(MountError::Volume),
    };
    if !source.starts_with(['/', '.']) {
        let name = source.parse().map_err(MountError::Named)?;
        return named(name, absolute(target)?, options);
    }
    let (mut access, mut recursion) = (Access::ReadWrite, Recursion::Recursive);
    let mut sharers = Sharers::AsLabelled;
    let options = words(options, &[&["ro", "rw"], &["z", "Z"], &["bind", "rbind"]])?;
    for option in options {
        match option {
            "ro" => access = Access::ReadOnly,
            "z" => sharers = Sharers::Containers,
            "Z" => sharers = Sharers::None,
            "bind" => recursion = Recursion::Single,
            // What volumes are anyway; and docker's words for how late a Mac may see what was
            // written, which on Linux is never.
            "rw" | "rbind" | "nosuid" | "nodev" | "private" | "rprivate" | "cached"
            | "delegated" | "consistent" => {}
            other => return Err(MountError::Option(other.to_owned(), VOLUME_OPTIONS)),
        }
    }
    let (source, target) = (host_path(source)?, absolute(target)?);
    let missing = MissingSource::MakeFolder;
    Ok(MountRequest::Bind(BindMount { source, target, access, recursion, sharers, missing }))
}

fn nameless(target: &str) -> Result<MountRequest, MountError> {
    if !target.starts_with('/') {
        return Err(MountError::Volume);
    }
    Ok(MountRequest::Volume(of_volume(None, absolute(target)?)))
}

/// As docker labels it for SELinux: one with a name is for every container.
fn of_volume(name: Option<VolumeName>, target: String) -> VolumeMount {
    let sharers = if name.is_some() { Sharers::Containers } else { Sharers::None };
    VolumeMount { name, target, access: Access::ReadWrite, sharers, copy: Copy::OfImage }
}

fn named(name: VolumeName, target: String, options: &str) -> Result<MountRequest, MountError> {
    let mut volume = of_volume(Some(name), target);
    for option in words(options, &[&["ro", "rw"], &["z", "Z"]])? {
        match option {
            "ro" => volume.access = Access::ReadOnly,
            "nocopy" => volume.copy = Copy::Nothing,
            "z" => volume.sharers = Sharers::Containers,
            "Z" => volume.sharers = Sharers::None,
            "rw" | "nosuid" | "nodev" | "private" | "rprivate" | "cached" | "delegated"
            | "consistent" => {}
            other => return Err(MountError::Option(other.to_owned(), VOLUME_OPTIONS)),
        }
    }
    Ok(MountRequest::Volume(volume))
}

/// `--mount type=bind,source=…,target=…[,readonly]` or `type=tmpfs,target=…`.
pub(crate) fn mount(text: &str) -> Result<MountRequest, MountError> {
    let mut parts = Parts { kind: "volume".to_owned(), ..Parts::default() };
    let mut given: Vec<(&str, &str)> = Vec::new();
    for option in text.split(',') {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if let Some((_, other)) = given.iter().find(|(other, _)| *other == canonical(name)) {
            return Err(MountError::Contradiction((*other).to_owned(), option.to_owned()));
        }
        given.push((canonical(name), option));
        let bad = || MountError::Option(option.to_owned(), MOUNT_OPTIONS);
        match (name, value) {
            ("type", kind) => parts.kind = kind.to_owned(),
            ("source" | "src", path) => parts.source = Some(path.to_owned()),
            ("target" | "dst" | "destination", path) => parts.target = Some(absolute(path)?),
            ("readonly" | "ro", "" | "true" | "1") => parts.access = Access::ReadOnly,
            ("readonly" | "ro", "false" | "0") | ("bind-recursive", "enabled") => {}
            ("bind-propagation", "private" | "rprivate") => {}
            ("consistency", "default" | "cached" | "delegated" | "consistent") => {}
            ("volume-nocopy", "" | "true" | "1") => parts.copy = Some(Copy::Nothing),
            ("volume-nocopy", "false" | "0") => parts.copy = Some(Copy::OfImage),
            ("bind-recursive", "disabled") => parts.recursion = Recursion::Single,
            ("tmpfs-size", size) => parts.size = Some(size.parse().map_err(|_| bad())?),
            ("tmpfs-mode", bits) => parts.mode = Some(mode(bits).ok_or_else(bad)?),
            _ => return Err(bad()),
        }
    }
    parts.finish()
}

/// An option of `--mount` by the one of its names that we say.
fn canonical(name: &str) -> &str {
    match name {
        "src" => "source",
        "dst" | "destination" => "target",
        "ro" => "readonly",
        name => name,
    }
}

/// Words with commas between them, of which none contradicts another. Of each group one can be
/// meant.
fn words<'a>(text: &'a str, groups: &[&[&str]]) -> Result<Vec<&'a str>, MountError> {
    let words: Vec<&str> = text.split(',').filter(|word| !word.is_empty()).collect();
    for group in groups {
        let mut said = words.iter().filter(|word| group.contains(word));
        let first = said.next();
        if let Some((one, other)) = first.zip(said.find(|word| Some(*word) != first)) {
            return Err(MountError::Contradiction((*one).to_owned(), (*other).to_owned()));
        }
    }
    Ok(words)
}

/// The options of one `--mount`, as far as they were read.
#[derive(Default)]
struct Parts {
    kind: String,
    source: Option<String>,
    target: Option<String>,
    access: Access,
    recursion: Recursion,
    copy: Option<Copy>,
    size: Option<Room>,
    mode: Option<u32>,
}

impl Parts {
    fn finish(self) -> Result<MountRequest, MountError> {
        let target = self.target.ok_or(MountError::Missing("target"))?;
        let has_tmpfs = self.size.is_some() || self.mode.is_some();
        let wrong = |option: &str, there| Err(MountError::Option(option.to_owned(), there));
        match (self.kind.as_str(), self.source) {
            ("bind", _) if has_tmpfs => wrong("tmpfs-…", "source, target, readonly"),
            ("bind" | "tmpfs", _) if self.copy.is_some() => {
                wrong("volume-nocopy", "source, target, readonly")
            }
            ("bind", None) => Err(MountError::Missing("source")),
            ("bind", Some(source)) => {
                let source = host_path(&source)?;
                let (access, recursion) = (self.access, self.recursion);
                let (sharers, missing) = (Sharers::AsLabelled, MissingSource::Refuse);
                Ok(MountRequest::Bind(BindMount {
                    source,
                    target,
                    access,
                    recursion,
                    sharers,
                    missing,
                }))
            }
            ("volume", _) if has_tmpfs => wrong("tmpfs-…", "source, target, readonly"),
            ("volume", _) if self.recursion == Recursion::Single => {
                wrong("bind-recursive", "source, target, readonly, volume-nocopy")
            }
            ("volume", source) => {
                let name = source.filter(|name| !name.is_empty());
                let name = name.map(|name| name.parse()).transpose().map_err(MountError::Named)?;
                let (access, copy) = (self.access, self.copy.unwrap_or_default());
                let volume = of_volume(name, target);
                Ok(MountRequest::Volume(VolumeMount { access, copy, ..volume }))
            }
            ("tmpfs", Some(_)) => wrong("source", "target, tmpfs-size, tmpfs-mode"),
            ("tmpfs", None) => {
                let (size, mode, access) = (self.size.map(|size| size.0), self.mode, self.access);
                let exec = Exec::Refused;
                let (uid, gid) = (None, None);
                Ok(MountRequest::Tmpfs(TmpfsMount { target, size, mode, uid, gid, access, exec }))
            }
            (other, _) => Err(MountError::Kind(other.to_owned())),
        }
    }
}

/// `--tmpfs TARGET[:OPTIONS]`.
pub(crate) fn tmpfs(text: &str) -> Result<MountRequest, MountError> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = absolute(target)?;
    let (access, exec) = (Access::ReadWrite, Exec::Refused);
    let (size, mode_bits, uid, gid) = (None, None, None, None);
    let mut tmpfs = TmpfsMount { target, size, mode: mode_bits, uid, gid, access, exec };
    for option in words(options, &[&["ro", "rw"], &["exec", "noexec"]])? {
        let bad = || MountError::Option(option.to_owned(), TMPFS_OPTIONS);
        match option.split_once('=').unwrap_or((option, "")) {
            ("size", size) => tmpfs.size = Some(size.parse::<Room>().map_err(|_| bad())?.0),
            ("mode", bits) => tmpfs.mode = Some(mode(bits).ok_or_else(bad)?),
            ("uid", id) => tmpfs.uid = Some(ContainerUid::new(id.parse().map_err(|_| bad())?)),
            ("gid", id) => tmpfs.gid = Some(ContainerGid::new(id.parse().map_err(|_| bad())?)),
            ("ro", "") => tmpfs.access = Access::ReadOnly,
            ("exec", "") => tmpfs.exec = Exec::Allowed,
            ("rw" | "nosuid" | "nodev" | "noexec", "") => {}
            _ => return Err(bad()),
        }
    }
    Ok(MountRequest::Tmpfs(tmpfs))
}

fn mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}

/// A place in the container: absolute, with no parent folders in it, and not the kernel's own.
pub(super) fn absolute(text: &str) -> Result<String, MountError> {
    if !text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err(MountError::Relative(text.to_owned()));
    }
    match parts(text).next() {
        None | Some("proc" | "sys") => Err(MountError::Kernel(text.to_owned())),
        Some(_) => Ok(text.to_owned()),
    }
}

/// The folders on a path.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

impl FileFlags {
    /// Refuses two mounts in one place, as docker does: the second would hide the first.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let all: Vec<&MountRequest> =
            [&self.volume, &self.mount, &self.tmpfs].into_iter().flatten().collect();
        for (count, mount) in all.iter().enumerate() {
            let place = mount.target();
            if all.iter().take(count).any(|other| parts(other.target()).eq(parts(place))) {
                return Err(Failure::new(format!("two mounts are asked for at {place}"))
                    .because("the second would hide the first")
                    .help(
                        "leave one of -v, --mount and --tmpfs out, or choose another place for it",
                    ));
            }
        }
        Ok(())
    }
}

/// A folder of the caller's; relative to the current one, as docker has it.
fn host_path(text: &str) -> Result<PathBuf, MountError> {
    std::path::absolute(text).map_err(|_| MountError::Missing("the current folder"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(request: MountRequest) -> BindMount {
        let MountRequest::Bind(bind) = request else { panic!("{request:?}") };
        bind
    }

    #[test]
    fn volumes() {
        let flag = bind(volume("./data:/data:ro").unwrap());
        assert!(flag.source.is_absolute() && flag.source.ends_with("data"));
        assert_eq!((flag.target.as_str(), flag.access), ("/data", Access::ReadOnly));
        assert_eq!(flag.missing, MissingSource::MakeFolder);
        assert_eq!(volume("data"), Err(MountError::Volume));
        assert_eq!(volume("a:b:c:d"), Err(MountError::Volume));
        assert_eq!(volume("/a:b"), Err(MountError::Relative("b".to_owned())));
        assert!(matches!(volume("/a:/../b"), Err(MountError::Relative(_))));
        assert!(matches!(volume("/a:/b:suid"), Err(MountError::Option(..))));
        for kernel in ["/a:/", "/a:/./", "/a:/proc", "/a:/sys/fs/cgroup"] {
            assert!(matches!(volume(kernel), Err(MountError::Kernel(_))), "{kernel}");
        }
        for both in ["/a:/b:ro,rw", "/a:/b:z,Z", "/a:/b:bind,rbind"] {
            assert!(matches!(volume(both), Err(MountError::Contradiction(..))), "{both}");
        }
        assert!(volume("/a:/b:ro,ro").is_ok());
        let shared = bind(volume("/a:/b:ro,z").unwrap());
        assert_eq!((shared.access, shared.sharers), (Access::ReadOnly, Sharers::Containers));
        assert_eq!(bind(volume("/a:/b:Z").unwrap()).sharers, Sharers::None);
        assert_eq!(volume("/a:/b:rprivate,cached"), volume("/a:/b"));
        assert!(matches!(volume("/a:/b:rshared"), Err(MountError::Option(..))));
    }

    #[test]
    fn mounts() {
        let flag = bind(mount("type=bind,source=/a,target=/b,readonly").unwrap());
        assert_eq!((flag.access, flag.missing), (Access::ReadOnly, MissingSource::Refuse));
        let same = "type=bind,source=/a,target=/b,bind-propagation=rprivate,consistency=cached";
        assert_eq!(mount(same), mount("type=bind,source=/a,target=/b"));
        assert!(mount("type=bind,source=/a,target=/b,bind-propagation=shared").is_err());
        let flag = mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1777").unwrap();
        let MountRequest::Tmpfs(flag) = flag else { panic!("{flag:?}") };
        assert_eq!((flag.size, flag.mode), (Some(1 << 20), Some(0o1777)));
        assert_eq!(mount("type=bind,target=/b"), Err(MountError::Missing("source")));
        assert_eq!(mount("type=bind,source=/b"), Err(MountError::Missing("target")));
        assert_eq!(mount("type=npipe,target=/b"), Err(MountError::Kind("npipe".to_owned())));
        assert!(mount("type=bind,source=/a,target=/b,suid").is_err());
        for twice in ["readonly,ro=false", "source=/c", "dst=/c"] {
            let twice = mount(&format!("type=bind,source=/a,target=/b,ro,{twice}"));
            assert!(matches!(twice, Err(MountError::Contradiction(..))), "{twice:?}");
        }
        assert!(mount("type=bind,source=/a,target=/b,tmpfs-size=1").is_err());
    }

    #[test]
    fn volumes_with_names_and_without() {
        let of = |request: MountRequest| {
            let MountRequest::Volume(volume) = request else { panic!("{request:?}") };
            let name = volume.name.map_or_else(String::new, |name| name.to_string());
            (name, volume.target, volume.access, volume.sharers, volume.copy)
        };
        let (rw, ro) = (Access::ReadWrite, Access::ReadOnly);
        let expect = |name: &str, access, sharers, copy| {
            (name.to_owned(), "/b".to_owned(), access, sharers, copy)
        };
        let whole = expect("data", rw, Sharers::Containers, Copy::OfImage);
        assert_eq!(of(volume("data:/b").unwrap()), whole);
        assert_eq!(of(mount("source=data,target=/b").unwrap()), whole);
        let less = expect("data", ro, Sharers::None, Copy::Nothing);
        assert_eq!(of(volume("data:/b:ro,nocopy,Z").unwrap()), less);
        let less = expect("data", ro, Sharers::Containers, Copy::Nothing);
        assert_eq!(of(mount("type=volume,src=data,dst=/b,ro,volume-nocopy").unwrap()), less);
        let nameless = expect("", rw, Sharers::None, Copy::OfImage);
        assert_eq!(of(volume("/b").unwrap()), nameless);
        assert_eq!(of(mount("target=/b").unwrap()), nameless);
        for bad in ["a:/b", "a/b:/c", "-x:/b", "..:b", "data:/proc", "data:b", "data:/b:rbind"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
        for bad in ["volume-opt=x", "bind-recursive=disabled", "tmpfs-size=1m", "source=a/b"] {
            assert!(mount(&format!("type=volume,target=/b,{bad}")).is_err(), "{bad}");
        }
        assert!(mount("type=bind,source=/a,target=/b,volume-nocopy").is_err());
    }

    #[test]
    fn tmpfses() {
        let flag = tmpfs("/run:size=64m,exec").unwrap();
        let MountRequest::Tmpfs(flag) = flag else { panic!("{flag:?}") };
        assert_eq!((flag.size, flag.exec), (Some(64 << 20), Exec::Allowed));
        for bad in
            ["/run:suid", "/run:size=0", "/run:ro,rw", "/run:exec,noexec", "/run:uid=5,gid=x"]
        {
            assert!(tmpfs(bad).is_err(), "{bad}");
        }
        assert!(tmpfs("run").is_err());
    }
}
