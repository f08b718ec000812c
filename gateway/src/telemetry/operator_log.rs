//! The log for people who run the gateway: start, reload, trouble. On standard error.

use tracing_subscriber::EnvFilter;

/// Environment variable with a filter in the syntax of `tracing-subscriber`; default `info`.
pub const FILTER_VARIABLE: &str = "GATEWAY_LOG";

/// Sends `tracing` events to standard error.
///
/// # Errors
/// The filter in [`FILTER_VARIABLE`] does not parse.
pub fn install() -> anyhow::Result<()> {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(text) => EnvFilter::try_new(&text)
            .map_err(|error| anyhow::anyhow!("{FILTER_VARIABLE}=`{text}`: {error}"))?,
        Err(_unset) => EnvFilter::new("info"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .compact()
        .try_init()
        .map_err(|error| anyhow::anyhow!("operator log: {error}"))
}

/// An error with its causes, on one line.
#[must_use]
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
