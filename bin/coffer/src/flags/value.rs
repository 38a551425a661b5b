//! The forms of single values. Parsers are pure; their errors say what the form is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use coffer_oci::runtime::Rlimit;
use coffer_runtime::signal;

use super::limit::LEAST_CPUS;
use crate::template::{Template, TemplateError};

/// What can be limited by `--ulimit`. Source: man 2 getrlimit.
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// So many decimal places are read of a number.
const PLACES: usize = 9;

/// Why a value has the wrong form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// A size such as `512m`.
    #[error("a size is a number with an optional unit b, k, m, g or t, such as 512m or 1.5g")]
    Size,
    /// A number of CPUs.
    #[error("the number of CPUs is a decimal of at least 0.01, such as 1.5")]
    Cpus,
    /// `--ulimit`.
    #[error(
        "a limit looks like nofile=1024 or nofile=1024:2048, hard limit last; there are {}",
        ULIMITS.join(", ")
    )]
    Ulimit,
    /// Something that has to look like `name=value`.
    #[error("it should look like NAME=VALUE")]
    Pair,
    /// A number of seconds.
    #[error("a time is a whole number of seconds")]
    Seconds,
    /// A number of seconds, or no limit.
    #[error("a time is a whole number of seconds, or -1 for no limit")]
    Grace,
    /// One of a few words.
    #[error("it is one of: {0}")]
    OneOf(&'static str),
    /// `--format`.
    #[error("it is table, json or a Go template, such as {{{{.ID}}}}")]
    Format(#[source] TemplateError),
    /// A signal.
    #[error("it is a signal's name, such as TERM, or its number")]
    Signal,
    /// Keys.
    #[error("keys are letters, or ctrl- and a letter or one of @[\\]^_, with commas between them")]
    Keys,
    /// A limit that may be off.
    #[error("it is a whole number from 1 to 4194304, or -1 for no limit")]
    Limit,
    /// `--memory`.
    #[error("it is a size of at least 6m, such as 512m, or -1 for no limit")]
    Memory,
    /// A size that cannot be 0.
    #[error("it is a size above 0, such as 64m")]
    Room,
    /// `--cpu-shares`.
    #[error("it is a whole number from 2 to 262144; 1024 is usual")]
    Shares,
    /// `--cpuset-cpus` and `--cpuset-mems`.
    #[error("it is a list of numbers and of ranges that go up, such as 0-3,7")]
    List,
    /// A number.
    #[error("it is a whole number")]
    Count,
}

/// A number of bytes. Source: docker's go-units `RAMInBytes`: units are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let lower = text.to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = lower.get(digits.len()..).unwrap_or_default().trim_start();
        let shift = match unit {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return Err(ValueError::Size),
        };
        bytes(digits, shift).map(Self).ok_or(ValueError::Size)
    }
}

/// `digits`, which may have a decimal point, times 2 to the power of `shift`; what is less than a
/// byte of it is dropped.
fn bytes(digits: &str, shift: u32) -> Option<u64> {
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > PLACES {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(part.len()).ok()?);
    let parts = u128::from(part.parse::<u64>().ok()?) * (1 << shift) / scale;
    let whole = whole.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    whole.checked_add(u64::try_from(parts).ok()?)
}

/// A number of bytes, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SwapSize {
    /// At most so many.
    At(Size),
    /// As many as there are.
    None,
}

impl FromStr for SwapSize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "-1" { Ok(Self::None) } else { text.parse().map(Self::At) }
    }
}

/// Thousandths of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpus(pub(crate) u64);

impl FromStr for Cpus {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if part.len() > PLACES || !is_number(whole) || !is_number(part) || text == "." {
            return Err(ValueError::Cpus);
        }
        // The kernel is told thousandths; what is less is dropped.
        let digits = format!("{whole}{part:0<3.3}");
        match digits.parse() {
            Ok(thousandths) if thousandths >= LEAST_CPUS => Ok(Self(thousandths)),
            _ => Err(ValueError::Cpus),
        }
    }
}

/// `--ulimit NAME=SOFT[:HARD]`. Without a hard limit it is the soft one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ulimit(pub(crate) Rlimit);

impl FromStr for Ulimit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (name, limits) = text.split_once('=').ok_or(ValueError::Ulimit)?;
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let limit = |text: &str| match text {
            // RLIM_INFINITY, man 2 getrlimit.
            "-1" | "unlimited" => Ok(u64::MAX),
            number => number.parse().map_err(|_| ValueError::Ulimit),
        };
        let (soft, hard) = (limit(soft)?, limit(hard)?);
        if !ULIMITS.contains(&name) || soft > hard {
            return Err(ValueError::Ulimit);
        }
        let kind = format!("RLIMIT_{}", name.to_ascii_uppercase());
        Ok(Self(Rlimit { kind, soft, hard }))
    }
}

/// `--sysctl NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sysctl(pub(crate) String, pub(crate) String);

impl FromStr for Sysctl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self(name.to_owned(), value.to_owned())),
            _ => Err(ValueError::Pair),
        }
    }
}

