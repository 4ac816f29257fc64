//! Repeated measurements and their medians.

use super::crowd::Outcome;

/// The same measurement, once for each round.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<Sample>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    rate: f64,
    p50: f64,
    p99: f64,
    cpu: f64,
    refused: usize,
    memory: f64,
}

impl Series {
    /// Adds the next round.
    pub fn add(&mut self, outcome: &Outcome) {
        let &Outcome { rate, p50, p99, cpu, refused, memory, .. } = outcome;
        self.0.push(Sample { rate, p50, p99, cpu, refused, memory });
    }

    /// Answers in a second.
    pub fn rate(&self) -> f64 {
        self.median(|sample| sample.rate)
    }

    /// Milliseconds that half of the answers took at most.
    pub fn p50(&self) -> f64 {
        self.median(|sample| sample.p50)
    }

    /// Milliseconds that 99 of 100 answers took at most.
    pub fn p99(&self) -> f64 {
        self.median(|sample| sample.p99)
    }

    /// Microseconds of the server's processor time for one answer.
    pub fn cpu(&self) -> f64 {
        self.median(|sample| sample.cpu)
    }

    /// The most MB that the server ever had in memory by the end of a round.
    pub fn memory(&self) -> f64 {
        self.0.iter().map(|sample| sample.memory).fold(0.0, f64::max)
    }

    /// Answers of 503 in all rounds.
    pub fn refused(&self) -> usize {
        self.0.iter().map(|sample| sample.refused).sum()
    }

    /// How many times the rate of `other` this is: the median of the ratios within each round.
    pub fn times(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(one, two)| one.rate / two.rate).collect())
    }

    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.0.iter().map(figure).collect())
    }
}

/// The middle value, or the mean of the middle two; not a number where there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2);
    let lower = values.get(values.len().saturating_sub(1) / 2);
    match (lower, upper) {
        (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
        _ => f64::NAN,
    }
}
