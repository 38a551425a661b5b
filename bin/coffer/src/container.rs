//! From the flags of `run` and `create` to a container, in the order in which things happen: image,
//! leave to run it, layers, container.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use coffer_oci::ImageName;
use coffer_runtime::container::{Creation, DataRoot, Ready, create};
use coffer_runtime::monitor::{Attach, Attached, Console, Screen, Stdin};
use coffer_runtime::spec::{Making, MissingSource, MountRequest, Network, Request, Terminal};
use coffer_runtime::state::Removal;
use coffer_store::Store;

use crate::acquire::{Acquired, Wish, here};
use crate::cidfile::CidFile;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{ConsoleFlags, ContainerArgs, ContainerFlags, Pull, contradiction};
use crate::lookup;
use crate::ui::{Detail, Ui};

/// What `run` and `create` ask for, with nothing done yet.
pub(crate) struct Order<'a> {
    pub(crate) context: &'a Context,
    image: &'a str,
    flags: &'a ContainerFlags,
    request: Request,
}

impl<'a> Order<'a> {
    /// Reads what the flags of a verb ask for, and the files that they name.
    pub(crate) fn read(
        context: &'a mut Context,
        asked: &'a ContainerArgs,
    ) -> Result<Self, Failure> {
        let ContainerArgs { flags, image, command, .. } = asked;
        if flags.run_image.quiet {
            if context.ui.detail() == Detail::Steps {
                return Err(contradiction("--quiet", "--verbose"));
            }
            context.ui.set_detail(Detail::Notes);
        }
        let request = flags.request(command)?;
        Ok(Self { context, image, flags, request })
    }

    /// Makes the container. The store is left before anything that stays behind is started.
    pub(crate) fn make<'r>(&self, root: &'r mut Option<DataRoot>) -> Result<Ready<'r>, Failure> {
        let mut file = self.flags.process.cidfile.as_deref().map(CidFile::new).transpose()?;
        let ready = self.prepare(root)?;
        if let Some(file) = &mut file {
            file.fill(ready.id().as_str())?;
        }
        Ok(ready)
    }

    /// The same for a container that nobody is to hear of: nothing is made beside it.
    pub(crate) fn try_out<'r>(
        &mut self,
        root: &'r mut Option<DataRoot>,
    ) -> Result<Ready<'r>, Failure> {
        self.request.volumes = Making::Leave;
        for mount in &mut self.request.mounts {
            if let MountRequest::Bind(bind) = mount {
                bind.missing = MissingSource::Refuse;
            }
        }
        self.prepare(root)
    }

    fn prepare<'r>(&self, root: &'r mut Option<DataRoot>) -> Result<Ready<'r>, Failure> {
        let name = self.flags.process.name.clone();
        let path = self.context.root()?;
        let store = self.context.store_at(&path)?;
        let acquired = self.acquire(&store)?;
        let root = root.insert(DataRoot::at(&path, store.root())?);
        let Acquired { admitted, image, stack } = acquired;
        let removal = if self.flags.process.rm { Removal::AtExit } else { Removal::Keep };
        let creation = Creation {
            admitted: &admitted,
            image: &image.config,
            stack,
            request: &self.request,
            name,
            removal,
            stdin: self.stdin(),
        };
        let ready = create(root, creation)?;
        self.say(&ready, image.config.config.exposed_ports.is_empty());
        Ok(ready)
    }

    fn acquire(&self, store: &Store) -> Result<Acquired, Failure> {
        let flags = &self.flags.image;
        let limits = self.flags.unpack.limits();
        let (ui, pull) = (&self.context.ui, self.flags.run_image.pull);
        // What is to be fetched is asked for by its name.
        if pull != Pull::Always
            && let Some(entry) = lookup::by_id(store, self.image)?
        {
            return here(ui, store, &entry, &flags.platform(), &limits);
        }
        let name: ImageName = self.image.parse()?;
        Wish { name: &name, pull, flags, limits }.acquire(ui, store)
    }

    /// Whether the container can be given input.
    fn stdin(&self) -> Stdin {
        if self.flags.process.interactive { Stdin::Open } else { Stdin::Closed }
    }

    /// The last step, and what holds less than it could.
    fn say(&self, ready: &Ready<'_>, exposes_nothing: bool) {
        let ui = &self.context.ui;
        let config = ready.config();
        let (memory, _) = coffer_runtime::cgroup::of_host();
        let opened = config.limits.opened(memory);
        for gap in config.confinement.weakenings().iter().chain(&opened) {
            ui.note(gap);
        }
        if !ui.shows_steps() {
            return;
        }
        ui.step("fenced", fence(ready));
        if !exposes_nothing && self.request.network == Network::None {
            ui.note("the image listens on ports, and its network is its own: --network host shares the host's");
        }
    }
}

