//! The door through which evidence comes in.
pub mod journal;
