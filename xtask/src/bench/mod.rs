//! `cargo xtask bench`: measurements as ratios to a baseline within the same run.
//!
//! Machines differ and so does one machine from hour to hour; what holds is how two things compare
//! when their windows alternate. Each case is the median of its windows, its baseline likewise.

mod measured;
mod abuse;
mod auth;
mod edge;
mod flood;
mod http;
mod proxy;
mod report;
mod task;
mod throttle;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Goodput and latency of honest clients while holders of other API keys ignore their limits; the baseline
    /// is the same without them, and nginx stands beside. Needs two processors.
    Abuse {
        /// One JSON object on one line instead of a table.
        #[arg(long)]
        json: bool,
        /// Windows of each kind.
        #[arg(long, default_value_t = abuse::WINDOWS, value_parser = clap::value_parser!(u16).range(1..))]
        windows: u16,
    },
    /// What it costs to let a caller in: processor time and memory. The baselines are bare
    /// verifications of signatures.
    Auth {
        /// One JSON object on one line instead of a table.
        #[arg(long)]
        json: bool,
        /// Windows for each case.
        #[arg(long, default_value_t = auth::WINDOWS, value_parser = clap::value_parser!(u16).range(1..))]
        windows: u16,
    },
    /// Nanoseconds per packet in the kernel; the baseline is an empty program. Needs root.
    Edge {
        /// One JSON object on one line instead of a table.
        #[arg(long)]
        json: bool,
        /// Windows for each case.
        #[arg(long, default_value_t = edge::WINDOWS, value_parser = clap::value_parser!(u16).range(1..))]
        windows: u16,
    },
    /// Goodput of honest clients under floods, without and with the edge; the baseline is the same
    /// without the flood. Needs root and two processors.
    Flood {
        /// One JSON object on one line instead of a table.
        #[arg(long)]
        json: bool,
        /// Windows for each flood.
        #[arg(long, default_value_t = flood::WINDOWS, value_parser = clap::value_parser!(u16).range(1..))]
        windows: u16,
    },
    /// CPU microseconds per proxied request; the baseline is nginx.
    Http {
        /// One JSON object on one line instead of a table.
        #[arg(long)]
        json: bool,
        /// Windows for each proxy.
        #[arg(long, default_value_t = http::WINDOWS, value_parser = clap::value_parser!(u16).range(1..))]
        windows: u16,
    },
    /// What limits cost: a charge, a refusal, a request with key and token, and attempts of those who are
    /// penalised; baselines are nginx and a request that is merely forwarded. Needs root and two processors.
    Throttle {
        /// One JSON object on one line instead of a table.
        #[arg(long)]
        json: bool,
        /// Windows for each case.
        #[arg(long, default_value_t = throttle::WINDOWS, value_parser = clap::value_parser!(u16).range(1..))]
        windows: u16,
    },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.what {
        What::Abuse { json, windows } => drop(abuse::run(json, windows)?),
        What::Auth { json, windows } => drop(auth::run(json, windows)?),
        What::Edge { json, windows } => drop(edge::run(json, windows)?),
        What::Flood { json, windows } => drop(flood::run(json, windows)?),
        What::Http { json, windows } => drop(http::run(json, windows)?),
        What::Throttle { json, windows } => drop(throttle::run(json, windows)?),
    }
    Ok(())
}

/// Every benchmark, as tables; an error names what missed its budget or was void.
pub(crate) fn all() -> anyhow::Result<()> {
    let reports = [
        abuse::run(false, abuse::WINDOWS)?,
        auth::run(false, auth::WINDOWS)?,
        edge::run(false, edge::WINDOWS)?,
        flood::run(false, flood::WINDOWS)?,
        http::run(false, http::WINDOWS)?,
        throttle::run(false, throttle::WINDOWS)?,
    ];
    let failures: Vec<String> = reports.iter().flat_map(report::Report::failures).collect();
    anyhow::ensure!(failures.is_empty(), "{}", failures.join("; "));
    Ok(())
}
