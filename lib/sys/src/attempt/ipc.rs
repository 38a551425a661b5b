//! Objects of an IPC namespace: System V's shared memory, semaphores and message queues, and
//! POSIX message queues. Sources: man 7 sysvipc, man 7 mq_overview.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use libc::{c_int, c_long};

/// Who may use what is made here: everybody, since what keeps others away is to be the namespace.
const ALL: c_int = 0o666;

/// A number that System V's objects are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpcKey(pub i32);

/// Shared memory of 4096 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment(c_int);

/// The length of a [`Segment`].
const SIZE: usize = 4096;

impl Segment {
    /// Makes it, new.
    ///
    /// # Errors
    /// What the kernel says; `EEXIST` where there is one of this key.
    pub fn make(key: IpcKey) -> io::Result<Self> {
        // SAFETY: the call takes numbers.
        id(unsafe { libc::shmget(key.0, SIZE, libc::IPC_CREAT | libc::IPC_EXCL | ALL) }).map(Self)
    }

    /// Finds it.
    ///
    /// # Errors
    /// What the kernel says; `ENOENT` where there is none.
    pub fn find(key: IpcKey) -> io::Result<Self> {
        // SAFETY: the call takes numbers.
        id(unsafe { libc::shmget(key.0, SIZE, 0) }).map(Self)
    }

    /// Its first `length` bytes.
    ///
    /// # Errors
    /// What the kernel says; `EACCES` where it is not for this process.
    pub fn read(self, length: usize) -> io::Result<Vec<u8>> {
        let start = self.attach(libc::SHM_RDONLY)?;
        // SAFETY: the segment has 4096 bytes at `start` until it is detached. Others may write to
        // it meanwhile, so each byte is read once, as what cannot be foreseen.
        let bytes =
            (0..length.min(SIZE)).map(|at| unsafe { start.wrapping_add(at).read_volatile() });
        let bytes = bytes.collect();
        detach(start)?;
        Ok(bytes)
    }

    /// Writes `bytes` to its start.
    ///
    /// # Errors
    /// As [`Segment::read`].
    pub fn write(self, bytes: &[u8]) -> io::Result<()> {
        let start = self.attach(0)?;
        for (at, byte) in bytes.iter().take(SIZE).enumerate() {
            // SAFETY: the segment has 4096 bytes at `start` until it is detached, and is no memory
            // that this program has a reference to.
            unsafe { start.wrapping_add(at).write_volatile(*byte) };
        }
        detach(start)
    }

    /// Ends it once nobody has it attached.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(self) -> io::Result<()> {
        // SAFETY: this operation takes no address.
        id(unsafe { libc::shmctl(self.0, libc::IPC_RMID, ptr::null_mut()) }).map(drop)
    }

    fn attach(self, flags: c_int) -> io::Result<*mut u8> {
        // SAFETY: the kernel chooses an address where nothing else is.
        let start = unsafe { libc::shmat(self.0, ptr::null(), flags) };
        if start.addr() == usize::MAX { Err(io::Error::last_os_error()) } else { Ok(start.cast()) }
    }
}

fn detach(start: *mut u8) -> io::Result<()> {
    // SAFETY: the address is one that `attach` gave, and nothing refers to its memory any more.
    id(unsafe { libc::shmdt(start.cast()) }).map(drop)
}

/// A set of one semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semaphore(c_int);

impl Semaphore {
    /// Makes it, new, with the value 0.
    ///
    /// # Errors
    /// As [`Segment::make`].
    pub fn make(key: IpcKey) -> io::Result<Self> {
        // SAFETY: the call takes numbers.
        id(unsafe { libc::semget(key.0, 1, libc::IPC_CREAT | libc::IPC_EXCL | ALL) }).map(Self)
    }

    /// Finds it.
    ///
    /// # Errors
    /// As [`Segment::find`].
    pub fn find(key: IpcKey) -> io::Result<Self> {
        // SAFETY: the call takes numbers.
        id(unsafe { libc::semget(key.0, 0, 0) }).map(Self)
    }

    /// Its value.
    ///
    /// # Errors
    /// As [`Segment::read`].
    pub fn value(self) -> io::Result<i32> {
        // SAFETY: this operation takes no argument.
        id(unsafe { libc::semctl(self.0, 0, libc::GETVAL) })
    }

