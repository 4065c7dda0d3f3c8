//! `cairn`: one binary with every role.

mod cli;
mod output;
mod up;

fn main() {}
