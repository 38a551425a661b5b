//! The driver against a bus that a test plays: answers, forged signals, hostile bytes, silence.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::connection::GREETING;
use super::message::{START, length};
use super::value::{Reader, Writer, signature};
use super::*;

const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;
const JOB: &str = "/org/freedesktop/systemd1/job/7";
const MANAGER: &str = ":1.0";

/// A bus with one client.
struct Fake {
    unit: Unit,
    served: JoinHandle<Vec<(String, Vec<Value>)>>,
    _folder: TempDir,
}

/// What the bus sends after each call: given the method and the call's number.
type Answers = fn(&str, u32) -> Vec<u8>;

impl Fake {
    /// One that lets its client in and answers so.
    fn answering(answers: Answers) -> Self {
        Self::serving(move |mut client| {
            assert_eq!(take(&mut client, GREETING.len()), GREETING);
            client.write_all(b"DATA\r\nOK 0123\r\n").unwrap();
            let mut calls = Vec::new();
            while let Some((member, serial, arguments)) = call(&mut client) {
                let answer = answers(&member, serial);
                calls.push((member, arguments));
                // The client may have had enough.
                if client.write_all(&answer).is_err() {
                    break;
                }
            }
            calls
        })
    }

    fn serving(
        serve: impl FnOnce(UnixStream) -> Vec<(String, Vec<Value>)> + Send + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bus");
        let listener = UnixListener::bind(&path).unwrap();
        let served = spawn(move || serve(listener.accept().unwrap().0));
        let unit = Unit {
            name: "coffer-a.scope".to_owned(),
            slice: "system.slice".to_owned(),
            bus: Bus::at(ServiceManager::System, &path),
            properties: [("TimeoutStopSec".to_owned(), "3".to_owned())].into(),
        };
        Self { unit, served, _folder: folder }
    }

    fn start(&self) -> Result<(), SystemdError> {
        let resources = serde_json::from_value(json!({"pids": {"limit": 9}})).unwrap();
        let settings = Settings::of_bundle(&resources).unwrap();
        self.unit.start(rustix::process::getpid(), &settings)
    }

    fn calls(self) -> Vec<(String, Vec<Value>)> {
        self.served.join().unwrap()
    }
}

