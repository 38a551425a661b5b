//! Resources: which there is a limit for. Source: Kubernetes API reference, "Quantity".

use std::collections::BTreeMap;

use crate::ManifestError;
use crate::fields;
use crate::yaml::At;

const SUFFIXES: [&str; 15] =
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"];

/// The limits in `resources` of a pod or container, as written.
pub(crate) fn limits(at: &At<'_>) -> Result<BTreeMap<String, String>, ManifestError> {
    let mut found = BTreeMap::new();
    let Some(resources) = at.get("resources")? else { return Ok(found) };
    resources.only(fields::RESOURCES)?;
    let Some(limits) = resources.get("limits")? else { return Ok(found) };
    for (name, value) in limits.fields()? {
        let text = value.text()?;
        if !is_quantity(&text) {
            return Err(value.wrong("a quantity such as 500m or 128Mi"));
        }
        // A limit of nothing is none to the kubelet.
        if text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
            found.insert(name.to_owned(), text);
        }
    }
    Ok(found)
}

fn is_quantity(text: &str) -> bool {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let exponent = || suffix.strip_prefix(['e', 'E'])?.parse::<i8>().ok();
    number.parse::<f64>().is_ok()
        && (SUFFIXES.contains(&suffix) || suffix == "Ei" || exponent().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_numbers_with_a_suffix_that_there_is() {
        for good in ["1", "0.5", "500m", "128Mi", "1e3", "2E-1", "1G", "3Ei"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["", "Mi", "1.2.3", "128MB", "128 Mi", "lots", "1e", "-5"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
