//! The whole economy and network in one process, seeded.