fn take(client: &mut UnixStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

/// The next call: its method, number and arguments; `None` at the end.
fn call(client: &mut UnixStream) -> Option<(String, u32, Vec<Value>)> {
    let mut start = [0; START];
    client.read_exact(&mut start).ok()?;
    let mut bytes = start.to_vec();
    bytes.extend(take(client, length(&start).unwrap() - START));
    let mut reader = Reader::new(&bytes);
    let header = reader.values("yyyyuua(yv)").unwrap();
    reader.align(8).unwrap();
    let (Value::U32(serial), Value::Array(_, fields)) = (&header[5], &header[6]) else { panic!() };
    let field = |wanted| {
        fields.iter().find_map(|field| match field {
            Value::Struct(parts) if parts[0] == Value::Byte(wanted) => match &parts[1] {
                Value::Variant(value) => Some((**value).clone()),
                _ => None,
            },
            _ => None,
        })
    };
    let Some(Value::Text(member)) = field(3) else { panic!("a call of nothing") };
    let arguments = match field(8) {
        Some(Value::Signature(types)) => reader.values(&types).unwrap(),
        _ => Vec::new(),
    };
    Some((member, *serial, arguments))
}

/// A message of this kind with these header fields.
fn message(kind: u8, fields: &[(u8, Value)], body: &[Value]) -> Vec<u8> {
    let mut written = Writer::default();
    body.iter().for_each(|value| written.value(value));
    let field = |(code, value): &(u8, Value)| {
        Value::Struct(vec![Value::Byte(*code), Value::Variant(Box::new(value.clone()))])
    };
    let mut fields: Vec<Value> = fields.iter().map(field).collect();
    fields.push(field(&(8, Value::Signature(signature(body)))));
    let mut whole = Writer::default();
    [b'l', kind, 0, 1].into_iter().for_each(|byte| whole.value(&Value::Byte(byte)));
    whole.value(&Value::U32(u32::try_from(written.bytes.len()).unwrap()));
    whole.value(&Value::U32(99));
    whole.value(&Value::Array("(yv)".to_owned(), fields));
    whole.align(8);
    whole.bytes.extend(written.bytes);
    whole.bytes
}

fn returned(serial: u32, body: &[Value]) -> Vec<u8> {
    message(RETURN, &[(5, Value::U32(serial)), (7, Value::text(MANAGER))], body)
}

fn refused(serial: u32, name: &str) -> Vec<u8> {
    let fields = [(5, Value::U32(serial)), (4, Value::text(name))];
    message(ERROR, &fields, &[Value::text("so it is")])
}

fn removed(sender: &str, job: &str, result: &str) -> Vec<u8> {
    let fields = [(3, Value::text("JobRemoved")), (7, Value::text(sender))];
    let job = Value::Path(job.to_owned());
    message(SIGNAL, &fields, &[Value::U32(7), job, Value::text("a"), Value::text(result)])
}

/// A manager that does what it is asked for, amid signals that are none of the client's.
fn willing(member: &str, serial: u32) -> Vec<u8> {
    match member {
        "StartTransientUnit" | "StopUnit" => [
            removed(MANAGER, "/other", "failed"),
            removed(":1.66", JOB, "failed"),
            returned(serial, &[Value::Path(JOB.to_owned())]),
            removed(":1.66", JOB, "failed"),
            removed(MANAGER, JOB, "done"),
        ]
        .concat(),
        _ => returned(serial, &[]),
    }
}

fn members(calls: &[(String, Vec<Value>)]) -> Vec<&str> {
    calls.iter().map(|(member, _)| member.as_str()).collect()
}

#[test]
fn a_scope_is_there_when_its_job_is_done() {
    let fake = Fake::answering(willing);
    fake.start().unwrap();
    let calls = fake.calls();
    assert_eq!(members(&calls), ["Hello", "AddMatch", "Subscribe", "StartTransientUnit"]);
    let [name, mode, Value::Array(_, properties), _] = &calls[3].1[..] else { panic!() };
    assert_eq!((name, mode), (&Value::text("coffer-a.scope"), &Value::text("fail")));
    let pid = std::process::id();
    for property in [
        Value::property("Slice", Value::text("system.slice")),
        Value::property("PIDs", Value::Array("u".to_owned(), vec![Value::U32(pid)])),
        Value::property("Delegate", Value::Bool(true)),
        Value::property("TasksMax", Value::U64(9)),
        Value::property("TimeoutStopUSec", Value::U64(3_000_000)),
    ] {
        assert!(properties.contains(&property), "{property:?}");
    }
}

#[test]
fn a_job_that_fails_is_an_error() {
    let fake = Fake::answering(|member, serial| match member {
        "StartTransientUnit" => {
            let answer = returned(serial, &[Value::Path(JOB.to_owned())]);
            [answer, removed(MANAGER, JOB, "dependency")].concat()
        }
        _ => returned(serial, &[]),
    });
    let said = fake.start().unwrap_err().to_string();
    assert_eq!(said, "systemd's job for coffer-a.scope ended as \"dependency\"");
}

#[test]
fn a_scope_that_failed_earlier_makes_way_and_one_that_lives_does_not() {
    let fake = Fake::answering(|member, serial| match member {
        "StartTransientUnit" => refused(serial, UNIT_EXISTS),
        _ => returned(serial, &[]),
    });
    let said = fake.start().unwrap_err().to_string();
    assert!(said.contains("refuses StartTransientUnit for coffer-a.scope: so it is"), "{said}");
    let calls = fake.calls();
    let last = ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"];
    assert_eq!(members(&calls)[3..], last);
}

#[test]
fn a_scope_that_has_gone_is_stopped() {
    let fake = Fake::answering(|member, serial| match member {
        "StopUnit" => refused(serial, NO_SUCH_UNIT),
        _ => returned(serial, &[]),
    });
    fake.unit.stop().unwrap();
}

#[test]
fn a_bus_may_refuse() {
    let fake = Fake::serving(|mut client| {
        client.write_all(b"REJECTED EXTERNAL\r\n").unwrap();
        Vec::new()
    });
    let said = fake.start().unwrap_err().to_string();
    assert!(said.contains("does not let this user in: \"REJECTED EXTERNAL\""), "{said}");
}

#[test]
fn a_bus_that_says_nothing_is_not_waited_for_without_end() {
    let fake = Fake::serving(|mut client| {
        // Until the client has gone.
        let mut said = Vec::new();
        client.read_to_end(&mut said).unwrap();
        Vec::new()
    });
    let opened = Connection::open_for(&fake.unit.bus, "a.scope", Duration::from_millis(20));
    assert!(matches!(opened, Err(SystemdError::Late { .. })), "{opened:?}");
}

#[test]
fn a_greeting_without_end_is_refused() {
    let fake = Fake::serving(|mut client| {
        while client.write_all(&[b'a'; 4096]).is_ok() {}
        Vec::new()
    });
    assert!(matches!(fake.start(), Err(SystemdError::Message { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_of_a_bus_are_refused(
        bytes in proptest::collection::vec(prop_oneof![2 => Just(0u8), 1 => any::<u8>()], 0..96),
        lead in prop_oneof![Just(vec![]), Just(b"l\x02\0\x01".to_vec()), Just(b"l\x04\0\x01".to_vec())],
    ) {
        let fake = Fake::serving(move |mut client| {
            // The client may leave at any byte.
            drop(client.write_all(&[b"OK 0\r\n", &lead[..], &bytes].concat()));
            drop(client.shutdown(std::net::Shutdown::Write));
            let mut rest = Vec::new();
            drop(client.read_to_end(&mut rest));
            Vec::new()
        });
        prop_assert!(fake.start().is_err());
    }
}
