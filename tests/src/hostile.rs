//! A registry that lies: one image, served with one fault.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::image::Recipe;

/// What the registry does to the largest blob of the image, or to its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Sends half and no more, with the connection open, the first time; then all.
    StallsOnce,
    /// Says how long it is, sends half and closes, each time.
    Truncates,
    /// Sends as many bytes as it should, one of them wrong.
    WrongByte,
    /// Sends more than the manifest says, and says so.
    TooLong,
    /// The manifest is not what its digest says.
    WrongManifest,
    /// Answers 500 to everything.
    Broken,
    /// Sends the client away for a second, once (RFC 9110, Retry-After).
    Busy,
}

/// A server that answers until the test ends.
#[derive(Debug)]
pub struct Hostile {
    port: u16,
    digest: String,
}

struct Served {
    fault: Fault,
    layout: PathBuf,
    manifest: String,
    largest: String,
    asked: AtomicUsize,
}

impl Hostile {
    /// Serves `recipe`'s image with `fault`.
    ///
    /// # Panics
    /// The layout of the image cannot be read.
    #[must_use]
    pub fn start(recipe: &Recipe, fault: Fault) -> Self {
        let layout = recipe.layout();
        let index = json(&layout.join("index.json"));
        let manifest = digest(&index["manifests"][0]);
        let document = json(&blob(&layout, &manifest));
        let layers = document["layers"].as_array().unwrap();
        let largest = layers.iter().max_by_key(|layer| layer["size"].as_u64()).unwrap();
        let largest = digest(largest);
        let served = Arc::new(Served {
            fault,
            layout,
            manifest: manifest.clone(),
            largest,
            asked: 0.into(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let served = Arc::clone(&served);
                // A client that hangs up is no fault of the test's.
                std::thread::spawn(move || served.answer(client).unwrap_or_default());
            }
        });
        Self { port, digest: manifest }
    }

    /// The image, by name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("127.0.0.1:{}/lies:latest", self.port)
    }

    /// The image, by digest.
    #[must_use]
    pub fn pinned(&self) -> String {
        format!("127.0.0.1:{}/lies@{}", self.port, self.digest)
    }
}

impl Served {
    /// Answers one request and closes.
    fn answer(&self, client: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(client.try_clone()?).lines();
        let Some(request) = lines.next().transpose()? else { return Ok(()) };
        let headers: Vec<String> =
            lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let times = self.asked.fetch_add(1, Ordering::Relaxed);
        let mut reply = Reply { client, body: method != "HEAD", from: range(&headers) };
        if self.fault == Fault::Broken {
            return reply.send("500 Internal Server Error", "", b"{}");
        }
        if self.fault == Fault::Busy && times == 0 {
            return reply.send("429 Too Many Requests", "Retry-After: 1\r\n", b"{}");
        }
        if path == "/v2/" {
            return reply.send("200 OK", "", b"{}");
        }
        let is_manifest = path.contains("/manifests/");
        let digest =
            if is_manifest { &self.manifest } else { path.rsplit('/').next().unwrap_or("") };
        let Ok(mut bytes) = fs::read(blob(&self.layout, digest)) else {
            return reply.send("404 Not Found", "", b"{}");
        };
        if is_manifest {
            if self.fault == Fault::WrongManifest {
                bytes.push(b'\n');
            }
            let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
            return reply.send(
                "200 OK",
                &format!("{kind}Docker-Content-Digest: {digest}\r\n"),
                &bytes,
            );
        }
        if digest == self.largest { self.spoil(reply, bytes) } else { reply.whole(&bytes) }
    }

    /// Sends the largest blob as the fault has it.
    fn spoil(&self, mut reply: Reply, mut bytes: Vec<u8>) -> std::io::Result<()> {
        let half = bytes.len() / 2;
        match self.fault {
            Fault::StallsOnce if reply.from == 0 => {
                reply.head("200 OK", "", bytes.len())?;
                reply.client.write_all(&bytes[..half])?;
                // Until the client gives up and closes.
                std::io::copy(&mut reply.client, &mut std::io::sink()).map(drop)
            }
            Fault::Truncates => {
                let end = reply.from.max(half);
                reply.head("200 OK", "", bytes.len())?;
                reply.client.write_all(&bytes[..end.min(half)])
            }
            Fault::WrongByte => {
                bytes[half] ^= 1;
                reply.whole(&bytes)
            }
            Fault::TooLong => {
                bytes.extend_from_slice(&[0; 4096]);
                reply.whole(&bytes)
            }
            _ => reply.whole(&bytes),
        }
    }
}

/// The answer to one request.
struct Reply {
    client: TcpStream,
    body: bool,
    from: usize,
}

impl Reply {
    /// A blob, or the range of it that was asked for (RFC 9110, 14.2).
    fn whole(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.from == 0 || self.from >= bytes.len() {
            return self.send("200 OK", "", bytes);
        }
        let range = format!("{}-{}/{}", self.from, bytes.len() - 1, bytes.len());
        let from = self.from;
        self.send(
            "206 Partial Content",
            &format!("Content-Range: bytes {range}\r\n"),
            &bytes[from..],
        )
    }

    fn send(&mut self, status: &str, headers: &str, bytes: &[u8]) -> std::io::Result<()> {
        self.head(status, headers, bytes.len())?;
        if self.body { self.client.write_all(bytes) } else { Ok(()) }
    }

    fn head(&mut self, status: &str, headers: &str, length: usize) -> std::io::Result<()> {
        write!(
            self.client,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
        )
    }
}

/// Where `Range: bytes=N-` begins.
fn range(headers: &[String]) -> usize {
    let line = headers.iter().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("range").then_some(value)
    });
    let from = line.and_then(|value| value.strip_prefix("bytes=")?.strip_suffix('-'));
    from.and_then(|from| from.parse().ok()).unwrap_or(0)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn digest(descriptor: &Value) -> String {
    descriptor["digest"].as_str().unwrap().to_owned()
}

fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}
