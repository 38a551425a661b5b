//! The images of the tests: what people run, in small.

use super::{Compression, Content, File, Layer, Marked, Recipe, Start};

/// The packages of a Debian base without its package manager's history.
const BASE: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "dpkg",
    "findutils",
    "grep",
    "hostname",
    "login",
    "procps",
    "sed",
    "util-linux",
];

/// What people run, quick ones first.
pub const ALL: &[Recipe] = &[BUSYBOX, LAYERED, DEBIAN, NGINX, REDIS, POSTGRES, PYTHON];

/// One static program under 300 names.
pub const BUSYBOX: Recipe = Recipe {
    name: "busybox",
    base: None,
    layers: &[gzip(Content::Busybox)],
    start: Start::command(&["sh"]),
};

/// What holds a pod's namespaces.
pub const PAUSE: Recipe = Recipe {
    name: "pause",
    base: Some(&BUSYBOX),
    layers: &[gzip(Content::Files(&[file("srv/pause", "")]))],
    start: Start::command(&["sleep", "1000000"]),
};

/// busybox and two small layers on it, one of which deletes.
pub const LAYERED: Recipe = Recipe {
    name: "layered",
    base: Some(&BUSYBOX),
    layers: &[
        gzip(Content::Files(&[file("srv/kept", "kept\n"), file("srv/deleted", "deleted\n")])),
        zstd(Content::Removed(&["srv/deleted"])),
    ],
    start: Start::command(&["cat", "/srv/kept"]),
};

/// busybox, a layer with extended attributes and file capabilities, and one on it that changes a
/// folder of theirs.
pub const MARKED: Recipe = Recipe {
    name: "marked",
    base: Some(&BUSYBOX),
    layers: &[
        gzip(Content::Marked(&[
            Marked {
                file: File { mode: 0o755, ..file("srv/may-bind", "#!/bin/sh\n") },
                attributes: &[("security.capability", NET_BIND_SERVICE)],
            },
            Marked {
                file: File { owner: 1000, ..file("srv/noted", "noted\n") },
                attributes: &[
                    ("user.binary", &[0, 10, 255, 61]),
                    ("user.empty", b""),
                    ("user.note", b"kept"),
                ],
            },
            Marked { file: folder("srv/folder/", 1000), attributes: &[("user.of", b"a folder")] },
        ])),
        zstd(Content::Marked(&[Marked {
            file: file("srv/folder/above", "in a folder that the layer below has marked\n"),
            attributes: &[("user.layer", b"upper")],
        }])),
    ],
    start: Start::command(&["cat", "/srv/noted"]),
};

/// `cap_net_bind_service=ep`: revision 2 with the effective bit, the permitted and inheritable sets
/// low and high (linux/capability.h, `vfs_cap_data`).
const NET_BIND_SERVICE: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A base image as Debian's own: shell, coreutils, dpkg.
pub const DEBIAN: Recipe = Recipe {
    name: "debian",
    base: None,
    layers: &[gzip(Content::Packages(BASE))],
    start: Start::command(&["bash"]),
};

/// systemd as the first process, and a service of its own.
pub const SYSTEMD: Recipe = Recipe {
    name: "systemd",
    base: Some(&DEBIAN),
    layers: &[
        gzip(Content::Packages(&["systemd", "systemd-sysv"])),
        gzip(Content::Files(&[
            file("etc/systemd/system/word.service", WORD_SERVICE),
            file(
                "etc/systemd/system/multi-user.target.d/word.conf",
                "[Unit]\nWants=word.service\n",
            ),
        ])),
    ],
    start: Start::command(&["/sbin/init"]),
};

/// It says its word, and stays; as it stops it takes it back.
const WORD_SERVICE: &str = "\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo served >/srv/word'
ExecStop=/bin/sh -c 'echo stopped >/srv/word'
";

