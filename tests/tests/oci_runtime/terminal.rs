//! Terminals: over a socket, and of one's own.

use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use coffer_tests::terminal::Terminal;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

/// Takes the terminal that comes over the next connection.
pub(super) fn take(listener: &UnixListener) -> OwnedFd {
    let (socket, _) = listener.accept().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0; 64];
    let mut bytes = [IoSliceMut::new(&mut name)];
    let received = recvmsg(&socket, &mut bytes, &mut control, RecvFlags::empty()).unwrap();
    assert!(received.bytes > 0, "it has a name");
    let message = control.drain().next();
    let Some(RecvAncillaryMessage::ScmRights(mut fds)) = message else { panic!("no terminal") };
    fds.next().unwrap()
}

/// What comes out of a terminal until nobody has it open.
pub(super) fn screen(terminal: OwnedFd) -> String {
    let (mut file, mut bytes) = (std::fs::File::from(terminal), Vec::new());
    // The other end closed is EIO (man 4 pty).
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = file.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn root_a_terminal_goes_over_the_socket() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = format!("tty-{}", std::process::id());
        let line = "test -t 0 && test -t 1 && test -t 2 && busybox stty size && echo all";
        let bundle = runtime.bundle(line, |config| {
            config["process"]["terminal"] = json!(true);
            config["process"]["consoleSize"] = json!({"height": 30, "width": 90});
        });
        let socket = runtime.folder().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let (bundle, socket) = (bundle.to_string_lossy(), socket.to_string_lossy());
        runtime.must(&["create", "-b", &bundle, "--console-socket", &socket, &id]);
        let terminal = take(&listener);
        runtime.must(&["start", &id]);
        assert_eq!(screen(terminal), "30 90\r\nall\r\n", "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_a_terminal_that_nobody_takes_is_an_error() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = format!("nobody-{}", std::process::id());
        let bundle = runtime.bundle("true", |config| config["process"]["terminal"] = json!(true));
        assert_eq!(runtime.create(&id, &bundle).status, 1);
        let plain = runtime.bundle("true", |_| ());
        let plain = plain.to_string_lossy();
        let words = ["create", "-b", &plain, "--console-socket", "/no/such/socket", &id];
        assert_eq!(runtime.run(&words).status, 1);
        let bundle = bundle.to_string_lossy();
        let words = ["create", "-b", &bundle, "--console-socket", "/no/such/socket", &id];
        assert_eq!(runtime.run(&words).status, 1);
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_somebody_types_into_a_run_and_an_exec() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = format!("typed-{}", std::process::id());
        let bundle = runtime.bundle("echo ready; read word; echo got $word; exit 4", |config| {
            config["process"]["terminal"] = json!(true);
        });
        let bundle = bundle.to_string_lossy();
        let mut typist = Terminal::start(&runtime.command(&["run", "-b", &bundle, &id]));
        typist.expects("ready");
        let mut other = Terminal::start(&runtime.command(&["exec", "-t", &id, "sh"]));
        other.types("test -t 0 && echo a ter''minal; exit 6\r");
        other.expects("a terminal");
        assert_eq!(other.ends().0, Some(6));
        typist.types("word\r");
        typist.expects("got word");
        assert_eq!(typist.ends().0, Some(4), "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}
