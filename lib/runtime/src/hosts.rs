//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a container: files of ours, mounted
//! over the image's. Sources: man 5 hosts, hostname, resolv.conf; docker's `run`
//! reference, "Network settings".

use rustix::fs::{CWD, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::spec::{Network, Request};

/// The files, by their names in `/etc`.
pub const FILES: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// The most bytes of the host's resolv.conf that are taken over.
const RESOLV_LIMIT: usize = 64 << 10;

/// A file of coffer's own that a container sees in place of the image's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFile {
    /// Its path in the container.
    pub path: String,
    /// What it says when the container starts.
    pub text: String,
}

/// The three files of a container. They are made anew at each start, in memory of its own: what
/// is written to them ends with it, and where they come from says nothing of the host.
pub fn files(request: &Request, hostname: &str) -> Vec<OwnFile> {
    let host = if needs_host_resolver(request) { host_resolv_conf() } else { Vec::new() };
    let texts = [hosts(request, hostname), format!("{hostname}\n"), resolv_conf(request, &host)];
    let file = |(name, text)| OwnFile { path: format!("/etc/{name}"), text };
    FILES.into_iter().zip(texts).map(file).collect()
}

/// The names that are always there, the container's own, and the caller's.
fn hosts(request: &Request, hostname: &str) -> String {
    let mut text = String::from(
        "127.0.0.1\tlocalhost\n\
         ::1\tlocalhost ip6-localhost ip6-loopback\n\
         fe00::\tip6-localnet\n\
         ff00::\tip6-mcastprefix\n\
         ff02::1\tip6-allnodes\n\
         ff02::2\tip6-allrouters\n",
    );
    let domain = request.domainname.as_deref().map(|domain| format!("{hostname}.{domain} "));
    line(&mut text, format_args!("127.0.0.1\t{}{hostname}", domain.unwrap_or_default()));
    for (name, address) in &request.add_hosts {
        line(&mut text, format_args!("{address}\t{name}"));
    }
    text
}

/// The caller's resolver, and the host's for what the caller leaves open.
fn resolv_conf(request: &Request, host: &[u8]) -> String {
    let host = String::from_utf8_lossy(host);
    let of_host = |word: &str| -> Vec<String> {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines =
            host.lines().map(words).filter(|words| words.first().is_some_and(|w| w == word));
        lines.map(|words| words[1..].join(" ")).collect()
    };
    let mut text = String::new();
    let or_host = |own: Vec<String>, word: &str| if own.is_empty() { of_host(word) } else { own };
    let servers = request.dns.iter().map(ToString::to_string).collect();
    for server in or_host(servers, "nameserver") {
        line(&mut text, format_args!("nameserver {server}"));
    }
    let joined = |words: &[String]| match words {
        [] => Vec::new(),
        words => vec![words.join(" ")],
    };
    for search in or_host(joined(&request.dns_search), "search").iter().filter(|s| *s != ".") {
        line(&mut text, format_args!("search {search}"));
    }
    for options in or_host(joined(&request.dns_options), "options") {
        line(&mut text, format_args!("options {options}"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.push_str(&line.to_string());
    text.push('\n');
}

/// A container without a network asks nobody, so it is not told about the host's resolver.
fn needs_host_resolver(request: &Request) -> bool {
    request.network == Network::Host
}

/// The host's resolver; a host without one has an empty file.
fn host_resolv_conf() -> Vec<u8> {
    let mut bytes = vec![0; RESOLV_LIMIT];
    let file = rustix::fs::openat(
        CWD,
        c"/etc/resolv.conf",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let count = file.and_then(|file| rustix::io::read(&file, &mut bytes)).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_come_after_localhost() {
        let request = Request {
            domainname: Some("example".to_owned()),
            add_hosts: vec![("db".to_owned(), "10.0.0.2".parse().unwrap())],
            ..Request::default()
        };
        let text = hosts(&request, "web");
        assert!(text.starts_with("127.0.0.1\tlocalhost\n"));
        assert!(text.ends_with("127.0.0.1\tweb.example web\n10.0.0.2\tdb\n"));
    }

    #[test]
    fn the_caller_wins_over_the_host_word_by_word() {
        let host = b"# comment\nnameserver 192.0.2.1\nsearch a b\noptions ndots:2\n";
        let request = Request {
            dns: vec!["192.0.2.7".parse().unwrap()],
            dns_search: vec![".".to_owned()],
            ..Request::default()
        };
        assert_eq!(resolv_conf(&request, host), "nameserver 192.0.2.7\noptions ndots:2\n");
    }
}
