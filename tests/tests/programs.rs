//! Programs out of Debian's packages, each with a little real work, behind the default fence: a
//! fence that people have to take down protects nobody.

use coffer_tests::coffer::Coffer;
use coffer_tests::image::Recipe;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::image::programs::{BROWSER, JAVA, LANGUAGES, SERVERS};
use coffer_tests::program;

/// A program: its name, what is done with it in a shell, and what is printed last.
type Work<'a> = (&'a str, &'a str, &'a str);

/// Waits until a server listens at a port.
const LISTENS: &str = "listens() { for _ in $(seq 600); do (: </dev/tcp/127.0.0.1/$1) 2>/dev/null \
                       && return; sleep 0.1; done; echo nobody listens at $1; exit 1; }\n";

/// Runs each of `works` in a container of its own with defaults; all of them have to do it.
#[track_caller]
fn all_run(recipe: &Recipe, shell: &str, works: &[Work<'_>]) {
    all_run_with(recipe, &[], shell, works);
}

/// The same with what the fence is to let through.
#[track_caller]
fn all_run_with(recipe: &Recipe, flags: &[&str], shell: &str, works: &[Work<'_>]) {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(recipe);
    let mut failed = Vec::new();
    for (name, script, said) in works {
        let script = format!("{}{script}", if shell == "bash" { LISTENS } else { "" });
        let outcome =
            coffer.run(&[&["run", "--rm"], flags, &[&*image, shell, "-ec", &script]].concat());
        let last = outcome.stdout.trim_end().rsplit('\n').next().unwrap_or_default();
        if outcome.status != 0 || last != *said {
            failed.push(format!("{name}: {outcome}"));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), works.len(), failed.join("\n"));
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_servers_and_queues_serve() {
    all_run(
        &SERVERS,
        "bash",
        &[
            ("apache2", APACHE, "served"),
            ("lighttpd", LIGHTTPD, "served"),
            ("caddy", CADDY, "served"),
            ("memcached", MEMCACHED, "value"),
            ("mosquitto", MOSQUITTO, "published"),
            ("beanstalkd", BEANSTALKD, "INSERTED 1"),
            ("nats-server", NATS, "PONG"),
            ("dnsmasq", DNSMASQ, "here.test has address 192.0.2.7"),
            ("mariadb", MARIADB, "500500"),
            ("etcd", ETCD, "kept"),
            (
                "sqlite3",
                "sqlite3 /tmp/db 'create table t(n); insert into t values(42); select n from t'",
                "42",
            ),
        ],
    );
}

/// What docs/programs.md says that they need.
#[test]
fn root_who_changes_the_root_is_given_the_right() {
    let works = [("haproxy", HAPROXY, "served"), ("sshd", SSHD, "over ssh")];
    all_run_with(&SERVERS, &["--cap-add", "SYS_CHROOT"], "bash", &works);
}

const APACHE: &str = "
cat >/tmp/conf <<END
ServerName localhost
Listen 80
PidFile /tmp/pid
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
DocumentRoot /srv/www
END
mkdir -p /var/run/apache2
apache2 -f /tmp/conf -k start
listens 80
curl -s http://127.0.0.1/index.html";

const LIGHTTPD: &str = "
printf 'server.port = 80\\nserver.document-root = \"/srv/www\"\\nserver.username = \"www-data\"\\n' >/tmp/conf
lighttpd -f /tmp/conf
listens 80
curl -s http://127.0.0.1/index.html";

const CADDY: &str = "
caddy file-server --root /srv/www --listen :80 2>/tmp/log &
listens 80
curl -s http://127.0.0.1/index.html";

const HAPROXY: &str = "
printf 'server.port = 8080\\nserver.document-root = \"/srv/www\"\\n' >/tmp/behind
lighttpd -f /tmp/behind
cat >/tmp/conf <<END
global
  user www-data
  chroot /srv
defaults
  mode http
  timeout client 9s
  timeout server 9s
  timeout connect 9s
frontend f
  bind :80
  default_backend b
backend b
  server s 127.0.0.1:8080
END
haproxy -D -f /tmp/conf
listens 80
curl -s http://127.0.0.1/index.html";

const MEMCACHED: &str = "
memcached -d -u www-data
listens 11211
exec 3<>/dev/tcp/127.0.0.1/11211
printf 'set key 0 0 5\\r\\nvalue\\r\\nget key\\r\\nquit\\r\\n' >&3
tr -d '\\r' <&3 | sed -n 3p";

const MOSQUITTO: &str = "
printf 'listener 1883\\nallow_anonymous true\\nuser www-data\\n' >/tmp/conf
mosquitto -d -c /tmp/conf
listens 1883
mosquitto_pub -t topic -m published -r -q 1
mosquitto_sub -t topic -C 1 -W 90";

const BEANSTALKD: &str = "
beanstalkd -b /tmp -l 127.0.0.1 &
listens 11300
exec 3<>/dev/tcp/127.0.0.1/11300
printf 'put 0 0 60 4\\r\\nwork\\r\\nquit\\r\\n' >&3
tr -d '\\r' <&3";

const NATS: &str = "
nats-server --addr 127.0.0.1 --jetstream --store_dir /tmp/js 2>/tmp/log &
listens 4222
exec 3<>/dev/tcp/127.0.0.1/4222
read -r info <&3
printf 'CONNECT {\"verbose\":false}\\r\\nPING\\r\\n' >&3
read -r answer <&3
echo ${answer%?}";

const DNSMASQ: &str = "
dnsmasq --port 53 --no-resolv --address=/here.test/192.0.2.7 --user=nobody --pid-file=/tmp/pid
listens 53
host -t A here.test 127.0.0.1 | tail -1";

const SSHD: &str = "
ssh-keygen -q -t ed25519 -N '' -f /tmp/host
ssh-keygen -q -t ed25519 -N '' -f /tmp/key
mkdir -p -m 700 /root/.ssh
cp /tmp/key.pub /root/.ssh/authorized_keys
grep -q sshd /etc/passwd || echo sshd:x:101:65534::/run/sshd:/usr/sbin/nologin >>/etc/passwd
/usr/sbin/sshd -f /dev/null -o HostKey=/tmp/host -o UsePAM=no -o StrictModes=no
listens 22
ssh -i /tmp/key -o StrictHostKeyChecking=no root@127.0.0.1 echo over ssh 2>/tmp/log";

const MARIADB: &str = "
mysql_install_db --no-defaults --user=root --datadir=/var/lib/mysql --auth-root-authentication-method=normal >/tmp/log
mysqld --no-defaults --user=root --datadir=/var/lib/mysql --socket=/tmp/sock 2>>/tmp/log &
listens 3306
until test -S /tmp/sock; do kill -0 $!; sleep 0.1; done
mysql --no-defaults -u root -S /tmp/sock -D mysql -Ne 'select sum(seq) from seq_1_to_1000'";

const ETCD: &str = "
etcd --data-dir /tmp/etcd 2>/tmp/log &
listens 2379
export ETCDCTL_API=3 ETCDCTL_DIAL_TIMEOUT=60s ETCDCTL_COMMAND_TIMEOUT=60s
etcdctl put key kept
etcdctl get --print-value-only key";

#[test]
fn root_languages_compilers_and_shells_compute() {
    all_run(
        &LANGUAGES,
        "bash",
        &[
            (
                "python3",
                "python3 -c 'import multiprocessing as m; print(sum(m.Pool(2).map(abs, [-40, 2])))'",
                "42",
            ),
            (
                "perl",
                "perl -e 'if (my $pid = fork) { waitpid $pid, 0; print $? >> 8 } else { exit 42 }'",
                "42",
            ),
            ("ruby", "ruby -e 'puts [40, 2].map { |n| Thread.new { n }.value }.sum'", "42"),
            ("php", "php8.2 -r 'echo array_sum([40, 2]);'", "42"),
            ("node", NODE, "42"),
            ("lua", "lua5.4 -e 'print(40 + 2)'", "42"),
            (
                "guile",
                "/usr/lib/x86_64-linux-gnu/guile/3.0/bin/guile -c '(display (apply + (list 40 2)))'",
                "42",
            ),
            ("erlang", ERLANG, "42"),
            (
                "sbcl",
                "sbcl --noinform --non-interactive --eval '(print (+ 40 2))' | tr -d ' '",
                "42",
            ),
            (
                "ocaml",
                "echo 'let () = print_int (40 + 2)' >/tmp/a.ml; cd /tmp; ocamlc -o a a.ml; ./a",
                "42",
            ),
            ("gcc", GCC, "42"),
            ("g++", GXX, "42"),
            ("gfortran", GFORTRAN, "42"),
            (
                "tcc",
                "echo 'int main() { printf(\"%d\", 42); }' >/tmp/a.c; tcc -w -run /tmp/a.c",
                "42",
            ),
            (
                "make",
                "printf 'all: a b\\n\\techo 42\\na b:\\n\\tsleep 0\\n' >/tmp/m; make -s -j4 -f /tmp/m",
                "42",
            ),
            ("bash", "coproc { echo 42; }; read -r n <&${COPROC[0]}; echo $n", "42"),
            ("dash", "dash -c 'sleep 9 & kill $!; wait $! || echo 42'", "42"),
            ("zsh", "zsh -c 'zmodload zsh/net/tcp; print $((6 * 7))'", "42"),
            ("fish", "HOME=/tmp fish -c 'echo (math 6 x 7)'", "42"),
            ("gawk", "seq 1 8 | gawk '{ n += $1 } END { print n + 6 }'", "42"),
            ("git", GIT, "kept"),
            (
                "ripgrep",
                "rg --count-matches -j4 sysfs /usr/share/doc >/tmp/found || true; echo 42 | rg '^4'",
                "42",
            ),
            (
                "openssl",
                "openssl genrsa -out /tmp/k 2048 2>/dev/null; echo 42 | openssl dgst -sign /tmp/k -out /tmp/s; echo 42 | openssl dgst -verify <(openssl rsa -in /tmp/k -pubout 2>/dev/null) -signature /tmp/s",
                "Verified OK",
            ),
        ],
    );
}

const NODE: &str = "node -e '
const { Worker } = require(\"worker_threads\");
const file = require(\"fs\").promises;
(async () => {
  await file.writeFile(\"/tmp/f\", \"40\");
  const n = Number(await file.readFile(\"/tmp/f\"));
  new Worker(\"require(\\\"worker_threads\\\").parentPort.postMessage(2)\", { eval: true })
    .on(\"message\", (m) => console.log(n + m));
})();'";

const ERLANG: &str = "HOME=/tmp erl -noshell -eval '
Me = self(), spawn(fun() -> Me ! 42 end), receive N -> io:format(\"~p~n\", [N]) end, halt().'";

const GCC: &str = "
echo '#include <pthread.h>
#include <stdio.h>
static void *f(void *p) { *(int *)p = 42; return 0; }
int main() { pthread_t t; int n; pthread_create(&t, 0, f, &n); pthread_join(t, 0); printf(\"%d\", n); }
' >/tmp/a.c
gcc -O2 -pthread -o /tmp/a /tmp/a.c && /tmp/a";

const GXX: &str = "
echo '#include <future>
#include <iostream>
int main() { std::cout << std::async(std::launch::async, [] { return 42; }).get(); }
' >/tmp/a.cc
g++ -O1 -o /tmp/a /tmp/a.cc && /tmp/a";

const GFORTRAN: &str = "
printf 'program a\\n print \"(i0)\", sum([40, 2])\\nend program\\n' >/tmp/a.f90
gfortran -o /tmp/a /tmp/a.f90 && /tmp/a";

const GIT: &str = "
cd /tmp
git init -q a
cd a
git -c user.name=n -c user.email=e commit -q --allow-empty -m kept
git gc -q
git clone -q /tmp/a /tmp/b
git -C /tmp/b log --format=%s";

#[test]
fn root_a_jvm_compiles_and_runs() {
    all_run(&JAVA, "bash", &[("java", JAVA_WORK, "42"), ("jshell", JSHELL, "42")]);
}

const JAVA_WORK: &str = "
echo 'import java.util.stream.*; public class A { public static void main(String[] a) throws Exception {
  var t = new Thread(() -> System.out.println(IntStream.rangeClosed(0, 8).parallel().sum() + 6));
  t.start(); t.join(); } }' >/tmp/A.java
java /tmp/A.java";

const JSHELL: &str = "
mkdir -p /tmp/p
printf 'System.out.println(6 * 7)\\n/exit\\n' | HOME=/tmp/p jshell -s -J-Duser.home=/tmp/p -";

#[test]
fn root_a_headless_browser_renders() {
    // Its own sandbox wants user namespaces, which the fence takes from everybody inside.
    let work = "chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
                --dump-dom file:///srv/page.html 2>/dev/null | grep -o '[0-9][0-9]* by script'";
    all_run(&BROWSER, "bash", &[("chromium", work, "42 by script")]);
}

#[test]
fn root_busybox_does_a_little_of_everything() {
    let httpd = "mkdir /srv; echo 42 >/srv/n; httpd -p 80 -h /srv; wget -qO- http://127.0.0.1/n";
    all_run(&BUSYBOX, "sh", &[("busybox", httpd, "42")]);
}
