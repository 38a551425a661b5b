//! `coffer cp`.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use coffer_rootfs::{EntryPath, LastLink};
use coffer_runtime::container::{Container, Files};
use coffer_runtime::files::{
    FilesError, Found, How, Into, Modes, Owners, Report, Tree, pack, unpack,
};
use rustix::fs::Mode;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, contradiction};
use crate::ui;
use crate::verb::Command;

/// Copy files into a container and out of it
///
/// As with cp(1), what is copied gets its own name in a folder that is there, and else the name
/// that is given; of FOLDER/. the content alone is copied. A path in a container is looked up from
/// its root, whether it runs or not; - is a tar archive on stdin or stdout.
#[derive(Debug, clap::Parser)]
#[command(
    disable_help_flag = true,
    override_usage = "coffer cp [OPTIONS] <CONTAINER:PATH> <PATH|->\n       \
                      coffer cp [OPTIONS] <PATH|-> <CONTAINER:PATH>"
)]
pub(crate) struct Cp {
    /// Keep owners and groups, by their numbers inside; without it all belongs to the caller
    /// outside and to root inside
    #[arg(short, long)]
    archive: bool,
    /// Copy what a link leads to, where the source is one
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Do not say what was copied
    #[arg(short, long)]
    quiet: bool,
    /// From where
    #[arg(value_name = "SOURCE")]
    source: OsString,
    /// To where
    #[arg(value_name = "DESTINATION")]
    destination: OsString,
    #[command(flatten)]
    common: Common,
}

/// A source or a destination.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// A path of the caller's.
    Caller(Named),
    /// A path in a container.
    Container(String, Named),
    /// stdin or stdout.
    Stream,
}

/// A path as it was typed.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    /// From the root on.
    path: Vec<u8>,
    /// What it is called where it is put into a folder; `None` where only its content is.
    name: Option<Vec<u8>>,
    /// Whether it can mean nothing but a folder.
    is_folder: bool,
}

impl Command for Cp {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let (source, destination) = (end(&self.source)?, end(&self.destination)?);
        match (&source, &destination) {
            (End::Container(..), End::Container(..)) => {
                return Err(Failure::new("files are not copied between containers")
                    .help("coffer cp NAME:PATH - | coffer cp - OTHER:FOLDER"));
            }
            (End::Container(_, from), End::Stream) => self.check_stdout(from)?,
            (End::Stream, End::Container(..)) if self.follow_link => {
                return Err(contradiction("--follow-link", "-"));
            }
            (_, End::Container(..)) | (End::Container(..), _) => {}
            _ => {
                return Err(Failure::new("neither of the two is in a container")
                    .help("coffer cp NAME:PATH PATH, or coffer cp PATH NAME:PATH"));
            }
        }
        let root = context.data_root()?;
        let files = |name: &str| Ok::<_, Failure>(Container::find(&root, name)?.files()?);
        let report = match (source, destination) {
            (End::Container(name, from), End::Caller(to)) => {
                self.bring(&files(&name)?, &from, to)?
            }
            (End::Container(name, from), _) => return self.stream(&files(&name)?, &from),
            (End::Caller(from), End::Container(name, to)) => {
                self.take(&files(&name)?, &from, to)?
            }
            (_, End::Container(name, to)) => fill(&files(&name)?, to)?,
            _ => Report::default(),
        };
        if report.devices > 0 {
            context.ui.note(format_args!("{} devices were left out", report.devices));
        }
        if !self.quiet {
            let size = ui::bytes(report.bytes);
            context.ui.step("copied", format_args!("{} files, {size}", report.entries));
        }
        Ok(Exit::DONE)
    }
}

impl Cp {
    fn check_stdout(&self, from: &Named) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            let path = String::from_utf8_lossy(&from.path).into_owned();
            return Err(Failure::new("an archive is not written to a terminal")
                .help(format!("coffer cp NAME:{path} - >FILE")));
        }
        Ok(())
    }

    fn last(&self, from: &Named) -> LastLink {
        if self.follow_link || from.is_folder { LastLink::Follow } else { LastLink::Keep }
    }

    fn owners(&self) -> Owners {
        if self.archive { Owners::Archived } else { Owners::Maker }
    }

    /// Out of a container. What would give others its owner's rights on the host does not come
    /// along.
    fn bring(&self, files: &Files<'_>, from: &Named, to: Named) -> Result<Report, Failure> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let last = self.last(from);
        let mut ours = Some(reader);
        let inside = files.work(&mut ours, |tree| {
            packed(tree, from, last, b".", &mut BufWriter::new(File::from(writer)))
        })?;
        let how = How { owners: self.owners(), modes: Modes::Plain };
        let name = from.name.clone();
        let done = in_place(&Tree::of_caller()?, to, name, ours.take(), how);
        let other = inside.finish();
        match done {
            Err(error) if !error.is_of_other_side() => Err(error.into()),
            done => other.map_err(Failure::from).and_then(|()| Ok(done?)),
        }
    }

    /// The same to stdout.
    fn stream(&self, files: &Files<'_>, from: &Named) -> Outcome {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        let last = self.last(from);
        let name = from.name.as_deref().unwrap_or(b".");
        let work =
            |tree: &Tree| packed(tree, from, last, name, &mut BufWriter::new(File::from(stdout)));
        files.work(&mut None::<OwnedFd>, work)?.finish()?;
        Ok(Exit::DONE)
    }

    /// Into a container.
    fn take(&self, files: &Files<'_>, from: &Named, to: Named) -> Result<Report, Failure> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let modes = if self.archive { Modes::Whole } else { Modes::Plain };
        let how = How { owners: self.owners(), modes };
        let mut ours = Some(writer);
        let name = from.name.clone();
        let inside = files.work(&mut ours, |tree| in_place(tree, to, name, Some(reader), how))?;
        let mut out = ours.take().map(|writer| BufWriter::new(File::from(writer)));
        let done = Tree::of_caller().and_then(|tree| match &mut out {
            Some(out) => packed(&tree, from, self.last(from), b".", out),
            None => Ok(()),
        });
        drop(out);
        let other = inside.finish();
        match done {
            Err(error) if !error.is_of_other_side() => Err(error.into()),
            done => other.map_err(Failure::from).and_then(|report| Ok(done.map(|()| report)?)),
        }
    }
}

