//! The consumer side: sealed data through the interfaces people already use.
