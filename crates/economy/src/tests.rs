//! Tests of the economy.
