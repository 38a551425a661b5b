//! Images that people run, from a registry to what they print.

use std::os::unix::fs::chown;
use std::process::Stdio;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::{BUSYBOX, DEBIAN, NGINX, POSTGRES, PYTHON, REDIS};
use coffer_tests::program;
use coffer_tests::registry::{Guard, PASSWORD, Registry, USER};
use coffer_tests::terminal::Terminal;

#[test]
fn root_busybox_comes_from_each_kind_of_registry() {
    if !program::root() {
        return;
    }
    for guard in [Guard::Plain, Guard::Tls, Guard::Password, Guard::Token] {
        let (registry, coffer) = (Registry::start(guard), Coffer::default());
        let name = registry.push(&BUSYBOX);
        let mut run = vec!["run", "--rm"];
        if guard == Guard::Plain {
            let refused = coffer.run(&["pull", &name]);
            assert_eq!(refused.status, 125, "plain HTTP was not asked for: {refused}");
            run.push("--plain-http");
        } else {
            coffer.trust(&registry);
        }
        if matches!(guard, Guard::Password | Guard::Token) {
            let host = registry.host();
            let mut login = coffer.command(&["login", "-u", USER, "--password-stdin", &host]);
            let mut login = login.stdin(Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut login.stdin.take().unwrap(), PASSWORD.as_bytes())
                .unwrap();
            assert!(login.wait().unwrap().success());
        }
        run.extend([&*name, "echo", "hello"]);
        assert_eq!(coffer.must(&run), "hello\n", "{guard:?}");
        assert_eq!(coffer.leftovers(), [""; 0]);
    }
}

#[test]
fn root_python_imports_what_its_image_holds() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&PYTHON);
    let program =
        "import django, lxml.etree, sympy, PIL.Image; print(django.VERSION[0], sympy.sqrt(16))";
    assert_eq!(coffer.must(&["run", "--rm", &name, "python3", "-c", program]), "3 4\n");
    let gone = coffer.run(&["run", "--rm", &name, "ls", "/usr/share/man"]);
    assert_eq!(gone.status, 2, "the last layer deleted it: {gone}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_nginx_serves_port_80_without_root() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&NGINX);
    coffer.must(&["run", "--detach", "--name", "web", &name]);
    let get =
        ["exec", "web", "curl", "-sS", "--retry", "9", "--retry-connrefused", "http://127.0.0.1/"];
    assert_eq!(coffer.must(&get), "<h1>inside the cofferdam</h1>\n");
    assert_eq!(coffer.must(&["exec", "web", "id", "-u"]), "33\n");
    coffer.must(&["stop", "web"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_redis_keeps_its_data_on_a_volume() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&REDIS);
    let data = tempfile::tempdir().unwrap();
    chown(data.path(), Some(1001), Some(1001)).unwrap();
    let volume = format!("{}:/data", data.path().display());
    coffer.must(&["run", "-d", "--name", "first", "-v", &volume, &name]);
    coffer.logs_until("first", "Ready to accept connections");
    let said = coffer.must(&["exec", "first", "redis-cli", "set", "key", "value"]);
    assert_eq!(said, "OK\n");
    coffer.must(&["stop", "first"]);
    assert!(
        data.path().join("appendonlydir").symlink_metadata().is_ok(),
        "the host sees the files"
    );
    coffer.must(&["start", "first"]);
    coffer.logs_until("first", "DB loaded from");
    assert_eq!(coffer.must(&["exec", "first", "redis-cli", "get", "key"]), "value\n");
    coffer.must(&["rm", "-f", "first"]);
    coffer.must(&["run", "-d", "--name", "second", "-v", &volume, &name]);
    coffer.logs_until("second", "Ready to accept connections");
    assert_eq!(coffer.must(&["exec", "second", "redis-cli", "get", "key"]), "value\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_postgres_keeps_its_data_on_a_volume() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&POSTGRES);
    let data = tempfile::tempdir().unwrap();
    chown(data.path(), Some(999), Some(999)).unwrap();
    let volume = format!("{}:/data", data.path().display());
    let sql = |statement: &str| {
        coffer.must(&["exec", "db", "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement])
    };
    coffer.must(&["run", "-d", "--name", "db", "--stop-timeout", "60", "-v", &volume, &name]);
    coffer.logs_until("db", "ready to accept connections");
    sql("create table kept as select generate_series(1, 1000) as n");
    coffer.must(&["stop", "db"]);
    coffer.must(&["rm", "db"]);
    coffer.must(&["run", "-d", "--name", "db", "-v", &volume, &name]);
    coffer.logs_until("db", "ready to accept connections");
    assert_eq!(sql("select sum(n) from kept"), "500500\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_shell_session_is_typed_into_a_terminal() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&DEBIAN);
    let run = ["run", "--rm", "-it", "--env", "PS1=ready> ", &name, "bash", "--norc"];
    let mut terminal = Terminal::start(&coffer.command(&run));
    terminal.expects("ready> ");
    terminal.types("test -t 0 && test -t 1 && echo is-a-$((1+1))-way-terminal\r");
    terminal.expects("is-a-2-way-terminal");
    terminal.expects("ready> ");
    terminal.types("sh -c 'echo is-$((40+2))-asleep; exec sleep 1000'\r");
    terminal.expects("is-42-asleep");
    terminal.types("\x03");
    terminal.expects("ready> ");
    terminal.types("exit 7\r");
    let (status, screen) = terminal.ends();
    assert_eq!(status, Some(7), "{screen}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
