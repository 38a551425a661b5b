//! Builds the images of the tests ahead, and names where they are.

#![expect(clippy::print_stdout, reason = "a program that says what it made")]

use coffer_tests::image::{catalogue, programs};

fn main() {
    for recipe in catalogue::ALL.iter().chain(programs::ALL) {
        println!("{:10} {}", recipe.name, recipe.layout().display());
    }
}