/// The fence in one line.
fn fence(ready: &Ready<'_>) -> String {
    let confinement = &ready.config().confinement;
    let explanation = confinement.explain();
    let value = |name: &str| {
        let line = explanation.controls.iter().find(|line| line.control == name);
        line.map_or_else(|| "?".to_owned(), |line| line.value.clone())
    };
    let calls = value("system calls");
    let calls = calls.split(',').next().unwrap_or(&calls);
    let count = confinement.granted.iter().count();
    format!("native tier, {count} capabilities, {calls} system calls, ids {}", value("ids"))
}

/// Runs a container in the foreground, and gives its exit status.
pub(crate) fn run_attached(order: &Order<'_>, flags: &ConsoleFlags) -> Outcome {
    check_input(order.request.terminal, order.stdin())?;
    let mut root = None;
    let ready = order.make(&mut root)?;
    if order.request.terminal == Terminal::None {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let console =
            Console { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd() };
        let exit = ready.run(console, flags.proxy())?;
        return Ok(Exit(exit.outcome.code()));
    }
    let (_, attached) =
        with_console(Screen::Terminal, order.stdin(), flags, |how| ready.attach(how))?;
    ended(&order.context.ui, attached)
}

/// Refuses to type into a terminal from something that is none, as docker does and in its words:
/// the end of such an input would never reach the program.
pub(crate) fn check_input(terminal: Terminal, stdin: Stdin) -> Result<(), Failure> {
    match (terminal, stdin) {
        (Terminal::Pty(_), Stdin::Open) if !io::stdin().is_terminal() => {
            Err(Failure::new("the input device is not a TTY")
                .because("the program has a terminal, and coffer's stdin is none")
                .help("leave -t out: -i alone hands on what stdin holds"))
        }
        _ => Ok(()),
    }
}

/// Leaves a container to itself, and prints its id.
pub(crate) fn run_detached(order: &Order<'_>) -> Outcome {
    let mut root = None;
    let id = order.make(&mut root)?.detach()?;
    order.context.ui.line(id)?;
    Ok(Exit::DONE)
}

/// Calls `attach` with the caller's own terminal or streams.
pub(crate) fn with_console<T>(
    screen: Screen,
    stdin: Stdin,
    flags: &ConsoleFlags,
    attach: impl FnOnce(&Attach<'_>) -> T,
) -> T {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    attach(&Attach {
        console: Console { stdin: input.as_fd(), stdout: output.as_fd(), stderr: error.as_fd() },
        stdin,
        screen,
        proxy: flags.proxy(),
        detach_keys: flags.detach_keys(),
    })
}

/// The exit status of a container that somebody was attached to.
pub(crate) fn ended(ui: &Ui, attached: Attached) -> Outcome {
    match attached {
        Attached::Ended(code) => Ok(Exit(code)),
        Attached::Detached => {
            ui.step("detached", "the container runs on");
            Ok(Exit::DONE)
        }
        Attached::Lost => Err(Failure::new("the container's monitor has gone")
            .because("it was killed; the container may run on")
            .help("coffer ps --all")),
    }
}
