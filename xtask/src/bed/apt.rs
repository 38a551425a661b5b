//! Packages out of Debian's archive, of the host's own suite or of another.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::machine::Kernel;
use super::place::{Place, key};

/// A view of the archive.
#[derive(Debug)]
pub(crate) struct Archive {
    options: Vec<String>,
    lists: PathBuf,
}

impl Archive {
    /// The archive that has the kernel of `kernel`.
    ///
    /// # Errors
    /// The lists of a suite that the host does not use cannot be fetched.
    pub(super) fn of(place: &Place, kernel: Kernel) -> Result<Self> {
        match kernel {
            Kernel::Debian12 => {
                Ok(Self { options: Vec::new(), lists: "/var/lib/apt/lists".into() })
            }
            Kernel::Debian13 => Self::private(place.folder(), "trixie"),
        }
    }

    /// A suite that the host does not use, from the host's mirror, in a state of its own. Its keys
    /// are among those that Debian's own package of keys installs.
    ///
    /// # Errors
    /// Its lists cannot be fetched.
    pub(crate) fn private(folder: &Path, suite: &str) -> Result<Self> {
        let state = folder.join(format!("apt-{suite}"));
        let lists = state.join("lists");
        fs::create_dir_all(lists.join("partial"))?;
        fs::create_dir_all(state.join("cache/archives/partial"))?;
        fs::write(state.join("status"), "")?;
        fs::write(state.join("sources.list"), format!("deb {} {suite} main\n", mirror()?))?;
        let option = |name: &str, path: &str| format!("{name}={}", state.join(path).display());
        let options = vec![
            option("Dir::State", ""),
            option("Dir::State::status", "status"),
            option("Dir::State::lists", "lists"),
            option("Dir::Cache", "cache"),
            option("Dir::Etc::sourcelist", "sources.list"),
            option("Dir::Etc::sourceparts", "none"),
            "APT::Sandbox::User=root".into(),
        ];
        let archive = Self { options, lists };
        if archive.state()?.is_empty() {
            archive.run("apt-get", &["-qq", "update"])?;
        }
        Ok(archive)
    }

    /// Its signed lists: what it holds, to the byte.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn state(&self) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&self.lists)?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|path| path.to_string_lossy().ends_with("InRelease")) {
            all.extend(fs::read(path)?);
        }
        Ok(all)
    }

    /// The package that the meta package `name` stands for today; remembered for as long as the
    /// lists are the same.
    ///
    /// # Errors
    /// apt does not know it.
    pub(super) fn newest(&self, place: &Place, name: &str) -> Result<String> {
        let memo =
            place.folder().join(format!("newest-{}", key([name.as_bytes(), &self.state()?])));
        if let Ok(package) = fs::read_to_string(&memo) {
            return Ok(package);
        }
        let depends = self.run("apt-cache", &["depends", name])?;
        let package = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .with_context(|| format!("{name} depends on nothing"))?;
        let version = self.run("apt-cache", &["show", "--no-all-versions", package])?;
        let version = version
            .lines()
            .find_map(|line| line.strip_prefix("Version: "))
            .with_context(|| format!("{package} has no version"))?;
        let package = format!("{package}={version}");
        fs::write(&memo, &package)?;
        Ok(package)
    }

    /// Downloads `package` into `folder`, and gives its file.
    ///
    /// # Errors
    /// It cannot be had.
    pub(crate) fn download(&self, package: &str, folder: &Path) -> Result<PathBuf> {
        let arguments = ["-qq", "-o", "APT::Sandbox::User=root", "download", package];
        self.run_in(folder, "apt-get", &arguments)?;
        let mut files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let file = files.find(|path| path.extension().is_some_and(|end| end == "deb"));
        file.with_context(|| format!("{package} was not downloaded"))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        self.run_in(Path::new("/"), program, arguments)
    }

    fn run_in(&self, folder: &Path, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        for option in &self.options {
            command.arg("-o").arg(option);
        }
        output(command.args(arguments).current_dir(folder))
    }
}

/// The mirror of the host's own release, as apt knows it.
fn mirror() -> Result<String> {
    let format = "$(ORIGIN)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)";
    let targets = output(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    let ours =
        targets.lines().find_map(|line| match line.split('|').collect::<Vec<&str>>().as_slice() {
            ["Debian", "main", code, mirror] if !code.contains('-') => Some((*mirror).to_owned()),
            _ => None,
        });
    ours.context("apt knows no mirror of Debian")
}

/// What `command` printed.
///
/// # Errors
/// It failed; what it said is in the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("run {}", name.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}\n{said}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
