//! What `/metrics` tells a Prometheus: counters and durations of this process.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Labels of one series.
type Labels = Vec<(&'static str, String)>;

/// The series of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    request_seconds: Histogram,
    votes: Family<Labels, Counter>,
    vote_batch: Histogram,
    decisions: Family<Labels, Counter>,
    deliveries: Family<Labels, Counter>,
    bounces: Family<Labels, Counter>,
    outbox_waiting: Family<Labels, Gauge>,
    outbox_oldest_seconds: Family<Labels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("nabz"),
            requests: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            votes: Family::default(),
            vote_batch: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
            decisions: Family::default(),
            deliveries: Family::default(),
            bounces: Family::default(),
            outbox_waiting: Family::default(),
            outbox_oldest_seconds: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests answered, by route, method and status", self.requests.clone());
        registry.register("http_request_seconds", "Time to answer a request", self.request_seconds.clone());
        registry.register("votes", "Votes handed to the recorder, by outcome", self.votes.clone());
        registry.register("vote_batch", "Votes committed in one transaction", self.vote_batch.clone());
        registry.register("decisions", "Interactions decided, by outcome and reason", self.decisions.clone());
        registry.register("deliveries", "Attempts to send a message, by channel and outcome", self.deliveries.clone());
        registry.register(
            "bounces",
            "Reports of messages that came back, by kind; those told to `nabz bounce` are not among them",
            self.bounces.clone(),
        );
        registry.register("outbox_waiting", "Messages waiting to leave, by carrier", self.outbox_waiting.clone());
        registry.register(
            "outbox_oldest_seconds",
            "How long the oldest due message has been waiting, by carrier",
            self.outbox_oldest_seconds.clone(),
        );
    }

    /// Counts an answered request.
    pub fn request(&self, route: &str, method: &str, status: u16, seconds: f64) {
        let labels = vec![("route", route.to_owned()), ("method", method.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.observe(seconds);
    }

    /// Counts votes by what became of them.
    pub fn votes(&self, outcome: &'static str, count: u64) {
        self.votes.get_or_create(&vec![("outcome", outcome.to_owned())]).inc_by(count);
    }

    /// Notes how many votes one transaction held.
    pub fn vote_batch(&self, size: u32) {
        self.vote_batch.observe(f64::from(size));
    }

    /// Counts a decision.
    pub fn decision(&self, outcome: &str, reason: &str) {
        self.decisions.get_or_create(&vec![("outcome", outcome.to_owned()), ("reason", reason.to_owned())]).inc();
    }

    /// Counts a settled claim of a message by its channel and how it ended.
    pub fn delivery(&self, channel: &str, outcome: &str) {
        self.deliveries.get_or_create(&vec![("channel", channel.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    /// Counts a report of a message that came back.
    pub fn bounce(&self, kind: &str) {
        self.bounces.get_or_create(&vec![("kind", kind.to_owned())]).inc();
    }

    /// Sets how many messages wait for each carrier, and for how many seconds the first of them has been due. Endpoints are added up.
    pub fn outbox<'a>(&self, queues: impl Iterator<Item = (&'a str, i64, i64)>) {
        // Of a carrier for which nothing waits any more nothing is told.
        self.outbox_waiting.clear();
        self.outbox_oldest_seconds.clear();
        for (carrier, waiting, oldest_seconds) in queues {
            let labels = vec![("carrier", carrier.split_once("endpoint/").map_or(carrier, |_| "endpoint").to_owned())];
            self.outbox_waiting.get_or_create(&labels).inc_by(waiting);
            let oldest = self.outbox_oldest_seconds.get_or_create(&labels);
            oldest.set(oldest.get().max(oldest_seconds));
        }
    }

    /// The text a Prometheus reads (`OpenMetrics` 1.0).
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
