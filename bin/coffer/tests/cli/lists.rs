//! What lists of containers and images show, in docker's words.

use serde_json::Value;

use crate::common::{coffer_at, good};
use crate::images::layout;

/// Whether there is anything to list or not.
#[test]
fn a_field_that_there_is_not_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    for verb in [&["ps"][..], &["images"], &["stats"], &["system", "df"], &["history", "x"]] {
        for form in ["{{.Nope}}", "table {{.Nope}}", "{{if false}}{{.Nope}}{{end}}"] {
            let ran = coffer_at(&root, &[verb, &["--format", form]].concat());
            assert_eq!((ran.code, &*ran.stdout), (125, ""), "{verb:?} {form}");
            assert!(ran.stderr.contains("there is no .Nope; there are: "), "{}", ran.stderr);
        }
        if verb.len() == 1 {
            assert_eq!(good(coffer_at(&root, &[verb, &["--format", "{{.ID}}"]].concat())), "");
        }
    }
}

#[test]
fn root_lists_are_filtered_and_printed_as_docker_does() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    layout(&folder.path().join("from"));
    let root = folder.path().join("root");
    let ps = |args: &[&str]| good(coffer_at(&root, &[&["ps", "--format", "json"], args].concat()));
    let names = |args: &[&str]| {
        let lines: Vec<Value> =
            ps(args).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter().map(|line| line["Names"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let image = format!("oci:{}:v1", folder.path().join("from").display());
    good(coffer_at(&root, &["tag", &image, "shop/web"]));
    for (name, labels) in [("one", ["a=1", "b=2"]), ("two", ["a=1", "c=3"])] {
        let [first, second] = labels;
        let line = ["create", "--name", name, "-l", first, "-l", second, "shop/web"];
        good(coffer_at(&root, &line));
    }

    assert_eq!(names(&[]), [""; 0]);
    assert_eq!(names(&["-a"]), ["two", "one"]);
    assert_eq!(names(&["-n", "1"]), ["two"]);
    assert_eq!(names(&["-n", "-1"]), [""; 0]);
    // Of one kind one is enough; of labels all are wanted.
    assert_eq!(names(&["-a", "-f", "name=one", "-f", "name=two"]), ["two", "one"]);
    assert_eq!(names(&["-f", "status=created", "-f", "status=exited"]), ["two", "one"]);
    assert_eq!(names(&["-f", "status=exited"]), [""; 0]);
    assert_eq!(names(&["-a", "-f", "label=a=1", "-f", "label=c"]), ["two"]);
    assert_eq!(names(&["-a", "-f", "name=one", "-f", "label=c"]), [""; 0]);
    for image in ["shop/web", "shop/web:latest", "docker.io/shop/web"] {
        assert_eq!(names(&["-a", "-f", &format!("ancestor={image}")]), ["two", "one"], "{image}");
    }
    assert_eq!(names(&["-a", "-f", "ancestor=shop/web:2"]), [""; 0]);

    assert_eq!(names(&["-a", "-f", "name=^one$"]), ["one"]);
    assert_eq!(names(&["-a", "-f", "name=^/t"]), ["two"]);
    let bad = coffer_at(&root, &["ps", "-a", "-f", "name=one|two"]);
    assert!(bad.code == 125 && bad.stderr.contains("with ^ where it begins"), "{}", bad.stderr);
    assert_eq!(names(&["-a", "-f", "before=two"]), ["one"]);
    assert_eq!(names(&["-a", "-f", "since=one"]), ["two"]);
    let gone = coffer_at(&root, &["ps", "-f", "since=nobody"]);
    assert_eq!((gone.code, &*gone.stderr), (125, "error: no such container: nobody\n"));

    let line: Value = serde_json::from_str(&ps(&["-a", "-f", "name=one"])).unwrap();
    let of = |field: &str| line[field].as_str().unwrap().to_owned();
    assert_eq!((of("Image"), of("State")), ("shop/web:latest".to_owned(), "created".to_owned()));
    assert_eq!(of("Command"), "\"/bin/true\"");
    assert_eq!(of("Labels"), "a=1,b=2,who=\u{1b}[31mred");
    assert_eq!((of("ID").len(), of("Status")), (12, "Created".to_owned()));

    let filled = |verb: &[&str]| good(coffer_at(&root, verb));
    let template = "{{.Names}}: {{.Label \"a\"}} {{.Label \"none\"}}{{.Label \"who\"}}";
    let line = ["container", "ls", "-a", "-f", "name=one", "--format", template];
    assert_eq!(filled(&line), "one: 1 \\x1b[31mred\n");
    let line = ["ps", "-a", "--format", "table {{.Names}}\\t{{.State}}"];
    assert_eq!(filled(&line), "NAMES   STATE\ntwo     created\none     created\n");
    for name in ["shop/web", "shop/*", "*/web:l?test", "docker.io/shop/web"] {
        let line = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", name];
        assert_eq!(filled(&line), "shop/web:latest\n", "{name}");
    }
    assert_eq!(filled(&["images", "-q", "-f", "reference=*web"]), "");
    let template = "{{.Name}} {{.State.Status}} {{len .Mounts}} {{index .Config.Labels \"b\"}}";
    let line = ["container", "inspect", "-f", template, "one", "two"];
    assert_eq!(filled(&line), "one created 0 2\ntwo created 0 \n");
    // What there is is printed, whatever is not there.
    let ran = coffer_at(&root, &["inspect", "-f", "{{.Name}}", "nobody", "one", "nothing"]);
    assert_eq!((ran.code, &*ran.stdout), (125, "one\n"));
    assert!(ran.stderr.contains("\"nobody\"") && ran.stderr.contains("\"nothing\""));
    let line = ["image", "inspect", "--format", "{{json .Config.Cmd}} {{.Os}}", "shop/web"];
    assert_eq!(filled(&line), "[\"/bin/true\"] linux\n");
    let ran = coffer_at(&root, &["ps", "-a", "--format", "{{.Name}}"]);
    let there = "there is no .Name; there are: Command, CreatedAt, ID, Image, Label";
    assert!(ran.code == 125 && ran.stderr.contains(there), "{}", ran.stderr);

    let line = good(coffer_at(&root, &["images", "--format", "json", "shop/web"]));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["Repository"], &line["Tag"]), (&"shop/web".into(), &"latest".into()));
    assert_eq!(line["CreatedAt"], "2026-01-02 03:04:05 +0000 UTC");
}
