//! Two rows side by side: what one part costs, as a ratio that holds on a noisy machine.
//!
//! First the first row alone in a closed loop: what saturates it. Then pairs, one window of each row right after the
//! other, the order changing from pair to pair, in an open loop at half of that. Ratios are taken within a pair; the
//! median over the pairs and the middle half of them are told.

use crate::report::{Sample, median};
use crate::rows::Row;
use crate::run::{Bench, Windows};

/// What `pairs` is told.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    windows: Windows,
    /// The row that is the measure.
    #[arg(long, value_enum, default_value = "static")]
    base: Row,
    /// The row that is compared with it.
    #[arg(long, value_enum, default_value = "floating")]
    with: Row,
    /// How many pairs.
    #[arg(long, default_value_t = 10)]
    pairs: usize,
    /// Requests a second; half of what the base row answers in a closed loop where left out.
    #[arg(long)]
    rate: Option<f64>,
}

/// Measures the pairs and prints what came of them.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    anyhow::ensure!((1..=100).contains(&options.pairs), "--pairs must lie between 1 and 100");
    anyhow::ensure!(
        options.rate.is_none_or(|rate| (1.0..=1e6).contains(&rate)),
        "--rate must lie between 1 and 1,000,000 requests a second"
    );
    let windows = &options.windows;
    let (rate, pairs) = windows.in_folder(async |folder| measure(&options, folder).await).await?;
    println!(
        "{} pairs of {} s, open loop at {rate:.0} requests/s over {} connections, proxy on a core of its own. {} / {}:\n",
        pairs.len(),
        windows.seconds,
        windows.connections,
        options.with.name(),
        options.base.name()
    );
    println!("| | median of ratios | middle half | medians |\n| --- | ---: | ---: | ---: |");
    line("CPU a request", "µs", &pairs, Sample::cpu_us);
    line("p50", "ms", &pairs, |sample| f64::from(sample.measured.p50_us) / 1e3);
    line("p99", "ms", &pairs, |sample| f64::from(sample.measured.p99_us) / 1e3);
    let failed: u64 = pairs.iter().flatten().map(|sample| sample.measured.failed).sum();
    println!("\nfailed: {failed}");
    anyhow::ensure!(failed == 0, "a comparison with failures is none");
    Ok(())
}

async fn measure(options: &Options, folder: &std::path::Path) -> anyhow::Result<(f64, Vec<[Sample; 2]>)> {
    let bench = Bench::start(&options.windows, folder).await?;
    let rate = match options.rate {
        Some(rate) => rate,
        None => bench.measure(options.base, None).await?.per_second() / 2.0,
    };
    let mut pairs = Vec::new();
    for number in 0..options.pairs {
        eprint!("pair {} of {}, ", number.saturating_add(1), options.pairs);
        pairs.push(if number.is_multiple_of(2) {
            let base = bench.measure(options.base, Some(rate)).await?;
            [base, bench.measure(options.with, Some(rate)).await?]
        } else {
            let with = bench.measure(options.with, Some(rate)).await?;
            [bench.measure(options.base, Some(rate)).await?, with]
        });
    }
    Ok((rate, pairs))
}

fn line(what: &str, unit: &str, pairs: &[[Sample; 2]], value: impl Fn(&Sample) -> f64) {
    let ratios: Vec<f64> = pairs.iter().map(|[base, with]| value(with) / value(base)).collect();
    let (low, high) = middle_half(ratios.clone());
    let [base, with] = [0, 1].map(|side| median(pairs.iter().filter_map(|pair| pair.get(side)).map(&value).collect()));
    println!("| {what} | {:.3}x | {low:.3} – {high:.3} | {base:.2} → {with:.2} {unit} |", median(ratios));
}

/// The first and the third quartile, by nearest rank.
fn middle_half(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| {
        let rank = values.len().saturating_mul(quarter).div_ceil(4).saturating_sub(1);
        values.get(rank).copied().unwrap_or(f64::NAN)
    };
    (at(1), at(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_by_nearest_rank() {
        for (values, expected) in [
            (vec![1.0], (1.0, 1.0)),
            (vec![4.0, 1.0, 3.0, 2.0], (1.0, 3.0)),
            ((1..=10).map(f64::from).collect(), (3.0, 8.0)),
        ] {
            assert_eq!(middle_half(values), expected);
        }
    }
}
