//! The emulator's monitor: JSON, a line each way (QEMU's docs/interop/qmp-spec.rst).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A conversation with one emulator.
#[derive(Debug)]
pub(super) struct Monitor {
    lines: BufReader<UnixStream>,
}

impl Monitor {
    /// Greets the emulator at the other end, which has `patience` for each answer.
    ///
    /// # Errors
    /// It does not answer, or not as one does.
    pub(super) fn greet(stream: UnixStream, patience: Duration) -> Result<Self> {
        stream.set_read_timeout(Some(patience))?;
        let mut monitor = Self { lines: BufReader::new(stream) };
        monitor.message()?;
        monitor.execute("qmp_capabilities", &json!({}))?;
        let capability = |name: &str| json!({ "capability": name, "state": true });
        let both = [capability("events"), capability("x-ignore-shared")];
        monitor.execute("migrate-set-capabilities", &json!({ "capabilities": both }))?;
        Ok(monitor)
    }

    /// Stops the machine and writes all of its state but the memory to `file`.
    ///
    /// # Errors
    /// The emulator says no.
    pub(super) fn save(&mut self, file: &str) -> Result<()> {
        self.execute("stop", &json!({}))?;
        self.execute("migrate", &json!({ "uri": format!("exec:cat >{file}") }))?;
        self.migrated()
    }

    /// Reads the state back, and lets the machine go on.
    ///
    /// # Errors
    /// The emulator says no.
    pub(super) fn restore(&mut self, file: &str) -> Result<()> {
        self.execute("migrate-incoming", &json!({ "uri": format!("exec:cat {file}") }))?;
        self.migrated()?;
        self.execute("cont", &json!({}))
    }

    /// Has the emulator end in order.
    ///
    /// # Errors
    /// It says no.
    pub(super) fn quit(&mut self) -> Result<()> {
        self.execute("quit", &json!({}))
    }

    fn migrated(&mut self) -> Result<()> {
        loop {
            let message = self.message()?;
            if message["event"] != "MIGRATION" {
                continue;
            }
            match message["data"]["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed") => bail!("the machine's state cannot be carried over"),
                _ => {}
            }
        }
    }

    fn execute(&mut self, command: &str, arguments: &Value) -> Result<()> {
        let line = json!({ "execute": command, "arguments": arguments });
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes())?;
        loop {
            let message = self.message()?;
            if message.get("return").is_some() {
                return Ok(());
            }
            if let Some(error) = message.get("error") {
                bail!("{command}: {error}");
            }
        }
    }

    fn message(&mut self) -> Result<Value> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).context("the emulator's monitor")?;
        if read == 0 {
            bail!("the emulator has ended");
        }
        Ok(serde_json::from_str(&line)?)
    }
}
