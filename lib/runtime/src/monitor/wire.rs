//! What passes between a monitor and those who are attached to its container.
//!
//! One message is one packet of a `SOCK_SEQPACKET` socket: a letter, then what belongs to it.
//! Both ends are of one build or of builds that keep to this table:
//!
//! | letter | from | what follows |
//! |---|---|---|
//! | `I` | client | bytes for standard input, or typed into the terminal |
//! | `E` | client | nothing: standard input has ended |
//! | `R` | client | rows and columns of the terminal, 16 bits each, little-endian |
//! | `O` | monitor | bytes of standard output or of the terminal |
//! | `X` | monitor | bytes of standard error |
//! | `N` | client | nothing: no output is wanted, only how the container ends |
//! | `T` | either | nothing; a descriptor comes along: the terminal's master side (see `lend`) |
//! | `Q` | monitor | the exit code, one byte: the container has ended and all output was sent |

use crate::log::Stream;

/// The most bytes that one message carries beside its letter.
pub(crate) const MOST: usize = 16 * 1024;
/// The message with which a terminal comes along.
pub(crate) const LENT: &[u8] = b"T";
/// How many bytes a buffer for any message has.
pub(crate) const PACKET: usize = MOST + 1;

/// From a client to the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    /// Bytes for the program to read.
    Input(&'a [u8]),
    /// No more will come.
    EndOfInput,
    /// The terminal has another size.
    Resize { rows: u16, columns: u16 },
    /// No output is wanted.
    NoOutput,
    /// The terminal that the killed monitor had comes along.
    Lend,
}

/// From the monitor to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell<'a> {
    /// Bytes that the program wrote.
    Output(Stream, &'a [u8]),
    /// The terminal comes along, to be kept.
    Lend,
    /// The program has ended.
    Ended { code: u8 },
}

impl<'a> Ask<'a> {
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Self::Input(bytes) => packet(b'I', bytes),
            Self::EndOfInput => packet(b'E', &[]),
            Self::NoOutput => packet(b'N', &[]),
            Self::Lend => LENT.to_vec(),
            Self::Resize { rows, columns } => {
                packet(b'R', &[rows.to_le_bytes(), columns.to_le_bytes()].concat())
            }
        }
    }

    pub(crate) fn decode(packet: &'a [u8]) -> Option<Self> {
        match packet {
            [b'I', bytes @ ..] => Some(Self::Input(bytes)),
            [b'E'] => Some(Self::EndOfInput),
            [b'N'] => Some(Self::NoOutput),
            LENT => Some(Self::Lend),
            [b'R', a, b, c, d] => Some(Self::Resize {
                rows: u16::from_le_bytes([*a, *b]),
                columns: u16::from_le_bytes([*c, *d]),
            }),
            _ => None,
        }
    }
}

impl<'a> Tell<'a> {
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Self::Output(Stream::Stdout, bytes) => packet(b'O', bytes),
            Self::Output(Stream::Stderr, bytes) => packet(b'X', bytes),
            Self::Lend => LENT.to_vec(),
            Self::Ended { code } => packet(b'Q', &[code]),
        }
    }

    pub(crate) fn decode(packet: &'a [u8]) -> Option<Self> {
        match packet {
            [b'O', bytes @ ..] => Some(Self::Output(Stream::Stdout, bytes)),
            [b'X', bytes @ ..] => Some(Self::Output(Stream::Stderr, bytes)),
            LENT => Some(Self::Lend),
            [b'Q', code] => Some(Self::Ended { code: *code }),
            _ => None,
        }
    }
}

fn packet(letter: u8, bytes: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(bytes.len() + 1);
    packet.push(letter);
    packet.extend_from_slice(bytes);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_arrive_as_they_were_sent() {
        for ask in [
            Ask::Input(b"ls\n"),
            Ask::EndOfInput,
            Ask::NoOutput,
            Ask::Resize { rows: 24, columns: 300 },
        ] {
            assert_eq!(Ask::decode(&ask.encode()), Some(ask));
        }
        for tell in [
            Tell::Output(Stream::Stdout, b"a"),
            Tell::Output(Stream::Stderr, b""),
            Tell::Ended { code: 137 },
        ] {
            assert_eq!(Tell::decode(&tell.encode()), Some(tell));
        }
    }

    proptest! {
        #[test]
        fn any_packet_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some(ask) = Ask::decode(&bytes) {
                prop_assert_eq!(ask.encode(), bytes.clone());
            }
            if let Some(tell) = Tell::decode(&bytes) {
                prop_assert_eq!(tell.encode(), bytes);
            }
        }
    }
}
