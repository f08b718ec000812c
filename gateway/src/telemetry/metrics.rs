//! Counters, one set per worker, added up when somebody asks.
//!
//! A request touches only its worker's cache lines; a scrape reads all of them and blocks nobody.
//! Names are `gateway_<noun>_<unit>_total`, in the base units of Prometheus: seconds and bytes. Labels
//! come from closed sets, never from clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::latency::{BOUNDS_US, Latency, LatencyTotals};

/// Statuses are 100 to 599; anything else counts as 0, "no answer was sent".
const STATUS_COUNT: usize = 600;

/// Things that happen to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// Accepted and served.
    Accepted,
    /// Closed at once: the listener is full.
    ListenerFull,
    /// Closed at once: the source has too many.
    SourceFull,
    /// Closed at once: the source is on the deny list.
    Denied,
    /// Closed at once: the source opens connections too fast.
    RateLimited,
    /// A balancer did not begin with a PROXY header, where it has to.
    ProxyHeaderInvalid,
    /// A balancer's PROXY header took too long.
    ProxyHeaderTimeout,
    /// Closed before its handshake: its source is penalised and begins too many.
    HandshakeCapped,
    /// The TLS handshake failed.
    HandshakeFailed,
    /// The TLS handshake took too long.
    HandshakeTimeout,
    /// A request head took too long.
    HeaderTimeout,
    /// What arrived is not HTTP within the limits.
    BadRequest,
    /// The client stopped reading its answer.
    ClientStalled,
    /// Its callers went on although they were told to wait, or showed credentials that are none.
    Penalised,
    /// `accept` failed for want of descriptors or memory.
    AcceptFailed,
}

impl ConnectionEvent {
    /// Every event, in the order of the discriminants.
    pub const ALL: [Self; 15] = [
        Self::Accepted,
        Self::ListenerFull,
        Self::SourceFull,
        Self::Denied,
        Self::RateLimited,
        Self::ProxyHeaderInvalid,
        Self::ProxyHeaderTimeout,
        Self::HandshakeCapped,
        Self::HandshakeFailed,
        Self::HandshakeTimeout,
        Self::HeaderTimeout,
        Self::BadRequest,
        Self::ClientStalled,
        Self::Penalised,
        Self::AcceptFailed,
    ];

    /// The label in metrics and the reason in connection records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::ListenerFull => "listener_full",
            Self::SourceFull => "source_full",
            Self::Denied => "denied",
            Self::RateLimited => "rate_limited",
            Self::ProxyHeaderInvalid => "proxy_header_invalid",
            Self::ProxyHeaderTimeout => "proxy_header_timeout",
            Self::HandshakeCapped => "handshake_capped",
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HeaderTimeout => "header_timeout",
            Self::BadRequest => "bad_request",
            Self::ClientStalled => "client_stalled",
            Self::Penalised => "penalised",
            Self::AcceptFailed => "accept_failed",
        }
    }
}

/// What one worker counts. On cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerMetrics {
    number: usize,
    statuses: Box<[AtomicU64]>,
    rejections: Box<[AtomicU64]>,
    connections: [AtomicU64; ConnectionEvent::ALL.len()],
    closed: AtomicU64,
    latency: Latency,
}

impl WorkerMetrics {
    /// Counters of the worker `number`, for as many rejection reasons as there are.
    #[must_use]
    pub fn new(number: usize, reasons: usize) -> Self {
        let zeros = |count| {
            std::iter::repeat_with(AtomicU64::default)
                .take(count)
                .collect()
        };
        Self {
            number,
            statuses: zeros(STATUS_COUNT),
            rejections: zeros(reasons),
            connections: Default::default(),
            closed: AtomicU64::default(),
            latency: Latency::default(),
        }
    }

    /// One request, at its end. `None`: the client left before a status was sent.
    pub fn request(&self, status: Option<u16>, elapsed_ns: u64) {
        bump(self.statuses.get(usize::from(status.unwrap_or(0))));
        self.latency.record(elapsed_ns);
    }

    /// The number of the worker.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// One rejection, by the number of its reason.
    pub fn rejection(&self, reason: usize) {
        bump(self.rejections.get(reason));
    }

    /// Something happened to a connection.
    pub fn connection(&self, event: ConnectionEvent) {
        bump(self.connections.get(event as usize));
    }

    /// A connection that was accepted has closed.
    pub fn connection_closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

fn bump(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A number some other part of the gateway keeps.
pub struct Figure {
    /// Metric name without the `_total` of counters.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Whether it only grows.
    pub counter: bool,
    /// Label name and values; one sample without label when empty.
    pub read: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figure")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Names and values of labels.
pub type Labels = Vec<(&'static str, String)>;

/// One sample of a [`Figure`].
#[derive(Debug, Clone)]
pub struct Sample {
    /// Labels; names and values from closed sets.
    pub labels: Labels,
    /// The value.
    pub value: Value,
}

/// What a [`Sample`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// How many or how much, in whole units.
    Number(u64),
    /// How long; written in seconds.
    Time(Duration),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Figure {
    /// A figure with one sample and no label.
    pub fn single(
        name: &'static str,
        help: &'static str,
        counter: bool,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            help,
            counter,
            read: Box::new(move || {
                vec![Sample {
                    labels: Vec::new(),
                    value: read().into(),
                }]
            }),
        }
    }
}

/// Histograms that some other part of the gateway keeps, told apart by labels.
pub struct Distribution {
    /// Metric name.
    pub name: &'static str,
    /// One line for people.
    pub help: &'static str,
    /// Labels with what was counted under them; names and values from closed sets.
    pub read: Box<dyn Fn() -> Vec<(Labels, LatencyTotals)> + Send + Sync>,
}

impl std::fmt::Debug for Distribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Distribution")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// All workers, figures and distributions, as one Prometheus collector.
#[derive(Debug)]
pub struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
    reasons: &'static [&'static str],
    figures: Vec<Figure>,
    distributions: Vec<Distribution>,
}

impl Metrics {
    /// Over these workers, figures and distributions; `reasons` names the rejections in their order.
    #[must_use]
    pub const fn new(
        workers: Vec<Arc<WorkerMetrics>>,
        reasons: &'static [&'static str],
        figures: Vec<Figure>,
        distributions: Vec<Distribution>,
    ) -> Self {
        Self {
            workers,
            reasons,
            figures,
            distributions,
        }
    }