/// Three layers, about 200 packages and 30,000 files; the last layer deletes some of them.
pub const PYTHON: Recipe = Recipe {
    name: "python",
    base: Some(&DEBIAN),
    layers: &[
        gzip(Content::Packages(PYTHON_PACKAGES)),
        gzip(Content::Removed(&[
            "usr/share/doc/python3-django",
            "usr/share/doc/python3-twisted",
            "usr/share/man",
            "usr/lib/python3/dist-packages/sympy/polys/benchmarks",
            "usr/bin/pydoc3",
        ])),
    ],
    start: Start::command(&["python3"]),
};

const PYTHON_PACKAGES: &[&str] = &[
    "mercurial",
    "python3",
    "python3-aiohttp",
    "python3-boto3",
    "python3-breezy",
    "python3-celery",
    "python3-cryptography",
    "python3-django",
    "python3-docutils",
    "python3-flask",
    "python3-lxml",
    "python3-networkx",
    "python3-nltk",
    "python3-numpy",
    "python3-pil",
    "python3-pip",
    "python3-pygments",
    "python3-pytest",
    "python3-requests",
    "python3-sphinx",
    "python3-sqlalchemy",
    "python3-sympy",
    "python3-twisted",
];

/// A web server on port 80 that runs as uid 33 from the start.
pub const NGINX: Recipe = Recipe {
    name: "nginx",
    base: Some(&DEBIAN),
    layers: &[
        gzip(Content::Packages(&["nginx-light", "curl"])),
        gzip(Content::Files(&[
            file("etc/nginx/nginx.conf", NGINX_CONF),
            file("srv/www/index.html", "<h1>inside the cofferdam</h1>\n"),
            folder("var/lib/nginx/", 33),
            folder("var/log/nginx/", 33),
            folder("run/", 33),
        ])),
    ],
    start: Start { user: "www-data", ..Start::command(&["nginx", "-g", "daemon off;"]) },
};

const NGINX_CONF: &str = "\
pid /run/nginx.pid;
error_log stderr;
worker_processes 2;
events {}
http {
    access_log off;
    server { listen 80; root /srv/www; }
}
";

/// A key-value store that appends to a file on its volume; zstd layers.
pub const REDIS: Recipe = Recipe {
    name: "redis",
    base: Some(&DEBIAN),
    layers: &[
        zstd(Content::Packages(&["redis-server", "redis-tools"])),
        zstd(Content::Files(&[folder("data/", 1001)])),
    ],
    start: Start {
        user: "1001:1001",
        folder: "/data",
        ..Start::command(&["redis-server", "--appendonly", "yes", "--dir", "/data"])
    },
};

/// A database that is made on its volume by the first start.
pub const POSTGRES: Recipe = Recipe {
    name: "postgres",
    base: Some(&DEBIAN),
    layers: &[
        gzip(Content::Packages(&["postgresql-15"])),
        gzip(Content::Files(&[
            File { mode: 0o755, ..file("usr/local/bin/start", POSTGRES_START) },
            File { mode: 0o700, ..folder("data/", 999) },
            folder("var/run/postgresql/", 999),
        ])),
    ],
    start: Start {
        entrypoint: &["/usr/local/bin/start"],
        user: "postgres",
        environment: &[
            "PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin",
            "PGDATA=/data/db",
        ],
        stop_signal: "SIGINT",
        ..Start::command(&[])
    },
};

const POSTGRES_START: &str = "\
#!/bin/sh
set -e
[ -e \"$PGDATA/PG_VERSION\" ] || initdb --auth=trust --no-sync --locale=C >/dev/null
exec postgres -c listen_addresses=
";

pub(super) const fn gzip(content: Content) -> Layer {
    Layer { content, compression: Compression::Gzip }
}

pub(super) const fn zstd(content: Content) -> Layer {
    Layer { content, compression: Compression::Zstd }
}

pub(super) const fn file(path: &'static str, text: &'static str) -> File {
    File { path, text, mode: 0o644, owner: 0 }
}

pub(super) const fn folder(path: &'static str, owner: u32) -> File {
    File { path, text: "", mode: 0o755, owner }
}
