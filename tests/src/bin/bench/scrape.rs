//! What the gateway itself counted: a row that drops its events has not done its work, and the table says so.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Events that did not fit into the queue, all kinds together, since the gateway's start.
const EVENTS_DROPPED: &str = "bellgate_events_dropped_total";

/// Asks the metrics listener.
pub(crate) async fn events_dropped(listener: SocketAddr) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(listener)
        .await
        .with_context(|| format!("the metrics listener {listener} does not accept"))?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {listener}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    anyhow::ensure!(answer.starts_with("HTTP/1.1 200 "), "the metrics listener refuses: {:.60}", answer);
    anyhow::ensure!(
        answer.contains("bellgate_exchanges_total"),
        "the gateway's metrics have other names than this program knows"
    );
    sum(&answer, EVENTS_DROPPED)
}

/// The sum of one counter over its tags, in the Prometheus text format; a counter that never counted has no line.
fn sum(text: &str, name: &str) -> anyhow::Result<u64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit_once(' ')).flatten()
    });
    values.map(|(_, value)| value.parse::<u64>().with_context(|| format!("`{value}` is no count"))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_their_tags() {
        let text =
            "# TYPE a_total counter\na_total{kind=\"x\"} 3\na_total{kind=\"y z\"} 4\na_total_more 9\nb_total 1\n";
        for (name, expected) in [("a_total", 7), ("b_total", 1), ("c_total", 0)] {
            assert_eq!(sum(text, name).unwrap(), expected, "{name}");
        }
        assert!(sum("a_total x\n", "a_total").is_err());
    }
}
