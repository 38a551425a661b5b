//! Lists of devices. Source: admin-guide/cgroup-v1/devices.rst.

use super::super::CgroupError;
use super::super::device::{Rule, Verdict};
use super::super::group::Group;

/// Writes the rules to a group without processes: each begins by denying all.
pub(super) fn set(group: &Group, rules: &[Rule]) -> Result<(), CgroupError> {
    let (allow, deny) =
        (group.open_to_write("devices.allow")?, group.open_to_write("devices.deny")?);
    let total = rules.iter().rposition(Rule::is_total).unwrap_or(0);
    for rule in rules.iter().skip(total) {
        let (file, name) = match rule.verdict {
            Verdict::Allow => (&allow, "devices.allow"),
            Verdict::Deny => (&deny, "devices.deny"),
        };
        // One rule for each write, which takes effect at once.
        let value = rule.to_string();
        rustix::io::write(file, value.as_bytes()).map_err(|errno| CgroupError::Write {
            path: group.at.path().join(name),
            value,
            source: errno.into(),
        })?;
    }
    Ok(())
}

/// Gives a group with processes other rules, so that nothing which both allow is ever refused and
/// nothing which both refuse is ever allowed: what the old list has and the new one has not is
/// taken out, and the rest put in.
pub(super) fn replace(group: &Group, rules: &[Rule]) -> Result<(), CgroupError> {
    let total = rules.iter().rposition(Rule::is_total).unwrap_or(0);
    let rules = rules.get(total..).unwrap_or_default();
    let list = group.read("devices.list")?;
    let is_plain = |rule: &Rule| rule.is_total() || rule.verdict == Verdict::Allow;
    // A list of what is denied, or such a rule among the new ones: there is no way between.
    if list.starts_with("a ") || !rules.iter().all(is_plain) {
        return set(group, rules);
    }
    if rules.first().is_some_and(|rule| rule.is_total() && rule.verdict == Verdict::Allow) {
        return group.write("devices.allow", "a");
    }
    let new: Vec<String> = rules.iter().skip(1).map(Rule::to_string).collect();
    let old: Vec<&str> = list.lines().collect();
    for line in new.iter().filter(|line| !old.contains(&line.as_str())) {
        group.write("devices.allow", line)?;
    }
    for line in old.iter().filter(|line| !new.iter().any(|new| new == *line)) {
        group.write("devices.deny", line)?;
    }
    // Taking a line out may have taken letters of another with it.
    new.iter().try_for_each(|line| group.write("devices.allow", line))
}

/// Refuses what these files cannot say: they deny out of a list of what is allowed only what
/// stands in that list in the same words, and do nothing otherwise.
pub(in super::super) fn check(rules: &[Rule]) -> Result<(), CgroupError> {
    let total = rules.iter().rposition(Rule::is_total).unwrap_or(0);
    let rules = rules.get(total..).unwrap_or_default();
    if rules.first().is_some_and(|rule| rule.verdict == Verdict::Allow) {
        return Ok(());
    }
    for (at, denied) in rules.iter().enumerate().skip(1) {
        let is_lost = |allowed: &Rule| {
            allowed.verdict == Verdict::Allow && allowed.overlaps(denied) && !allowed.is_of(denied)
        };
        if denied.verdict == Verdict::Deny && rules.iter().take(at).any(is_lost) {
            let why =
                format_args!("control groups v1 cannot deny \"{denied}\" out of a wider rule");
            return Err(CgroupError::invalid("devices", why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use coffer_oci::runtime::DeviceRule;

    use super::*;

    fn listed(allow: bool, minor: Option<i64>) -> DeviceRule {
        DeviceRule { allow, kind: "c".to_owned(), major: Some(10), minor, access: "rw".to_owned() }
    }

    #[test]
    fn a_denial_that_would_be_lost_is_refused() {
        let check = |rules: &[DeviceRule]| check(&Rule::for_bundle(rules).unwrap());
        assert!(check(&[listed(true, None), listed(false, Some(3))]).is_err());
        check(&[listed(true, Some(3)), listed(false, Some(3))]).unwrap();
        check(&[listed(false, Some(3)), listed(true, None)]).unwrap();
        let all = DeviceRule { allow: true, ..DeviceRule::default() };
        check(&[all, listed(false, Some(3))]).unwrap();
    }
}