    /// Gives it another value.
    ///
    /// # Errors
    /// As [`Segment::read`].
    pub fn set(self, value: i32) -> io::Result<()> {
        // SAFETY: this operation takes a number.
        id(unsafe { libc::semctl(self.0, 0, libc::SETVAL, value) }).map(drop)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(self) -> io::Result<()> {
        // SAFETY: this operation takes no argument.
        id(unsafe { libc::semctl(self.0, 0, libc::IPC_RMID) }).map(drop)
    }
}

/// A message of System V's queues.
#[repr(C)]
#[derive(Debug)]
struct Message {
    kind: c_long,
    text: [u8; LONGEST],
}

/// How long messages are at most, of both kinds of queues.
const LONGEST: usize = 64;

/// A message queue of System V's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages(c_int);

impl Messages {
    /// Makes it, new.
    ///
    /// # Errors
    /// As [`Segment::make`].
    pub fn make(key: IpcKey) -> io::Result<Self> {
        // SAFETY: the call takes numbers.
        id(unsafe { libc::msgget(key.0, libc::IPC_CREAT | libc::IPC_EXCL | ALL) }).map(Self)
    }

    /// Finds it.
    ///
    /// # Errors
    /// As [`Segment::find`].
    pub fn find(key: IpcKey) -> io::Result<Self> {
        // SAFETY: the call takes numbers.
        id(unsafe { libc::msgget(key.0, 0) }).map(Self)
    }

    /// Puts the first 64 bytes of `text` into it.
    ///
    /// # Errors
    /// As [`Segment::read`]; `EAGAIN` of one that is full.
    pub fn send(self, text: &[u8]) -> io::Result<()> {
        let mut message = Message { kind: 1, text: [0; LONGEST] };
        message.text.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        let length = text.len().min(LONGEST);
        let start = (&raw const message).cast();
        // SAFETY: behind its kind the message has at least as many bytes as the kernel reads.
        id(unsafe { libc::msgsnd(self.0, start, length, libc::IPC_NOWAIT) }).map(drop)
    }

    /// Takes a message out of it.
    ///
    /// # Errors
    /// As [`Segment::read`]; `ENOMSG` of one that is empty.
    pub fn receive(self) -> io::Result<Vec<u8>> {
        let mut message = Message { kind: 0, text: [0; LONGEST] };
        let start = (&raw mut message).cast();
        // SAFETY: behind its kind the message has as many bytes as the kernel may write.
        let length = unsafe { libc::msgrcv(self.0, start, LONGEST, 0, libc::IPC_NOWAIT) };
        let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
        Ok(message.text.into_iter().take(length).collect())
    }

    /// How many messages are in it.
    ///
    /// # Errors
    /// As [`Segment::read`].
    pub fn count(self) -> io::Result<u64> {
        // SAFETY: numbers alone, for which zeros are values.
        let mut about: libc::msqid_ds = unsafe { mem::zeroed() };
        // SAFETY: the kernel writes what it is given room for.
        id(unsafe { libc::msgctl(self.0, libc::IPC_STAT, &raw mut about) })?;
        Ok(about.msg_qnum)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(self) -> io::Result<()> {
        // SAFETY: this operation takes no address.
        id(unsafe { libc::msgctl(self.0, libc::IPC_RMID, ptr::null_mut()) }).map(drop)
    }
}

/// A POSIX message queue of two messages.
#[derive(Debug)]
pub struct Queue(OwnedFd);

impl Queue {
    /// Makes it, new, for everybody; its name begins with a slash.
    ///
    /// # Errors
    /// What the kernel says; `EEXIST` where there is one of this name.
    pub fn make(name: &CStr) -> io::Result<Self> {
        // SAFETY: numbers alone, for which zeros are values.
        let mut about: libc::mq_attr = unsafe { mem::zeroed() };
        about.mq_maxmsg = 2;
        about.mq_msgsize = c_long::try_from(LONGEST).unwrap_or(0);
        let flags =
            libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: the kernel reads a name with its end and the attributes.
        let fd = unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw const about) };
        let queue = Self::owned(fd)?;
        // Whatever the caller's umask says.
        rustix::fs::fchmod(&queue.0, rustix::fs::Mode::from(0o666))?;
        Ok(queue)
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the kernel says; `ENOENT` where there is none, `EACCES` where it is not for this
    /// process.
    pub fn find(name: &CStr) -> io::Result<Self> {
        let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC;
        // SAFETY: the kernel reads a name with its end.
        Self::owned(unsafe { libc::mq_open(name.as_ptr(), flags) })
    }

