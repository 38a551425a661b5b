//! How long tasks waited for want of something. Source: the kernel's accounting/psi.rst.

use serde::Serialize;

/// The pressure on one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pressure {
    /// The time in which some task waited.
    pub some: Waited,
    /// The time in which all tasks waited.
    pub full: Waited,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waited {
    /// Hundredths of a per cent of the last ten seconds.
    pub avg10: u32,
    /// Hundredths of a per cent of the last minute.
    pub avg60: u32,
    /// Hundredths of a per cent of the last five minutes.
    pub avg300: u32,
    /// Microseconds since the group was made.
    pub total_us: u64,
}

impl Pressure {
    /// What a pressure file says; `None` for what has not its form. Kernels before 5.13 write no
    /// `full` line for processor time.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pressure = Self::default();
        for line in text.lines() {
            let (kind, rest) = line.split_once(' ')?;
            match kind {
                "some" => pressure.some = Waited::parse(rest)?,
                "full" => pressure.full = Waited::parse(rest)?,
                _ => return None,
            }
        }
        Some(pressure)
    }
}

impl Waited {
    fn parse(fields: &str) -> Option<Self> {
        let field = |name: &str| {
            fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let hundredths = |name| {
            let (whole, part) = field(name)?.split_once('.')?;
            let part = part.parse::<u32>().ok().filter(|_| part.len() == 2)?;
            whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(part)
        };
        Some(Self {
            avg10: hundredths("avg10")?,
            avg60: hundredths("avg60")?,
            avg300: hundredths("avg300")?,
            total_us: field("total")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_lines_are_read() {
        let text = "some avg10=1.50 avg60=0.07 avg300=0.00 total=12345\n\
                    full avg10=0.00 avg60=0.00 avg300=100.00 total=7\n";
        let pressure = Pressure::parse(text).unwrap();
        let some = Waited { avg10: 150, avg60: 7, avg300: 0, total_us: 12345 };
        assert_eq!(pressure.some, some);
        assert_eq!(pressure.full.avg300, 10_000);
        assert_eq!(Pressure::parse("some avg10=1 total=2"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(some|full|x) ?(avg(10|60|300)=[0-9.]{0,6} ?|total=[0-9]{0,21} ?){0,5}\n?") {
            let refused = Pressure::parse(&text).is_none();
            prop_assert!(refused || !text.starts_with('x'));
        }
    }
}
