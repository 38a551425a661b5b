//! Terminals.

use coffer_sys::attempt::Request;

use crate::Control::{Devices, Filter};
use crate::inside::{devices, sockets};
use crate::primitive::{Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("tty.type", "type into a terminal (TIOCSTI)", Filter, |_| sockets::terminal(Request::Type, 0)),
    row("tty.type-upper", "type into a terminal (TIOCSTI, upper half set)", Filter, |_| sockets::terminal(Request::Type, 1)),
    row("tty.console", "paste into a console (TIOCLINUX)", Filter, |_| sockets::terminal(Request::Console, 0)),
    row("tty.console-upper", "paste into a console (TIOCLINUX, upper half set)", Filter, |_| sockets::terminal(Request::Console, 1)),
    row("tty.discipline", "change a line discipline (TIOCSETD)", Filter, |_| sockets::terminal(Request::Discipline, 0)),
    row("tty.discipline-upper", "change a line discipline (TIOCSETD, upper half set)", Filter, |_| sockets::terminal(Request::Discipline, 1)),
    row("tty.others", "see the host's terminals", Devices, |_| sockets::sees_terminals()).of_host().reads(),
    row("tty.own", "open the terminal that the container was started from", Devices, |_| sockets::opens_own_terminal()).of_host(),
    row("tty.console-node", "open /dev/console", Devices, |_| devices::opens("/dev/console")).of_host(),
];
