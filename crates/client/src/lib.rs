//! Typed client and wallet for the public API.
