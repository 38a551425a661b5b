//! Why a manifest cannot be read.

/// Why a manifest cannot be read. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not UTF-8.
    #[error("it is not text in UTF-8")]
    Encoding,
    /// It is not YAML.
    #[error("line {line}: {what}")]
    Yaml {
        /// Where.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// It has more in it than any manifest.
    #[error("line {line}: more than {limit} {what}")]
    Large {
        /// Where.
        line: usize,
        /// How much is read.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// A key stands twice, and who reads it decides which one holds.
    #[error("line {line}: {key:?} stands twice")]
    Twice {
        /// Where the second one is.
        line: usize,
        /// The key.
        key: String,
    },
    /// A form of YAML that is not needed for manifests and reads differently elsewhere.
    #[error("line {line}: {what} cannot be read here; write it out")]
    Form {
        /// Where.
        line: usize,
        /// Which.
        what: &'static str,
    },
    /// A value is not what its place takes.
    #[error("{path} (line {line}) is {found}, and should be {expected}")]
    Value {
        /// The place.
        path: String,
        /// Its line.
        line: usize,
        /// What stands there.
        found: String,
        /// What could.
        expected: String,
    },
    /// A field that a place needs is not there.
    #[error("{path} (line {line}) is missing")]
    Missing {
        /// The place.
        path: String,
        /// The line of what it is missing in.
        line: usize,
    },
    /// A field that Kubernetes does not have there.
    #[error("{path} (line {line}) is no field of Kubernetes{}", nearest(.near.as_deref()))]
    Unknown {
        /// The place.
        path: String,
        /// Its line.
        line: usize,
        /// The field that looks most like it.
        near: Option<String>,
    },
    /// Two fields contradict each other.
    #[error("{path} (line {line}) cannot be {what}")]
    Contradiction {
        /// The place of one.
        path: String,
        /// Its line.
        line: usize,
        /// What it is, beside what.
        what: String,
    },
    /// There is no pod in it.
    #[error("there is no pod in it{}", kinds(.0))]
    NoPod(Vec<String>),
}

fn nearest(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

fn kinds(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!(", only {}", kinds.join(", ")) }
}
