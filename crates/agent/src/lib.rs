//! The provider side: measure, sign, spool and deliver evidence.
