//! `/proc/PID/uid_map` and `gid_map`. Source: man 7 user_namespaces.

use serde::Serialize;

/// A line of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MapRange {
    /// The first id inside.
    pub container: u32,
    /// The first id outside, as the reader sees it.
    pub host: u32,
    /// How many ids.
    pub size: u32,
}

/// Reads a map; `None` where it makes no sense.
pub fn map(text: &str) -> Option<Vec<MapRange>> {
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(str::parse::<u32>);
        let (container, host, size) =
            (words.next()?.ok()?, words.next()?.ok()?, words.next()?.ok()?);
        words.next().is_none().then_some(MapRange { container, host, size })
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hosts_map_is_one_to_one() {
        let all = map("         0          0 4294967295\n").unwrap();
        assert_eq!(all, [MapRange { container: 0, host: 0, size: u32::MAX }]);
        assert_eq!(map("0 x 1\n"), None);
        assert_eq!(map("0 1 2 3\n"), None);
        assert_eq!(map(""), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn a_map_reads_as_it_was_written(ranges in proptest::collection::vec(any::<[u32; 3]>(), 0..9)) {
            let text: String = ranges.iter().map(|[a, b, c]| format!("{a:>10} {b:>10} {c:>10}\n")).collect();
            let read = map(&text).unwrap();
            prop_assert_eq!(read.iter().map(|r| [r.container, r.host, r.size]).collect::<Vec<_>>(), ranges);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,100}") {
            let _ = map(&text);
        }
    }
}
