//! The rulebook: what counts as work in each sector, and what it is worth.
