//! Keys and keyrings of the kernel. Sources: man 7 keyrings, man 2 keyctl.

use std::ffi::CStr;
use std::io;

use libc::{c_long, c_ulong};

/// Operations of `keyctl`. Source: linux/keyctl.h.
const UPDATE: c_ulong = 2;
const SET_PERMISSIONS: c_ulong = 5;
const LINK: c_ulong = 8;
const UNLINK: c_ulong = 9;
const SEARCH: c_ulong = 10;
const READ: c_ulong = 11;
const SET_TIMEOUT: c_ulong = 15;

/// A key's number, the same for every process of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serial(pub i32);

/// A keyring that each process has, by the number that the kernel knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyring {
    /// The process's own.
    Process,
    /// That of its session, which children inherit.
    Session,
    /// That of its user, whatever the session.
    User,
}

impl Keyring {
    const fn number(self) -> c_ulong {
        // Special keyrings have negative numbers, which the kernel takes as 32 bits.
        let number: i32 = match self {
            Self::Process => -2,
            Self::Session => -3,
            Self::User => -4,
        };
        number as c_ulong
    }
}

/// Puts a key of the kind `user` into a keyring; it ends by itself after `seconds`.
///
/// # Errors
/// What the kernel says; `EDQUOT` where its user has too many.
pub fn add_key(
    ring: Keyring,
    description: &CStr,
    payload: &[u8],
    seconds: u32,
) -> io::Result<Serial> {
    // SAFETY: the kernel reads two texts with their ends and as many bytes of the payload as it
    // has.
    let serial = unsafe {
        libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            description.as_ptr(),
            payload.as_ptr(),
            payload.len(),
            ring.number(),
        )
    };
    let serial = Serial(number(serial)?);
    let timed = control(SET_TIMEOUT, word(serial), c_ulong::from(seconds), 0);
    if timed.is_err() {
        // It would stay for good.
        unlink_key(serial, ring)?;
    }
    timed.map(|_| serial)
}

/// Puts the user's keyring into the process's own, so that its keys are this process's to change.
///
/// # Errors
/// What the kernel says.
pub fn hold_user_keyring() -> io::Result<()> {
    control(LINK, Keyring::User.number(), Keyring::Process.number(), 0).map(drop)
}

/// Lets its user, and whoever has it in a keyring, do everything with a key; nobody else.
///
/// # Errors
/// What the kernel says.
pub fn open_to_user(key: Serial) -> io::Result<()> {
    /// `KEY_POS_ALL | KEY_USR_ALL`.
    const MASK: c_ulong = 0x3f3f_0000;
    control(SET_PERMISSIONS, word(key), MASK, 0).map(drop)
}

/// What a key holds, at most 256 bytes.
///
/// # Errors
/// What the kernel says; `EACCES` where that is not for this process.
pub fn read_key(key: Serial) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0_u8; 256];
    // SAFETY: the kernel writes at most as many bytes as it is told there are.
    let length = unsafe {
        libc::syscall(libc::SYS_keyctl, READ, word(key), bytes.as_mut_ptr(), bytes.len())
    };
    let length = usize::try_from(number(length)?).unwrap_or(0);
    // It says how much there is, which may be more.
    bytes.truncate(length);
    Ok(bytes)
}

/// Gives a key another payload.
///
/// # Errors
/// As [`read_key`].
pub fn update_key(key: Serial, payload: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes of the payload as it has.
    let done = unsafe {
        libc::syscall(libc::SYS_keyctl, UPDATE, word(key), payload.as_ptr(), payload.len())
    };
    number(done).map(drop)
}

/// The number of a key of the kind `user` in a keyring, or in those that lie in it.
///
/// # Errors
/// As [`read_key`]; `ENOKEY` where there is none.
pub fn find_key(ring: Keyring, description: &CStr) -> io::Result<Serial> {
    // SAFETY: the kernel reads two texts with their ends; 0 is no keyring to link to.
    let found = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            SEARCH,
            ring.number(),
            c"user".as_ptr(),
            description.as_ptr(),
            0,
        )
    };
    number(found).map(Serial)
}

/// Puts a key into a keyring beside those that it is in.
///
/// # Errors
/// As [`read_key`].
pub fn link_key(key: Serial, ring: Keyring) -> io::Result<()> {
    control(LINK, word(key), ring.number(), 0).map(drop)
}

/// Takes a key out of a keyring; it ends with the last that it is in.
///
/// # Errors
/// As [`read_key`].
pub fn unlink_key(key: Serial, ring: Keyring) -> io::Result<()> {
    control(UNLINK, word(key), ring.number(), 0).map(drop)
}

/// An operation whose arguments are numbers.
fn control(operation: c_ulong, a: c_ulong, b: c_ulong, c: c_ulong) -> io::Result<i32> {
    // SAFETY: `keyctl` reads and writes no memory for the operations that are asked for so: LINK,
    // UNLINK, SET_PERMISSIONS and SET_TIMEOUT take numbers.
    number(unsafe { libc::syscall(libc::SYS_keyctl, operation, a, b, c) })
}

fn word(key: Serial) -> c_ulong {
    c_ulong::from(key.0.cast_unsigned())
}

fn number(result: c_long) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(result).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a filter or a kernel takes keys away there is nothing to test.
    fn added() -> Option<Serial> {
        add_key(Keyring::Process, c"coffer-test", b"one", 600).ok()
    }

    #[test]
    fn a_key_is_found_read_changed_and_gone() {
        let Some(key) = added() else { return };
        assert_eq!(find_key(Keyring::Process, c"coffer-test").unwrap(), key);
        assert_eq!(read_key(key).unwrap(), b"one");
        update_key(key, b"other").unwrap();
        assert_eq!(read_key(key).unwrap(), b"other");
        open_to_user(key).unwrap();
        unlink_key(key, Keyring::Process).unwrap();
        assert!(find_key(Keyring::Process, c"coffer-test").is_err());
    }
}