    /// What `mq_open` gave.
    fn owned(fd: c_int) -> io::Result<Self> {
        let fd = id(fd)?;
        // SAFETY: it is a new descriptor, which nobody else has.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Puts the first 64 bytes of `text` into it.
    ///
    /// # Errors
    /// What the kernel says; `EAGAIN` of one that is full.
    pub fn send(&self, text: &[u8]) -> io::Result<()> {
        let length = text.len().min(LONGEST);
        // SAFETY: the kernel reads no more of the text than there is.
        id(unsafe { libc::mq_send(self.0.as_raw_fd(), text.as_ptr().cast(), length, 0) }).map(drop)
    }

    /// Takes a message out of it.
    ///
    /// # Errors
    /// What the kernel says; `EAGAIN` of one that is empty.
    pub fn receive(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0_u8; LONGEST];
        let start = bytes.as_mut_ptr().cast();
        // SAFETY: the kernel writes at most as many bytes as there are.
        let length =
            unsafe { libc::mq_receive(self.0.as_raw_fd(), start, LONGEST, ptr::null_mut()) };
        bytes.truncate(usize::try_from(length).map_err(|_| io::Error::last_os_error())?);
        Ok(bytes)
    }

    /// How many messages are in it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn count(&self) -> io::Result<u64> {
        // SAFETY: numbers alone, for which zeros are values.
        let mut about: libc::mq_attr = unsafe { mem::zeroed() };
        // SAFETY: the kernel writes what it is given room for.
        id(unsafe { libc::mq_getattr(self.0.as_raw_fd(), &raw mut about) })?;
        Ok(about.mq_curmsgs.cast_unsigned())
    }

    /// Takes its name away; it ends with the last descriptor.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn remove(name: &CStr) -> io::Result<()> {
        // SAFETY: the kernel reads a name with its end.
        id(unsafe { libc::mq_unlink(name.as_ptr()) }).map(drop)
    }
}

fn id(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of this process.
    fn key() -> IpcKey {
        IpcKey(rustix::process::getpid().as_raw_pid() | 0x0c0f_0000)
    }

    #[test]
    fn memory_is_found_read_written_and_gone() {
        let segment = Segment::make(key()).unwrap();
        assert_eq!(Segment::find(key()).unwrap(), segment);
        segment.write(b"words").unwrap();
        assert_eq!(segment.read(5).unwrap(), b"words");
        segment.remove().unwrap();
        assert!(Segment::find(key()).is_err());
    }

    #[test]
    fn a_semaphore_has_the_value_that_it_was_given() {
        let semaphore = Semaphore::make(key()).unwrap();
        Semaphore::find(key()).unwrap().set(7).unwrap();
        assert_eq!(semaphore.value().unwrap(), 7);
        semaphore.remove().unwrap();
        assert!(Semaphore::find(key()).is_err());
    }

    #[test]
    fn messages_are_counted_and_taken() {
        let messages = Messages::make(key()).unwrap();
        Messages::find(key()).unwrap().send(b"words").unwrap();
        assert_eq!(messages.count().unwrap(), 1);
        assert_eq!(messages.receive().unwrap(), b"words");
        messages.remove().unwrap();
        assert!(Messages::find(key()).is_err());
    }

    #[test]
    fn a_queue_is_counted_and_emptied() {
        let name = std::ffi::CString::new(format!("/coffer-test-{}", key().0)).unwrap();
        let queue = Queue::make(&name).unwrap();
        Queue::find(&name).unwrap().send(b"words").unwrap();
        assert_eq!(queue.count().unwrap(), 1);
        assert_eq!(queue.receive().unwrap(), b"words");
        Queue::remove(&name).unwrap();
        assert!(Queue::find(&name).is_err());
    }
}
