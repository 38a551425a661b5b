//! Where errors are written: standard error, and the file that `--log` names. podman and
//! containerd read the latter. Source: logrus' text and JSON forms, which runc writes.

use std::io::Write;

use coffer_runtime::bundle::HookError;
use rustix::fs::{Mode, OFlags};

use super::failure::{Failure, line as line_of};
use super::globals::{Detail, Format, Globals};

/// Says why the runtime stops.
pub(super) fn error(globals: &Globals, failure: &Failure) {
    write(globals, "error", &failure.message);
}

/// Says what is passed over.
pub(super) fn warning(globals: &Globals, message: &str) {
    if globals.detail != Detail::Errors {
        write(globals, "warning", message);
    }
}

/// Says what is being done, where `--debug` asks for it.
pub(super) fn debug(globals: &Globals, message: &str) {
    if globals.detail == Detail::Debug {
        write(globals, "debug", message);
    }
}

/// Says which hooks failed, where that changes nothing else.
pub(super) fn hooks(globals: &Globals, failed: &[HookError]) {
    failed.iter().for_each(|error| warning(globals, &line_of(error)));
}

/// Where there is a log it gets the whole line, and standard error the words of an error; else
/// standard error gets the line. That nobody can be told is no further error.
fn write(globals: &Globals, level: &str, message: &str) {
    let line = line(globals.format, level, message);
    let mut stderr = std::io::stderr().lock();
    let Some(log) = &globals.log else {
        stderr.write_all(line.as_bytes()).ok();
        return;
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
    let opened = rustix::fs::open(log, flags, Mode::from_raw_mode(0o644));
    let logged = opened.and_then(|file| rustix::io::write(&file, line.as_bytes()));
    if level == "error" || logged.is_err() {
        writeln!(stderr, "{message}").ok();
    }
}

fn line(format: Format, level: &str, message: &str) -> String {
    let now = jiff::Timestamp::now().round(jiff::Unit::Second);
    let time = now.map(|now| now.to_string()).unwrap_or_default();
    let quoted = serde_json::Value::from(message).to_string();
    match format {
        Format::Text => format!("time=\"{time}\" level={level} msg={quoted}\n"),
        Format::Json => {
            format!("{{\"level\":\"{level}\",\"msg\":{quoted},\"time\":\"{time}\"}}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_json() {
        let line = line(Format::Json, "error", "a \"b\"\n");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["msg"], "a \"b\"\n");
        assert_eq!(read["level"], "error");
    }
}
