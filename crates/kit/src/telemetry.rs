//! Logs: `tracing` to standard error, level from the environment. Standard output stays free for results.

use tracing_subscriber::EnvFilter;

/// The environment variable with the filter, e.g. `info,cairn_agent=debug`.
pub const FILTER_ENV: &str = "CAIRN_LOG";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Installs the subscriber of this process; `default_filter` holds when [`FILTER_ENV`] is not set. A second call does nothing.
///
/// # Errors
/// When the filter in the environment does not parse: its text and the reason.
pub fn init(default_filter: &str, format: Format) -> Result<(), FilterError> {
    let text = std::env::var(FILTER_ENV).unwrap_or_else(|_| default_filter.to_owned());
    let filter = EnvFilter::try_new(&text)
        .map_err(|error| FilterError { filter: text, reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Already installed (tests, a second role in the process): the first one stays.
    let _ = match format {
        Format::Text => builder.compact().try_init(),
        Format::Json => builder.json().try_init(),
    };
    Ok(())
}

/// A log filter that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{FILTER_ENV} is `{filter}`: {reason}")]
pub struct FilterError {
    /// What was given.
    pub filter: String,
    /// Why it is none.
    pub reason: String,
}
