//! Hooks that run on the container's side. Source: runtime-spec config.md, "POSIX-platform Hooks".

use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::Path;

use coffer_oci::runtime::{Hook, Hooks, Process, Spec, VERSION};
use coffer_sys::exec::Strings;
use serde::Serialize;

use super::process::environment;
use super::{Bundle, Named, Plan, PlanError, Step, text};

/// A program to be run and waited for.
#[derive(Debug)]
pub(crate) struct HookProgram {
    /// In which list it stands, and at which place: `createContainer hook #0`.
    pub(crate) place: String,
    /// What is executed.
    pub(crate) program: CString,
    /// Its arguments.
    pub(crate) argv: Strings,
    /// Its environment.
    pub(crate) envp: Strings,
    /// Milliseconds after which it is given up.
    pub(crate) timeout: Option<u32>,
    /// The container's state up to the number of its process, which is the last thing in it.
    pub(crate) state: Vec<u8>,
}

/// The state of a container, as hooks get it. Source: runtime-spec runtime.md, "State".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    oci_version: &'static str,
    id: &'a str,
    status: &'static str,
    bundle: &'a Path,
    annotations: &'a BTreeMap<String, String>,
}

impl Plan {
    /// Where the caller runs its own hooks, and after them those of the container that see the
    /// host's files: after everything is mounted, before the host's root is left. So does runc.
    pub(super) fn created_steps(
        &mut self,
        spec: &Spec,
        bundle: &Bundle<'_>,
    ) -> Result<(), PlanError> {
        let Some(hooks) = &spec.hooks else { return Ok(()) };
        check_callers(hooks)?;
        if !(hooks.prestart.is_empty() && hooks.create_runtime.is_empty()) {
            self.steps.push(Step::Created);
        }
        self.hook_steps(spec, bundle, ("createContainer", &[]), |hooks| &hooks.create_container)
    }

    /// Those that see the container's files, right before its program and behind the same fence.
    /// One that names no environment has the process's, as runc has it.
    pub(super) fn start_steps(
        &mut self,
        spec: &Spec,
        process: &Process,
        bundle: &Bundle<'_>,
    ) -> Result<(), PlanError> {
        let env = environment(&process.env, bundle.home);
        self.hook_steps(spec, bundle, ("startContainer", &env), |hooks| &hooks.start_container)
    }

    fn hook_steps(
        &mut self,
        spec: &Spec,
        bundle: &Bundle<'_>,
        (name, env): (&str, &[String]),
        list: impl Fn(&Hooks) -> &[Hook],
    ) -> Result<(), PlanError> {
        let Some(hooks) = &spec.hooks else { return Ok(()) };
        for (place, hook) in list(hooks).iter().enumerate() {
            let mut program = program(hook, spec, bundle, env)
                .map_err(|error| error.at(&format!("hooks.{name}[{place}]")))?;
            program.place = format!("{name} hook #{place}");
            self.steps.push(Step::Hook(program));
        }
        Ok(())
    }
}

/// Looks at the hooks that the caller runs, some of them when the container is long there.
fn check_callers(hooks: &Hooks) -> Result<(), PlanError> {
    for (name, list) in [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ] {
        for (place, hook) in list.iter().enumerate() {
            check(hook).map_err(|error| error.at(&format!("hooks.{name}[{place}]")))?;
        }
    }
    Ok(())
}

fn check(hook: &Hook) -> Result<(), PlanError> {
    if !hook.path.starts_with('/') {
        return Err(PlanError::field("path", "is not absolute"));
    }
    if hook.timeout == Some(0) {
        return Err(PlanError::field("timeout", "has to be more than 0 seconds"));
    }
    let all = std::iter::once(&hook.path).chain(&hook.args).chain(&hook.env);
    all.map(|word| text("a hook", word)).try_for_each(|word| word.map(drop))
}

fn program(
    hook: &Hook,
    spec: &Spec,
    bundle: &Bundle<'_>,
    env: &[String],
) -> Result<HookProgram, PlanError> {
    check(hook)?;
    let words = |words: &[String]| -> Result<Vec<CString>, PlanError> {
        words.iter().map(|word| text("a hook", word)).collect()
    };
    let argv: Vec<CString> = words(&hook.args)?;
    let program = text("a hook", &hook.path)?;
    let argv = if argv.is_empty() { vec![program.clone()] } else { argv };
    let env = if hook.env.is_empty() { env } else { &hook.env };
    Ok(HookProgram {
        place: String::new(),
        program,
        argv: Strings::new(argv),
        envp: Strings::new(words(env)?),
        timeout: hook.timeout.map(|seconds| seconds.saturating_mul(1000)),
        state: state(spec, bundle)?,
    })
}

/// The state without its end: the child puts its number there.
fn state(spec: &Spec, bundle: &Bundle<'_>) -> Result<Vec<u8>, PlanError> {
    state_up_to_pid(&spec.annotations, Named::of(bundle, None), "created")
}

/// The state of a container up to the number of its process, which is the last thing in it, and
/// the closing brace.
pub(super) fn state_up_to_pid(
    annotations: &BTreeMap<String, String>,
    named: Named<'_>,
    status: &'static str,
) -> Result<Vec<u8>, PlanError> {
    let Named { id, folder, .. } = named;
    let state = State { oci_version: VERSION, id, status, bundle: folder, annotations };
    let mut json = serde_json::to_vec(&state).map_err(PlanError::State)?;
    json.pop();
    json.extend_from_slice(b",\"pid\":");
    Ok(json)
}
