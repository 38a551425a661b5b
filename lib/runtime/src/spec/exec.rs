//! The flags of `exec`, typed, and the process that they make. Source: docker's `exec` reference.

use coffer_confine::user::Identity;
use coffer_oci::runtime::{Process, Spec, User};

use super::{Terminal, env};

/// What the caller of `exec` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// `-e` and `--env-file`, over the container's own environment.
    pub env: Vec<(String, String)>,
    /// `--user`, as the caller wrote it; the container's own where none is given.
    pub user: Option<String>,
    /// `--workdir`; the container's own where none is given.
    pub workdir: Option<String>,
    /// `-t`.
    pub terminal: Terminal,
}

impl ExecRequest {
    /// The process that joins the container of `spec` as `identity`.
    pub fn process(&self, spec: &Spec, identity: &Identity) -> Process {
        let container = spec.process.clone().unwrap_or_default();
        let (terminal, console_size) = match self.terminal {
            Terminal::None => (false, None),
            Terminal::Pty(size) => (true, size),
        };
        let basics = env::Basics { hostname: &spec.hostname, home: &identity.home, terminal };
        // Another user has another home; what the container's record says is its first user's.
        let inherited = |entry: &&String| self.user.is_none() || !entry.starts_with("HOME=");
        let inherited: Vec<String> = container.env.iter().filter(inherited).cloned().collect();
        Process {
            terminal,
            console_size,
            user: User {
                uid: identity.uid.number(),
                gid: identity.gid.number(),
                umask: container.user.umask,
                additional_gids: identity.groups.iter().map(|group| group.number()).collect(),
            },
            args: self.command.clone(),
            env: env::merge(&inherited, &self.env, basics),
            cwd: self.workdir.clone().unwrap_or(container.cwd),
            no_new_privileges: true,
            ..Process::default()
        }
    }
}
