//! Images with many programs each, for the share of them that runs behind the default fence.

use super::catalogue::{DEBIAN, file, folder, zstd};
use super::{Content, File, Recipe, Start};

/// All of them.
pub const ALL: &[Recipe] = &[SERVERS, LANGUAGES, JAVA, BROWSER];

/// Servers and queues, and a client for each.
pub const SERVERS: Recipe = Recipe {
    name: "servers",
    base: Some(&DEBIAN),
    layers: &[
        zstd(Content::Packages(&[
            "apache2-bin",
            "beanstalkd",
            "bind9-host",
            "caddy",
            "curl",
            "dnsmasq-base",
            "etcd-client",
            "etcd-server",
            "haproxy",
            "lighttpd",
            "mariadb-client-core",
            "mariadb-server-core",
            "memcached",
            "mosquitto",
            "mosquitto-clients",
            "nats-server",
            "openssh-client",
            "openssh-server",
            "sqlite3",
        ])),
        zstd(Content::Files(&[
            file("srv/www/index.html", "served\n"),
            folder("run/sshd/", 0),
            folder("var/lib/mysql/", 0),
        ])),
    ],
    start: Start::command(&["bash"]),
};

/// Interpreters, compilers and shells.
pub const LANGUAGES: Recipe = Recipe {
    name: "languages",
    base: Some(&DEBIAN),
    layers: &[zstd(Content::Packages(&[
        "erlang-base",
        "fish",
        "g++",
        "gawk",
        "gcc",
        "gfortran",
        "git",
        "guile-3.0",
        "lua5.4",
        "make",
        "nodejs",
        "ocaml-nox",
        "openssl",
        "perl",
        "php8.2-cli",
        "python3",
        "ripgrep",
        "ruby",
        "sbcl",
        "tcc",
        "zsh",
    ]))],
    start: Start::command(&["bash"]),
};

/// A JVM with its compiler.
pub const JAVA: Recipe = Recipe {
    name: "java",
    base: Some(&DEBIAN),
    layers: &[zstd(Content::Packages(&["openjdk-17-jdk-headless"]))],
    start: Start {
        environment: &["PATH=/usr/lib/jvm/java-17-openjdk-amd64/bin:/usr/bin:/bin"],
        ..Start::command(&["java"])
    },
};

/// A browser, for a user who is not root.
pub const BROWSER: Recipe = Recipe {
    name: "browser",
    base: Some(&DEBIAN),
    layers: &[
        zstd(Content::Packages(&["chromium", "fonts-dejavu-core"])),
        zstd(Content::Files(&[File { mode: 0o644, ..file("srv/page.html", PAGE) }])),
    ],
    start: Start { user: "worker", folder: "/home/worker", ..Start::command(&["chromium"]) },
};

const PAGE: &str = "<p id=p></p><script>
document.getElementById('p').textContent = [1, 2, 39].reduce((a, b) => a + b) + ' by script';
</script>
";
