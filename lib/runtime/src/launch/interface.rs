//! Moving interfaces into a container. Source: man 7 rtnetlink, runtime-spec config-linux.md,
//! "Network Devices".
//!
//! The kernel takes the addresses of an interface that changes its namespace: they are read
//! before and given back there, where it is also brought up.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use coffer_sys::spawn::{self, Clone3, Parent};
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces};

use crate::plan::Interface;

/// linux/rtnetlink.h.
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
/// linux/netlink.h: flags of a request, and the types of an answer.
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const DUMP: u16 = 0x300;
const CREATE_NEW: u16 = 0x600;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// linux/if_link.h.
const LINK_NAME: u16 = 3;
const LINK_NAMESPACE: u16 = 28;
/// linux/if_addr.h: addresses that somebody has set, and what they are made of.
const PERMANENT: u8 = 0x80;
const ADDRESS_PARTS: [u16; 3] = [1, 2, 4];
/// linux/if.h.
const UP: u32 = 1;

const HEADER: usize = 16;
/// The kernel sends no longer answer to a dump. Source: man 7 netlink.
const ANSWER: usize = 32 * 1024;

/// An address: the fixed part of its message behind the number of the interface, and attributes.
struct Address {
    fixed: [u8; 4],
    attributes: Vec<u8>,
}

/// Moves interfaces into the network namespace `into`.
///
/// # Errors
/// The interface's name on the host, and what the kernel said.
pub(super) fn move_all(
    interfaces: &[Interface],
    into: BorrowedFd<'_>,
) -> Result<(), (String, io::Error)> {
    let each = |work: &dyn Fn(&Interface) -> io::Result<()>| {
        let named = |i: &Interface| work(i).map_err(|error| (i.from.clone(), error));
        interfaces.iter().try_for_each(named)
    };
    // The kernel moves first and renames then: one that stops halfway is lost to the host.
    each(&|interface| inside(into, || is_free(&interface.to)))?;
    each(&|interface| move_one(interface, into))
}

/// Refuses a name that an interface has.
fn is_free(name: &str) -> io::Result<()> {
    match name_to_index(open()?, name) {
        Ok(_) => Err(Errno::EXIST.into()),
        Err(Errno::NODEV) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn move_one(interface: &Interface, into: BorrowedFd<'_>) -> io::Result<()> {
    let socket = open()?;
    let addresses = addresses(&socket, interface.index)?;
    let mut body = link(interface.index, 0);
    push(&mut body, LINK_NAMESPACE, &into.as_raw_fd().to_ne_bytes());
    push(&mut body, LINK_NAME, &[interface.to.as_bytes(), b"\0"].concat());
    ask(&socket, &message(NEW_LINK, REQUEST | ACKNOWLEDGE, &body))?;
    inside(into, || {
        let socket = open()?;
        let index = name_to_index(&socket, &interface.to)?;
        ask(&socket, &message(NEW_LINK, REQUEST | ACKNOWLEDGE, &link(index, UP)))?;
        for address in &addresses {
            let body = [&address.fixed[..], &index.to_ne_bytes(), &address.attributes].concat();
            ask(&socket, &message(NEW_ADDRESS, REQUEST | ACKNOWLEDGE | CREATE_NEW, &body))?;
        }
        Ok(())
    })
}

/// Does `work` in the network namespace `into`, by a process that ends with it.
fn inside(into: BorrowedFd<'_>, work: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let how = Clone3 { namespaces: UnshareFlags::empty(), cgroup: None, parent: Parent::Caller };
    let cloned = spawn::spawn(how, || {
        let entered = move_into_thread_name_spaces(into, ThreadNameSpaceType::NETWORK);
        match entered.map_err(io::Error::from).and_then(|()| work()) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
        }
    })?;
    match super::collect(&cloned.pidfd) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(Errno::IO.into()),
    }
}

/// A socket for links and addresses: NETLINK_ROUTE is protocol 0.
fn open() -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC, None)?)
}

