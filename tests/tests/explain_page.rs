//! `coffer explain --html` in a browser: chromium, in a container without a network.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use coffer_tests::coffer::Coffer;
use coffer_tests::image::programs::BROWSER;
use coffer_tests::program::{self, Outcome};
use serde_json::Value;

/// Opens the page that stands at `/pages/page.html`: its elements to standard output, what its
/// console says to standard error, and what its network was asked for into a log.
const OPEN: &str = "chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --no-first-run --disable-background-networking --disable-component-update --disable-sync \
    --disable-quic --user-data-dir=/tmp/profile --enable-logging=stderr \
    --log-net-log=/tmp/net.json --dump-dom file:///pages/page.html && \
    grep -o '\"url\":\"http[^\"]*\"' /tmp/net.json | grep -v google >&2 || true";

/// What a browser makes of `page`.
fn opened(coffer: &Coffer, image: &str, page: &str) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::write(folder.path().join("page.html"), page).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let volume = format!("{}:/pages:ro", folder.path().display());
    let ran = coffer.run(&["run", "--rm", "-v", &volume, image, "bash", "-c", OPEN]);
    assert_eq!(ran.status, 0, "{ran}");
    ran
}

/// Words of the page's console, and addresses that were asked for. Pages of the browser's own,
/// which it opens beside, say that the network is slow.
fn complaints(ran: &Outcome) -> Vec<&str> {
    let bad = |line: &&str| {
        (line.contains(":CONSOLE") && !line.contains("source: chrome://"))
            || line.contains("\"url\":")
    };
    ran.stderr.lines().filter(bad).collect()
}

#[test]
fn root_a_browser_draws_the_page_and_asks_for_nothing() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BROWSER);
    let open = ["--privileged", "--yes-really", "--userns=host", "-v", "/srv:/srv"];
    coffer.must(&[&["create", "--name", "open"], &open[..], &[&image]].concat());
    for name in [&*image, "open"] {
        let page = coffer.run(&["explain", "--html", name]).stdout;
        let report = coffer.run(&["explain", "--json", name]).stdout;
        let report: Value = serde_json::from_str(&report).unwrap();
        let count = |what: &str| report["graph"][what].as_array().unwrap().len();
        let ran = opened(&coffer, &image, &page);
        assert_eq!(ran.stdout.matches("<g class=\"node ").count(), count("nodes"), "{ran}");
        assert_eq!(ran.stdout.matches("<path class=\"edge ").count(), count("edges"), "{ran}");
        assert_eq!(complaints(&ran), [""; 0]);
    }
    coffer.must(&["rm", "open"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// What the test above would see: with its own policy a page says it, without one it asks.
#[test]
fn root_a_page_that_asks_for_something_is_noticed() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BROWSER);
    let page = coffer.must(&["explain", "--html", &image]);
    let asks = page.replace("</html>", "<img src=http://127.0.0.1:9/seen></html>");
    let held = opened(&coffer, &image, &asks);
    let said = complaints(&held);
    assert!(said.len() == 1 && said[0].contains("Content Security Policy"), "{held}");
    let policy = "http-equiv=\"Content-Security-Policy\"";
    let free = opened(&coffer, &image, &asks.replace(policy, "name=\"nothing\""));
    assert!(free.stderr.contains("\"url\":\"http://127.0.0.1:9/seen\""), "{free}");
}
