//! `cairn up`.
pub mod governor;
