//! The metrics page, read.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::client::Client;

/// Samples by name and labels, as in `gateway_requests_total{status="200"}`.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// The page as it came.
    pub text: String,
    samples: HashMap<String, f64>,
}

impl Metrics {
    /// Scrapes the page at `address`.
    pub async fn fetch(address: SocketAddr) -> Self {
        Self::fetch_over(Client::http1(address).await).await
    }

    /// Scrapes the page over a connection to it.
    pub async fn fetch_over(client: Client) -> Self {
        let answer = client.get("/metrics").await;
        assert_eq!(answer.status, 200);
        let text = answer.text();
        let mut samples = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
            let earlier =
                samples.insert(name.to_owned(), value.parse().expect("which is a number"));
            assert_eq!(earlier, None, "{name} occurs twice");
        }
        Self { text, samples }
    }

    /// One sample; 0 where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> f64 {
        self.samples.get(name).copied().unwrap_or(0.0)
    }

    /// The sum of all samples of a family, whatever their labels.
    #[must_use]
    pub fn sum(&self, family: &str) -> f64 {
        let labelled = format!("{family}{{");
        let ours = |name: &str| name == family || name.starts_with(&labelled);
        self.samples
            .iter()
            .filter(|(name, _)| ours(name))
            .map(|(_, value)| value)
            .sum()
    }

    /// Connections by what became of them.
    #[must_use]
    pub fn connections(&self, event: &str) -> f64 {
        self.get(&format!("gateway_connections_total{{event=\"{event}\"}}"))
    }

    /// Rejections by reason.
    #[must_use]
    pub fn rejections(&self, reason: &str) -> f64 {
        self.get(&format!("gateway_rejections_total{{reason=\"{reason}\"}}"))
    }
}
