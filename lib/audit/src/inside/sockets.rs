//! Sockets and terminals.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use coffer_sys::attempt::{Request, ask_terminal};
use rustix::net::{AddressFamily, Protocol, SocketType, socket};
use rustix::pty::OpenptFlags;

use super::{Tried, files, refused, untried};
use crate::answer::Handed;

/// A socket that gives packets as they come.
pub(crate) fn opens(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> Tried {
    socket(family, kind, protocol)?;
    Ok("opened".to_owned())
}

/// A packet socket, where the kernel has them already.
pub(crate) fn packets() -> Tried {
    if !files::read("/proc/net/protocols", files::MOST)?.contains("PACKET") {
        return untried("the kernel has no packet sockets, and asking could load them");
    }
    opens(AddressFamily::PACKET, SocketType::RAW, None)
}

/// Connects to the host's abstract socket.
pub(crate) fn connects_by_name(handed: &Handed) -> Tried {
    let name = SocketAddr::from_abstract_name(&handed.abstract_socket)?;
    UnixStream::connect_addr(&name)?;
    Ok("connected".to_owned())
}

/// Connects to the host's loopback.
pub(crate) fn connects_to_loopback(handed: &Handed) -> Tried {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, handed.port);
    TcpStream::connect_timeout(&address.into(), Duration::from_secs(2))?;
    Ok("connected".to_owned())
}

/// Listens where only root may by default.
pub(crate) fn listens_low() -> Tried {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 80))?;
    Ok("listens on 127.0.0.1:80".to_owned())
}

/// Sees another interface than loopback.
pub(crate) fn sees_interfaces() -> Tried {
    let text = files::read("/proc/net/dev", files::MOST)?;
    let mut names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    // Tunnels' own fall-back interfaces come with every network namespace.
    let tunnels = ["lo", "tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "ip6gre0"];
    let also = ["ip_vti0", "ip6_vti0"];
    match names.find(|name| !tunnels.contains(name) && !also.contains(name)) {
        Some(name) => Ok(name.to_owned()),
        None => refused("there is none"),
    }
}

/// Sees the host's abstract sockets.
pub(crate) fn sees_sockets(handed: &Handed) -> Tried {
    let text = files::read("/proc/net/unix", 1 << 20)?;
    match text.lines().find(|line| line.contains(&handed.abstract_socket)) {
        Some(line) => Ok(line.to_owned()),
        None => refused("it is not listed"),
    }
}

/// Asks a terminal of its own.
pub(crate) fn terminal(request: Request, upper: u32) -> Tried {
    rustix::process::setsid()?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let main = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&main)?;
    rustix::pty::unlockpt(&main)?;
    let name = rustix::pty::ptsname(&main, Vec::new())?;
    // Opened by the leader of a session, it is its terminal from then on.
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let side = rustix::fs::open(name, flags, rustix::fs::Mode::empty())?;
    match ask_terminal(side.as_fd(), request, upper) {
        // It is no console, and was asked.
        Err(error) if error.raw_os_error() == Some(25) => Ok("the kernel took the call".to_owned()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok("done".to_owned()),
    }
}

/// Sees terminals that are not the container's: those of the host's `/dev/pts`.
pub(crate) fn sees_terminals() -> Tried {
    let listed = files::lists("/dev/pts")?;
    let numbers = listed.split(' ').filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    match numbers.count() {
        0 => refused("there is none"),
        count => Ok(format!("{count} terminals")),
    }
}

/// Opens the terminal that the container was started from.
pub(crate) fn opens_own_terminal() -> Tried {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
    match rustix::fs::open("/dev/tty", flags, rustix::fs::Mode::empty()) {
        Ok(_) => Ok("opened /dev/tty".to_owned()),
        Err(rustix::io::Errno::NOENT) => untried("there is no /dev/tty"),
        Err(errno) => Err(errno.into()),
    }
}
