//! docs/engines.md: what it tells people to write is what the tests configure engines with.

use std::path::Path;

/// The page.
pub const PAGE: &str = include_str!("../../docs/engines.md");
/// Where the page says that our programs are.
const INSTALLED: &str = "/usr/local/bin/";

/// The first block of `language` below the heading `engine`, for our programs in `programs`.
///
/// # Panics
/// The page has none.
#[must_use]
pub fn lines(engine: &str, language: &str, programs: &Path) -> String {
    let (_, section) = PAGE.split_once(&format!("\n## {engine}\n")).expect("no such engine");
    let section = section.split("\n## ").next().unwrap_or_default();
    let (_, block) = section.split_once(&format!("```{language}\n")).expect("no such block");
    let (block, _) = block.split_once("```").expect("the block ends");
    block.replace(INSTALLED, &format!("{}/", programs.display()))
}
