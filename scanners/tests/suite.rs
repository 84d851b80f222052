//! The scanner's tests on whole files: every rule, every case, ranges and accounting. One program, so that it links once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what went wrong by panicking"
)]

mod accounting;
mod cases;
mod ranges;
mod rules;
mod sarif;
