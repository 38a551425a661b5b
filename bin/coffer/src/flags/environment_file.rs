//! `-e` and `--env-file`. Source: docker's documentation of `docker run --env-file`.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use crate::environment;
use crate::failure::Failure;

/// No file of variables is longer.
const LONGEST: u64 = 1 << 20;

/// The variables of `files`, then those of `flags`, as names and values. A name without a value takes
/// coffer's own variable of that name, if there is one.
pub(crate) fn variables(
    files: &[std::path::PathBuf],
    flags: &[String],
) -> Result<Vec<(String, String)>, Failure> {
    let mut all = Vec::with_capacity(flags.len());
    for file in files {
        let text = read(file, "the file of --env-file")?;
        for (line, entry) in entries(&text) {
            let place = format!("{}, line {line}", file.display());
            all.extend(variable(entry, &place)?);
        }
    }
    for flag in flags {
        all.extend(variable(flag, "-e")?);
    }
    Ok(all)
}

/// Reads a file that the caller named, up to 1 MiB of it; `what` says what for.
pub(crate) fn read(file: &Path, what: &str) -> Result<String, Failure> {
    let refused = |why: String| {
        Failure::new(format!("cannot read {what}")).at(file.display().to_string()).because(why)
    };
    let fail = |error: std::io::Error| refused(crate::failure::words(&error));
    #[expect(clippy::disallowed_methods, reason = "a file of the caller's, named by the caller")]
    let open = std::fs::File::open(file).map_err(fail)?;
    let mut bytes = Vec::new();
    open.take(LONGEST + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > LONGEST {
        return Err(refused("it is longer than 1 MiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))
}

/// Lines that hold something and are no comments, with their numbers.
pub(super) fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim_start()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn variable(entry: &str, place: &str) -> Result<Option<(String, String)>, Failure> {
    let (name, value) = entry.split_once('=').map_or((entry, None), |(n, v)| (n, Some(v)));
    if name.is_empty() || name.contains(char::is_whitespace) || entry.contains('\0') {
        // Its value is nobody's business: messages end up in logs.
        let shown = format!("{name}{}", if value.is_some() { "=…" } else { "" });
        return Err(Failure::new(format!("{shown:?} is not a variable"))
            .at(place)
            .because("it should look like NAME=value"));
    }
    if let Some(value) = value {
        return Ok(Some((name.to_owned(), value.to_owned())));
    }
    let own = environment::variable(name).map(OsString::into_string).transpose();
    let own = own.map_err(|_| Failure::new(format!("{name} is not UTF-8")).at(place))?;
    Ok(own.map(|value| (name.to_owned(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let text = "# words\n\nA=1\n  B=two words # not a comment\n";
        let found: Vec<_> = entries(text).collect();
        assert_eq!(found, [(3, "A=1"), (4, "B=two words # not a comment")]);
    }

    #[test]
    fn names_have_no_blanks() {
        assert_eq!(variable("A=", "-e").unwrap(), Some(("A".to_owned(), String::new())));
        assert_eq!(variable("COFFER_NO_SUCH_VARIABLE", "-e").unwrap(), None);
        assert!(variable("export A=1", "-e").is_err());
        let text = variable("a b=secret", "-e").unwrap_err().render();
        assert!(text.contains("\"a b=…\"") && !text.contains("secret"), "{text}");
        assert!(variable("=1", "-e").is_err());
    }
}
