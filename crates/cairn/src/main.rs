//! `cairn`: one binary with every role.

mod cli;
mod commands;
mod network;
mod output;
mod session;
mod up;

fn main() {}