/// What stdin holds, into a folder of a container, as the archive has it.
fn fill(files: &Files<'_>, to: Named) -> Result<Report, Failure> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let how = How { owners: Owners::Archived, modes: Modes::Whole };
    let work = |tree: &Tree| match tree.find(&to.path, LastLink::Follow)? {
        Found::Folder(folder) => unpack(File::from(stdin), Into::Folder(folder), how),
        Found::Other(..) => Err(FilesError::NotFolder(EntryPath::new(&to.path))),
        Found::Missing(..) => Err(FilesError::NoFolder(EntryPath::new(&to.path))),
    };
    Ok(files.work(&mut None::<OwnedFd>, work)?.finish()?)
}

/// Packs what `from` means in `tree`.
fn packed(
    tree: &Tree,
    from: &Named,
    last: LastLink,
    name: &[u8],
    out: &mut dyn io::Write,
) -> Result<(), FilesError> {
    match tree.find(&from.path, last)? {
        Found::Missing(..) => Err(FilesError::NotFound(EntryPath::new(&from.path))),
        Found::Other(..) if from.is_folder => {
            Err(FilesError::NotFolder(EntryPath::new(&from.path)))
        }
        found => pack(&found, name, out),
    }
}

/// Unpacks at what `to` means in `tree`, under its own `name` in a folder that is there.
fn in_place(
    tree: &Tree,
    to: Named,
    name: Option<Vec<u8>>,
    archive: Option<OwnedFd>,
    how: How,
) -> Result<Report, FilesError> {
    let Some(archive) = archive else { return Ok(Report::default()) };
    rustix::process::umask(Mode::empty());
    let Named { path, is_folder, .. } = to;
    let found = tree.find(&path, LastLink::Follow)?;
    unpack(File::from(archive), Into::Place { found, path, name, is_folder }, how)
}

/// What a word means: as docker reads it, NAME:PATH is in a container unless it begins with / or a
/// dot.
fn end(word: &OsStr) -> Result<End, Failure> {
    let bytes = word.as_bytes();
    if bytes == b"-" {
        return Ok(End::Stream);
    }
    let is_path = bytes.is_empty() || bytes.starts_with(b"/") || bytes.starts_with(b".");
    let colon = bytes.iter().position(|byte| *byte == b':').filter(|_| !is_path);
    if let Some(colon) = colon {
        let name = String::from_utf8_lossy(&bytes[..colon]).into_owned();
        let typed = &bytes[colon + 1..];
        let root: &[u8] = if typed.starts_with(b"/") { b"" } else { b"/" };
        return Ok(End::Container(name, Named::of(typed, [root, typed].concat())));
    }
    let whole = std::path::absolute(word)
        .map_err(|error| Failure::from(error).at(word.to_string_lossy().into_owned()))?;
    Ok(End::Caller(Named::of(bytes, whole.into_os_string().into_vec())))
}

impl Named {
    fn of(typed: &[u8], path: Vec<u8>) -> Self {
        let last = typed.split(|byte| *byte == b'/').rfind(|part| !part.is_empty());
        let is_folder = typed.ends_with(b"/") || matches!(last, None | Some(b"." | b".."));
        let name = last.filter(|name| *name != b"." && *name != b"..").map(<[u8]>::to_vec);
        Self { path, name, is_folder }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, name: Option<&str>, is_folder: bool) -> Named {
        Named { path: path.into(), name: name.map(|name| name.as_bytes().to_vec()), is_folder }
    }

    #[test]
    fn words_are_read_as_docker_reads_them() {
        let of = |word: &str| end(OsStr::new(word)).unwrap();
        let inside = |name: &str, named| End::Container(name.to_owned(), named);
        assert_eq!(of("-"), End::Stream);
        assert_eq!(of("web:/etc/x"), inside("web", named("/etc/x", Some("x"), false)));
        assert_eq!(of("web:etc/x/"), inside("web", named("/etc/x/", Some("x"), true)));
        assert_eq!(of("web:/etc/."), inside("web", named("/etc/.", None, true)));
        assert_eq!(of("web:"), inside("web", named("/", None, true)));
        assert_eq!(of("/a:b"), End::Caller(named("/a:b", Some("a:b"), false)));
        assert!(
            matches!(of("./a:b"), End::Caller(Named { name: Some(name), .. }) if name == b"a:b")
        );
        assert!(matches!(of(".."), End::Caller(Named { name: None, is_folder: true, .. })));
    }
}
