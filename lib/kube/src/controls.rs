//! What holds, line by line, with the field that says so.

use coffer_confine::capability::CapWord;
use coffer_confine::confinement::Control;
use coffer_confine::posture::{Covers, SetId};

use crate::fence::Settled;
use crate::pod::Users;
use crate::security::{AppArmor, Filter};

const SILENT: &str = "Kubernetes' default";
const ENGINE: &str = "containerd's default";

fn line(control: &'static str, value: impl Into<String>, set_by: impl Into<String>) -> Control {
    Control { control, value: value.into(), set_by: set_by.into() }
}

/// By a field, or by nobody.
fn by<T>(field: &Option<T>, name: &str) -> String {
    field.as_ref().map_or(SILENT, |_| name).to_owned()
}

/// What holds a container.
pub(crate) fn of(settled: &Settled<'_>) -> Vec<Control> {
    let mut lines = vec![
        user(settled),
        ids(settled),
        capabilities(settled),
        new_privileges(settled),
        system_calls(settled),
        namespaces(settled),
        masks(settled),
        root(settled),
        apparmor(settled),
    ];
    let selinux = &settled.context.selinux;
    lines.extend(selinux.iter().map(|kind| line("SELinux type", kind, "seLinuxOptions")));
    let class = &settled.pod.runtime_class;
    lines.extend(class.iter().map(|class| line("runtime class", class, "runtimeClassName")));
    let sysctl = |(name, value): &(String, String)| {
        line("sysctl", format!("{name}={value}"), "securityContext.sysctls")
    };
    lines.extend(settled.pod.sysctls.iter().map(sysctl));
    let limit = |(name, value): (&String, &String)| {
        line("limit", format!("{name} {value}"), "resources.limits")
    };
    lines.extend(settled.own.limits.iter().map(limit));
    lines
}

fn user(settled: &Settled<'_>) -> Control {
    let context = &settled.context;
    let (value, field) = match (context.user, context.non_root) {
        (Some(user), _) => (user.to_string(), "runAsUser"),
        (None, Some(true)) => ("the image's, which must not be root".to_owned(), "runAsNonRoot"),
        (None, _) => ("the image's, or root".to_owned(), SILENT),
    };
    line("user", value, field)
}

fn ids(settled: &Settled<'_>) -> Control {
    match settled.pod.users {
        Users::Own => line("ids", "a range of its own", "hostUsers: false"),
        Users::Host => line("ids", "the node's", SILENT),
    }
}

fn capabilities(settled: &Settled<'_>) -> Control {
    let words = |list: &[CapWord], name: &str| -> Option<String> {
        let words: Vec<String> = list.iter().map(ToString::to_string).collect();
        (!words.is_empty()).then(|| format!("capabilities.{name}: [{}]", words.join(", ")))
    };
    let said = [words(&settled.own.drop, "drop"), words(&settled.own.add, "add")];
    let said: Vec<String> = said.into_iter().flatten().collect();
    match (settled.own.privileged, said.is_empty()) {
        (true, _) => line("capabilities", "all", "privileged: true"),
        (false, true) => line("capabilities", settled.granted.to_string(), ENGINE),
        (false, false) => line("capabilities", settled.granted.to_string(), said.join(" ")),
    }
}

fn new_privileges(settled: &Settled<'_>) -> Control {
    let value = match settled.set_id {
        SetId::Inert => "never",
        SetId::Works => "by set-id programs",
    };
    match settled.own.privileged {
        true => line("new privileges", value, "privileged: true"),
        false => {
            line("new privileges", value, by(&settled.own.escalation, "allowPrivilegeEscalation"))
        }
    }
}

fn system_calls(settled: &Settled<'_>) -> Control {
    let value = match &settled.filter {
        Filter::Unconfined => "all".to_owned(),
        Filter::Runtime => "those of the engine's default filter".to_owned(),
        Filter::Localhost(file) => format!("those of {file} on the node"),
    };
    match settled.own.privileged {
        true => line("system calls", value, "privileged: true"),
        false => line("system calls", value, by(&settled.context.filter, "seccompProfile")),
    }
}

fn namespaces(settled: &Settled<'_>) -> Control {
    let names: Vec<String> =
        settled.namespaces().iter().map(|kind| format!("{kind:?}").to_ascii_lowercase()).collect();
    line("namespaces", names.join(" "), "the pod")
}

fn masks(settled: &Settled<'_>) -> Control {
    let value = match settled.covers() {
        Covers::There => "those of the engine",
        Covers::None => "none",
    };
    let field = match (settled.own.privileged, settled.own.unmasked) {
        (true, _) => "privileged: true",
        (false, true) => "procMount: Unmasked",
        (false, false) => ENGINE,
    };
    line("masked paths", value, field)
}

fn root(settled: &Settled<'_>) -> Control {
    match settled.own.read_only_root {
        true => line("root file system", "read-only", "readOnlyRootFilesystem: true"),
        false => line("root file system", "writable", SILENT),
    }
}

fn apparmor(settled: &Settled<'_>) -> Control {
    match &settled.context.apparmor {
        _ if settled.own.privileged => line("AppArmor", "none", "privileged: true"),
        Some(AppArmor::Unconfined) => line("AppArmor", "none", "appArmorProfile"),
        Some(AppArmor::Runtime) => line("AppArmor", "the engine's profile", "appArmorProfile"),
        Some(AppArmor::Localhost(name)) => line("AppArmor", name, "appArmorProfile"),
        None => line("AppArmor", "the engine's profile, where the node has AppArmor", ENGINE),
    }
}
