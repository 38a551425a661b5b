//! A second process in a container that runs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use coffer_confine::confinement::Host;
use coffer_confine::user::{self, FILE_LIMIT, Identity};
use coffer_sys::{memory, userns};
use rustix::pipe::{PipeFlags, pipe_with};

use super::kept::{hear, leave_caller, report};
use super::ready::collect;
use super::{Config, Container, ContainerError};
use crate::launch::{Gate, Launch, Launched, Stdio, launch};
use crate::monitor::{
    Attached, Carried, Console, Inside, Local, Nobody, Outside, Pump, SignalProxy, Stdin, null,
    pipes,
};
use crate::plan::{JoinInputs, Named, Plan};
use crate::spec::{ExecRequest, Terminal};

impl Container<'_> {
    /// Runs a program in it, behind the container's own fence, and carries its input and output
    /// until it ends. With a terminal of its own, the caller's is made raw meanwhile, and `keys`
    /// leave the program running: a copy of this process then holds its terminal until it ends.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`], why it did not start, and what cannot be carried.
    pub fn exec(
        &self,
        request: &ExecRequest,
        console: Console<'_>,
        stdin: Stdin,
        keys: &[u8],
    ) -> Result<Attached, ContainerError> {
        let carry = |source| ContainerError::Carry { id: self.record.id.clone(), source };
        let (audience, inside, outside) = match request.terminal {
            Terminal::Pty(_) => {
                (Local::with_terminal(console, stdin, keys).map_err(carry)?, None, None)
            }
            Terminal::None => {
                let (inside, outside) = pipes(stdin).map_err(carry)?;
                let local = Local::new(console, SignalProxy::On).map_err(carry)?;
                (local, Some(inside), Some(outside))
            }
        };
        let Launched { pidfd: init, terminal, .. } = self.join(request, inside)?;
        let outside = match (terminal, outside) {
            (Some(master), _) => Outside::terminal(master).map_err(carry)?,
            (None, Some(outside)) => outside,
            (None, None) => return Err(carry(io::ErrorKind::NotFound.into())),
        };
        let mut pump = Pump { init, outside, log: None, audience };
        if pump.run(None).map_err(carry)? == Carried::UntilLeft {
            return leave(pump).map(|()| Attached::Detached).map_err(carry);
        }
        let outcome = collect(&pump.init)
            .map_err(|source| ContainerError::Process { id: self.record.id.clone(), source })?;
        let lost = |source| ContainerError::Output { id: self.record.id.clone(), source };
        pump.audience.check().map_err(lost)?;
        Ok(Attached::Ended(outcome.code()))
    }

    /// Starts a program in it and leaves it, with nothing to read and nobody to read it.
    ///
    /// # Errors
    /// As [`Self::exec`].
    pub fn exec_detached(&self, request: &ExecRequest) -> Result<(), ContainerError> {
        let carry = |source| ContainerError::Carry { id: self.record.id.clone(), source };
        let inside = null().map_err(carry)?;
        self.join(request, Some(inside)).map(|_| ())
    }

    fn join(
        &self,
        request: &ExecRequest,
        inside: Option<Inside>,
    ) -> Result<Launched, ContainerError> {
        let config = self.config()?;
        let init: OwnedFd = self.init()?;
        let cgroup = self.cgroup()?;
        self.refuse_paused(&cgroup)?;
        let identity = self.identity(request, &config)?;
        let (id, folder) = (&self.record.id, self.root.folder_of(&self.record.id));
        let named = Named { id: id.as_str(), folder: &folder, pid: self.number() };
        let plan = Plan::join(JoinInputs {
            target: init.as_fd(),
            confinement: &config.confinement,
            host: &Host::read(),
            identity: &identity,
            process: &request.process(&config.spec, &identity),
            authority: self.root.authority(),
            named: Some(named),
            bundle: None,
        })?;
        let entry = cgroup.entry()?;
        let stdio = match &inside {
            Some(fds) => Stdio::Fds(fds.each_ref().map(AsFd::as_fd)),
            None => Stdio::Inherit,
        };
        let how = Launch { cgroup: &entry, stdio, gate: Gate::Open };
        Ok(launch(&plan, &how, &mut |_| Ok(()))?)
    }

    /// The container's own user, or another by the image's files.
    fn identity(&self, request: &ExecRequest, config: &Config) -> Result<Identity, ContainerError> {
        let Some(user) = &request.user else { return Ok(config.confinement.identity.clone()) };
        let stack = self.root.stack(&self.folder, config)?;
        let read = |path| stack.read(path, FILE_LIMIT as u64).map(Option::unwrap_or_default);
        let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
        let added = config.confinement.identity.added.clone();
        Ok(user::resolve(user, &passwd, &group)?.joined_to(added))
    }
}

/// Has a copy of this process hold the terminal, which would hang up with it. Waits until the copy
/// has left the caller's session, whose end would end it too.
fn leave(pump: Pump<Local<'_>>) -> io::Result<()> {
    let Pump { init, outside, audience, .. } = pump;
    // The caller's terminal is itself again, before anybody else has a copy of this.
    drop(audience);
    let (told, tell) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut childs = Some((init, outside, tell));
    userns::fork(|| childs.take().map_or(1, |(init, outside, tell)| hold(init, outside, tell)))?;
    drop(childs);
    hear(told)?.map_err(io::Error::other)
}

fn hold(init: OwnedFd, outside: Outside, tell: OwnedFd) -> i32 {
    let mut keep = outside.fds();
    keep.extend([init.as_fd(), tell.as_fd()]);
    // Who hears nothing knows that it has failed.
    if leave_caller(&keep).is_err() || report(tell, &Ok(())) != 0 {
        return 1;
    }
    memory::settle();
    i32::from(Pump { init, outside, log: None, audience: Nobody }.run(None).is_err())
}
