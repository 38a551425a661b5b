//! Lists of CPUs and memory nodes. Source: man 7 cpuset, "List format".

/// Why a text is no list of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no list like 0-3,7 of numbers below {1}")]
pub struct ListError(String, usize);

/// The numbers of a list such as `0-3,7`, each below `limit`; an empty list has none.
///
/// # Errors
/// A [`ListError`] for what is no such list.
pub fn numbers(list: &str, limit: usize) -> Result<Vec<usize>, ListError> {
    let wrong = || ListError(list.to_owned(), limit);
    let number = |text: &str| -> Option<usize> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| plain && *number < limit)
    };
    let mut all = Vec::new();
    for part in list.trim().split(',').map(str::trim).filter(|_| !list.trim().is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first = number(first).ok_or_else(wrong)?;
        let last = number(last).filter(|last| *last >= first).ok_or_else(wrong)?;
        all.extend(first..=last);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whole() {
        assert_eq!(numbers("0-2,7", 8), Ok(vec![0, 1, 2, 7]));
        assert_eq!(numbers("", 8), Ok(vec![]));
        for wrong in ["8", "1-", "-1", "2-1", "a", "1,,2", "+1"] {
            assert!(numbers(wrong, 8).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text in "[0-9,\\- ]{0,12}") {
            if let Ok(all) = numbers(&text, 1024) {
                proptest::prop_assert!(all.iter().all(|number| *number < 1024));
            }
        }
    }
}