    /// The page that Prometheus scrapes, in OpenMetrics text.
    ///
    /// # Errors
    /// Never in practice: writing to a string fails only without memory.
    pub fn page(self: &Arc<Self>) -> Result<String, std::fmt::Error> {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(Page(Arc::clone(self))));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn sum(&self, read: impl Fn(&WorkerMetrics) -> Option<&AtomicU64>) -> u64 {
        let values = self.workers.iter().filter_map(|worker| read(worker));
        values.map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

#[derive(Debug)]
struct Page(Arc<Metrics>);

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let metrics = &self.0;
        let mut requests = encoder.encode_descriptor(
            "gateway_requests",
            "Requests by status; 0 means that the client left before one was sent",
            None,
            MetricType::Counter,
        )?;
        for status in 0..STATUS_COUNT {
            let value = metrics.sum(|worker| worker.statuses.get(status));
            if value > 0 {
                let label = [("status", status.to_string())];
                ConstCounter::new(value).encode(requests.encode_family(&label)?)?;
            }
        }
        let mut rejections = encoder.encode_descriptor(
            "gateway_rejections",
            "Requests that the gateway refused, by reason",
            None,
            MetricType::Counter,
        )?;
        for (number, name) in metrics.reasons.iter().enumerate() {
            let value = metrics.sum(|worker| worker.rejections.get(number));
            ConstCounter::new(value).encode(rejections.encode_family(&[("reason", *name)])?)?;
        }
        self.encode_connections(&mut encoder)?;
        self.encode_durations(&mut encoder)?;
        for figure in &metrics.figures {
            let kind = if figure.counter {
                MetricType::Counter
            } else {
                MetricType::Gauge
            };
            let encode =
                |sample: &Sample, metric: MetricEncoder<'_>| match (figure.counter, sample.value) {
                    (true, Value::Number(number)) => ConstCounter::new(number).encode(metric),
                    (true, Value::Time(time)) => {
                        ConstCounter::new(time.as_secs_f64()).encode(metric)
                    }
                    (false, Value::Number(number)) => {
                        ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)).encode(metric)
                    }
                    (false, Value::Time(time)) => {
                        ConstGauge::new(time.as_secs_f64()).encode(metric)
                    }
                };
            let mut family = encoder.encode_descriptor(figure.name, figure.help, None, kind)?;
            match (figure.read)().as_slice() {
                // A family of no labels would be written `name{}`.
                [alone] if alone.labels.is_empty() => encode(alone, family)?,
                samples => {
                    for sample in samples {
                        encode(sample, family.encode_family(&sample.labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Page {
    fn encode_connections(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        let mut events = encoder.encode_descriptor(
            "gateway_connections",
            "Connections by what became of them",
            None,
            MetricType::Counter,
        )?;
        for event in ConnectionEvent::ALL {
            let value = self.0.sum(|worker| worker.connections.get(event as usize));
            ConstCounter::new(value).encode(events.encode_family(&[("event", event.name())])?)?;
        }
        let accepted = self.0.sum(|worker| worker.connections.first());
        let open = accepted.saturating_sub(self.0.sum(|worker| Some(&worker.closed)));
        let gauge = ConstGauge::new(i64::try_from(open).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor(
            "gateway_connections_open",
            "Connections open now",
            None,
            MetricType::Gauge,
        )?)
    }

    fn encode_durations(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let workers = self.0.workers.iter();
        let totals = LatencyTotals::sum(workers.map(|worker| worker.latency.totals()));
        let histogram = encoder.encode_descriptor(
            "gateway_request_duration_seconds",
            "From a request's head to the last byte of its answer",
            None,
            MetricType::Histogram,
        )?;
        encode_latency(&totals, histogram)?;
        for distribution in &self.0.distributions {
            let Distribution { name, help, read } = distribution;
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (labels, totals) in read() {
                encode_latency(&totals, family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn encode_latency(
    totals: &LatencyTotals,
    mut histogram: MetricEncoder<'_>,
) -> Result<(), std::fmt::Error> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "seconds are shown to people and dashboards"
    )]
    let seconds = |ns: u64| ns as f64 / 1e9;
    let bounds = BOUNDS_US
        .iter()
        .map(|us| seconds(us * 1_000))
        .chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(totals.buckets).collect();
    let (sum, count) = (seconds(totals.sum_ns), totals.count());
    histogram.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}
