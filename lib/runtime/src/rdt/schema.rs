//! Lines of a `schemata` file, such as `L3:0=7f0;1=1f`. Source: the kernel's
//! filesystems/resctrl.rst, "Schemata files".

use std::collections::BTreeMap;

/// One line: a resource, and what each of its instances gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    resource: &'a str,
    values: BTreeMap<u32, &'a str>,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` where it has not that form.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (resource, list) = text.trim().split_once(':')?;
        let value = |part: &'a str| {
            let (instance, value) = part.split_once('=')?;
            Some((instance.trim().parse().ok()?, value.trim()))
        };
        let values = list.split(';').map(value).collect::<Option<BTreeMap<u32, &str>>>()?;
        Some(Self { resource: resource.trim(), values })
    }

    /// Whether a class with these `schemata` gives what this line asks for. Numbers may be written
    /// with and without leading zeros.
    pub(super) fn is_given_by(&self, schemata: &str) -> bool {
        let mut lines = schemata.lines().filter_map(Line::parse);
        let Some(given) = lines.find(|line| line.resource == self.resource) else { return false };
        self.values.iter().all(|(instance, value)| {
            given.values.get(instance).is_some_and(|given| plain(given) == plain(value))
        })
    }
}

/// A number without leading zeros, in small letters.
fn plain(number: &str) -> String {
    number.trim_start_matches('0').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_compared_by_what_it_says() {
        let schemata = "    MB:0=100;1= 70\n    L3:0=07ff;1=1F\n";
        for (line, given) in [
            ("L3:0=7ff;1=1f", true),
            ("L3:1=01f", true),
            ("L3:0=7fe", false),
            ("L3:2=7ff", false),
            ("L2:0=f", false),
            ("MB:0=100;1=70", true),
            ("MB:0=10", false),
        ] {
            assert_eq!(Line::parse(line).unwrap().is_given_by(schemata), given, "{line}");
        }
        for bad in ["", "L3", "L3:", "L3:0", "L3:a=1", "L3:0=1;"] {
            assert_eq!(Line::parse(bad), None, "{bad}");
        }
    }
}