/// The addresses that somebody has set on an interface, other than those of the link itself.
fn addresses(socket: &OwnedFd, index: u32) -> io::Result<Vec<Address>> {
    let found = ask(socket, &message(GET_ADDRESS, REQUEST | DUMP, &[0; 8]))?;
    Ok(found.iter().filter_map(|body| address(body, index)).collect())
}

/// struct ifaddrmsg: family, length of the prefix, flags, scope (0 is global), interface.
fn address(body: &[u8], index: u32) -> Option<Address> {
    let (fixed, rest) = body.split_first_chunk::<4>()?;
    let (number, mut rest) = rest.split_first_chunk::<4>()?;
    let [_, _, flags, scope] = *fixed;
    if u32::from_ne_bytes(*number) != index || flags & PERMANENT == 0 || scope != 0 {
        return None;
    }
    let mut attributes = Vec::new();
    while let Some((head, _)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let (length, kind) = (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]));
        let data = rest.get(4..usize::from(length))?;
        if ADDRESS_PARTS.contains(&kind) {
            push(&mut attributes, kind, data);
        }
        rest = rest.get(padded(usize::from(length))..).unwrap_or_default();
    }
    Some(Address { fixed: *fixed, attributes })
}

/// struct ifinfomsg of an interface, with flags to be set.
fn link(index: u32, flags: u32) -> Vec<u8> {
    let words = [0, index, flags, flags];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Adds an attribute. All that are made here are shorter than 64 bytes.
fn push(body: &mut Vec<u8>, kind: u16, data: &[u8]) {
    let length = u16::try_from(data.len() + 4).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(data);
    body.resize(padded(body.len()), 0);
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let head = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]];
    [&head.concat(), body].concat()
}

/// Sends a request; gives the bodies of the answers up to the last.
fn ask(socket: &OwnedFd, request: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    send(socket, request, SendFlags::empty())?;
    let mut bodies = Vec::new();
    loop {
        let mut answer = vec![0; ANSWER];
        let (count, _) = recv(socket.as_fd(), &mut *answer, RecvFlags::empty())?;
        let mut rest = answer.get(..count).unwrap_or_default();
        while let Some((kind, body, next)) = split(rest) {
            match kind {
                DONE => return Ok(bodies),
                ERROR => return fault(body).map(|()| bodies),
                _ => bodies.push(body.to_vec()),
            }
            rest = next;
        }
    }
}

/// The first message: its kind, its body, and what follows it.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let [a, b, c, d, e, f] = *bytes.first_chunk::<6>()?;
    let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).ok()?;
    let body = bytes.get(HEADER..length)?;
    let next = bytes.get(padded(length)..).unwrap_or_default();
    Some((u16::from_ne_bytes([e, f]), body, next))
}

/// struct nlmsgerr begins with an errno below zero, or 0.
fn fault(body: &[u8]) -> io::Result<()> {
    match body.first_chunk::<4>().map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
        None => Err(Errno::BADMSG.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart_as_they_are_put_together() {
        let mut body = link(7, UP);
        push(&mut body, LINK_NAME, b"eth0\0");
        let both = [message(NEW_LINK, REQUEST, &body), message(DONE, 0, &[0; 4])].concat();
        let (kind, first, rest) = split(&both).unwrap();
        assert_eq!((kind, first), (NEW_LINK, &*body));
        assert_eq!(split(rest).unwrap().0, DONE);
        assert!(split(&both[..10]).is_none() && split(&[0xff; 40]).is_none());
    }

    #[test]
    fn only_addresses_that_were_set_are_kept() {
        let body = |flags: u8, scope: u8, index: u32| {
            let mut body = [&[2, 24, flags, scope][..], &index.to_ne_bytes()].concat();
            push(&mut body, 2, &[10, 0, 0, 1]);
            push(&mut body, 6, &[0; 16]);
            body
        };
        let kept = address(&body(PERMANENT, 0, 3), 3).unwrap();
        assert_eq!((kept.fixed[1], kept.attributes.len()), (24, 8));
        for other in [body(0, 0, 3), body(PERMANENT, 253, 3), body(PERMANENT, 0, 4)] {
            assert!(address(&other, 3).is_none());
        }
    }
}