/// `--label NAME[=VALUE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) String, pub(crate) String);

impl FromStr for Label {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(ValueError::Pair);
        }
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// Whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) Duration);

impl FromStr for Seconds {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let seconds = text.parse().map_err(|_| ValueError::Seconds)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

/// How long something may take, or that it may take for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grace {
    /// So long.
    Seconds(Duration),
    /// As long as it takes.
    Endless,
}

impl FromStr for Grace {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "-1" {
            return Ok(Self::Endless);
        }
        let seconds: Seconds = text.parse().map_err(|_| ValueError::Grace)?;
        Ok(Self::Seconds(seconds.0))
    }
}

/// A signal, by name or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalFlag(pub(crate) i32);

impl FromStr for SignalFlag {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        signal::parse(text).map(Self).ok_or(ValueError::Signal)
    }
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl FromStr for Count {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|_| ValueError::Count)
    }
}

/// A flag whose value is one of a few words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $all:literal, $($(#[$vdoc:meta])* $variant:ident = $word:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$vdoc])* $variant),+
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, ValueError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(ValueError::OneOf($all)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }
    };
}

words!(
    /// When an image is fetched.
    Pull, "missing, always, never",
    /// Where it is not here.
    #[default] Missing = "missing",
    /// Ask the registry each time.
    Always = "always",
    /// Only what is here.
    Never = "never"
);

words!(
    /// The wall around the container.
    Tier, "native (kernel and vm are not built yet)",
    /// Namespaces and a fence on the host's kernel.
    #[default] Native = "native"
);

words!(
    /// When a container that has ended is started again.
    Restart,
    "no (coffer has no daemon that could start it again; a systemd unit with \
     Restart=on-failure can)",
    /// Never.
    #[default] No = "no"
);

words!(
    /// Whose root of the control groups a container sees.
    CgroupNs, "private (the host's is never shown)",
    /// Its own.
    #[default] Private = "private"
);

/// How docker's fields are printed (`--format`).
#[derive(Clone, Debug)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// An object on each line.
    Json,
    /// As a Go template says.
    Template(Template),
    /// The same in columns, under headings.
    TableOf(Template),
}

impl FromStr for Format {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            // Docker writes these out in lists.
            _ => {
                let text = text.replace("\\t", "\t").replace("\\n", "\n");
                let (make, text): (fn(Template) -> Self, _) = match text.strip_prefix("table ") {
                    Some(columns) => (Self::TableOf, columns),
                    None => (Self::Template, text.as_str()),
                };
                Template::parse(text).map(make).map_err(ValueError::Format)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(size("512m"), Ok(512 << 20));
        assert_eq!(size("1G"), Ok(1 << 30));
        assert_eq!(size("7"), Ok(7));
        assert_eq!(size("1.5g"), Ok(3 << 29));
        assert_eq!(size("0.1k"), Ok(102));
        let bad = ["", "m", "-1", "1.g", ".5g", "1.5.5g", "1x", "99999999999999999999", "1e3"];
        for bad in bad.into_iter().chain([
            "99999999999g",
            "1 x",
            "0.1234567890g",
            "18446744073709551615.9k",
        ]) {
            assert_eq!(size(bad), Err(ValueError::Size), "{bad}");
        }
    }

    #[test]
    fn cpus_are_thousandths() {
        let cpus = |text: &str| text.parse::<Cpus>().map(|cpus| cpus.0);
        assert_eq!(cpus("1.5"), Ok(1500));
        assert_eq!(cpus("2"), Ok(2000));
        assert_eq!(cpus(".25"), Ok(250));
        assert_eq!(cpus("0.3333"), Ok(333));
        for bad in ["", ".", "0", "0.000", "0.0099", "-1", "1.2345678901", "1e3", "+1"] {
            assert_eq!(cpus(bad), Err(ValueError::Cpus), "{bad}");
        }
    }

    #[test]
    fn ulimits() {
        let parse = |text: &str| text.parse::<Ulimit>();
        let flag = parse("nofile=1024:-1").unwrap().0;
        assert_eq!((flag.soft, flag.hard), (1024, u64::MAX));
        assert_eq!(parse("core=0").unwrap().0.kind, "RLIMIT_CORE");
        for bad in
            ["nofile", "files=1", "=1", "nofile=2:1", "nofile=-1:1", "nofile=x", "nofile=1:2:3"]
        {
            assert_eq!(parse(bad), Err(ValueError::Ulimit), "{bad}");
        }
    }

    #[test]
    fn pairs_and_words() {
        assert_eq!("a=b=c".parse(), Ok(Sysctl("a".to_owned(), "b=c".to_owned())));
        assert_eq!("a".parse::<Sysctl>(), Err(ValueError::Pair));
        assert_eq!("a".parse(), Ok(Label("a".to_owned(), String::new())));
        assert_eq!("always".parse(), Ok(Pull::Always));
        assert!("vm".parse::<Tier>().is_err());
        assert_eq!("-1".parse::<Count>(), Err(ValueError::Count));
    }
}
