//! Lines that are no longer than a terminal is wide.

/// The text in lines of at most `width` characters, broken between words; a word that is longer is
/// broken inside. What follows the first line begins two blanks further in than that does.
pub(super) fn lines(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let indent = text.chars().take_while(|c| *c == ' ').count();
    let hang = " ".repeat((indent + 2).min(width / 2));
    let mut lines = Vec::new();
    let (mut line, mut fresh) = (" ".repeat(indent.min(width / 2)), true);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let blank = usize::from(!fresh);
            let room = width.saturating_sub(line.chars().count() + blank);
            if word.len() <= room || fresh {
                let rest = word.split_off(word.len().min(room.max(1)));
                line.extend(std::iter::repeat_n(' ', blank).chain(word));
                (word, fresh) = (rest, false);
            }
            if !word.is_empty() {
                lines.push(std::mem::replace(&mut line, hang.clone()));
                fresh = true;
            }
        }
    }
    lines.push(line);
    lines
}

/// How wide each column is where all of them have `room` characters: a narrow one keeps its width,
/// and the others share what is left alike.
pub(super) fn share(natural: &[usize], room: usize) -> Vec<usize> {
    let mut widths = natural.to_vec();
    let (mut open, mut left): (Vec<usize>, usize) = ((0..natural.len()).collect(), room);
    loop {
        let fair = left.checked_div(open.len()).unwrap_or(0).max(1);
        let width = |column: &usize| natural.get(*column).copied().unwrap_or(0);
        let (narrow, wide): (Vec<usize>, Vec<usize>) =
            open.iter().partition(|column| width(column) <= fair);
        if narrow.is_empty() || wide.is_empty() {
            let wide = wide.iter().enumerate();
            for (count, column) in wide {
                // What does not divide goes to the first.
                let extra = usize::from(count < left % open.len().max(1));
                if let Some(width) = widths.get_mut(*column) {
                    *width = fair + extra;
                }
            }
            return widths;
        }
        left = left.saturating_sub(narrow.iter().map(width).sum());
        open = wide;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stay_whole_and_hang_below_their_line() {
        assert_eq!(lines("  one two three", 10), ["  one two", "    three"]);
        assert_eq!(lines("short", 10), ["short"]);
        assert_eq!(lines("a 0123456789abc", 8), ["a", "  012345", "  6789ab", "  c"]);
    }

    #[test]
    fn the_wide_share_what_the_narrow_leave() {
        assert_eq!(share(&[10, 5], 80), [10, 5]);
        assert_eq!(share(&[10, 90, 50], 70), [10, 30, 30]);
        assert_eq!(share(&[40, 40], 41), [21, 20]);
        assert_eq!(share(&[], 5), [0; 0]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_wider(text in "[a-z ]{0,80}", width in 4_usize..40) {
            let lines = lines(&text, width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&lines.concat()), bare(&text));
        }
    }
}
