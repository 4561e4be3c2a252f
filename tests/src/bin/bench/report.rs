//! From measurements to the table: medians over rounds, and ratios that are taken within each round before their median
//! is.

use std::fmt::Write as _;

use crate::load::Measured;
use crate::rows::Row;

/// One row in one round.
#[derive(Clone)]
pub(crate) struct Sample {
    /// Which row.
    pub(crate) row: Row,
    /// What the load generator saw.
    pub(crate) measured: Measured,
    /// CPU seconds of the proxy in the window.
    pub(crate) cpu_seconds: f64,
    /// Events that did not fit into the queue, since the proxy's start.
    pub(crate) events_dropped: u64,
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests, far below 2^52")]
    fn answered(&self) -> f64 {
        self.measured.answered as f64
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answered() / self.measured.seconds
    }

    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.answered()
    }

    /// Of the proxy's core, in percent: near 100 where the proxy was what limited the rate.
    fn busy(&self) -> f64 {
        self.cpu_seconds * 100.0 / self.measured.seconds
    }
}

/// The table in Markdown, of the rows that were measured.
pub(crate) fn table(rounds: &[Vec<Sample>]) -> String {
    let mut out = String::from(
        "| row | requests/s | p50 ms | p99 ms | CPU µs/request | core 0 busy | requests/s to Envoy | CPU, Envoy to row | failed | events dropped |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in Row::ALL.into_iter().filter(|row| rounds.iter().any(|round| sample(round, *row).is_some())) {
        let of = |value: &dyn Fn(&Sample) -> f64| {
            median(rounds.iter().filter_map(|round| sample(round, row)).map(value).collect())
        };
        let ratio = |value: &dyn Fn(&Sample, &Sample) -> f64| {
            median(
                rounds
                    .iter()
                    .filter_map(|round| Some(value(sample(round, row)?, sample(round, Row::Envoy)?)))
                    .collect(),
            )
        };
        let failed: u64 =
            rounds.iter().filter_map(|round| sample(round, row)).map(|sample| sample.measured.failed).sum();
        let dropped: u64 =
            rounds.iter().filter_map(|round| sample(round, row)).map(|sample| sample.events_dropped).sum();
        let cells = [
            row.name().to_owned(),
            format!("{:.0}", of(&Sample::per_second)),
            format!("{:.2}", of(&|sample| f64::from(sample.measured.p50_us) / 1e3)),
            format!("{:.2}", of(&|sample| f64::from(sample.measured.p99_us) / 1e3)),
            format!("{:.1}", of(&Sample::cpu_us)),
            format!("{:.0} %", of(&Sample::busy)),
            times(ratio(&|row, envoy| row.per_second() / envoy.per_second())),
            times(ratio(&|row, envoy| envoy.cpu_us() / row.cpu_us())),
            failed.to_string(),
            dropped.to_string(),
        ];
        // Writing to a String can't fail.
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// A dash where Envoy was not measured.
fn times(ratio: f64) -> String {
    if ratio.is_nan() { "–".to_owned() } else { format!("{ratio:.2}x") }
}

fn sample(round: &[Sample], row: Row) -> Option<&Sample> {
    round.iter().find(|sample| sample.row == row)
}

/// The middle value, or the mean of the two in the middle; NaN of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match (values.get(half), half.checked_sub(1).and_then(|below| values.get(below))) {
        (Some(upper), Some(lower)) if values.len().is_multiple_of(2) => f64::midpoint(*upper, *lower),
        (Some(middle), _) => *middle,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_of(row: Row, answered: u64, cpu_seconds: f64) -> Sample {
        let measured = Measured { answered, failed: 0, seconds: 10.0, p50_us: 1000, p99_us: 2000, first_failure: None };
        Sample { row, measured, cpu_seconds, events_dropped: 1 }
    }

    #[test]
    fn medians() {
        for (values, expected) in [(vec![1.0], 1.0), (vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 3.0, 2.0], 2.5)] {
            assert!((median(values) - expected).abs() < f64::EPSILON);
        }
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let rounds = vec![
            vec![sample_of(Row::Envoy, 100_000, 10.0), sample_of(Row::Decision, 200_000, 10.0)],
            // A round in which everything ran at half speed changes no ratio.
            vec![sample_of(Row::Decision, 100_000, 10.0), sample_of(Row::Envoy, 50_000, 10.0)],
        ];
        let table = table(&rounds);
        let row = table.lines().find(|line| line.contains(Row::Decision.name())).unwrap();
        assert_eq!(
            row,
            "| bellgate: identity + decision | 15000 | 1.00 | 2.00 | 75.0 | 100 % | 2.00x | 2.00x | 0 | 2 |"
        );
        assert_eq!(table.lines().count(), 4, "rows that were not measured are left out");
    }
}
