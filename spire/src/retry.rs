//! How long to wait before the next try: twice as long each time, up to a limit, with jitter so that a thousand sidecars of one
//! node don't knock at the same moment.

use std::time::Duration;

/// The wait after the first failure, before jitter.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
pub const MAX_RETRY_WAIT: Duration = Duration::from_secs(10);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// The wait before the next try. `jitter` in 0.0..=1.0 places it between half of the full wait and the whole of it.
    pub(crate) fn next_wait(&mut self, jitter: f64) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let full = FIRST_WAIT.saturating_mul(factor).min(MAX_RETRY_WAIT);
        full.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }

    /// After a success the next wait is the first one again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_start_over() {
        let mut retry = Retry::default();
        let waits: Vec<u128> = (0..9).map(|_| retry.next_wait(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        retry.reset();
        assert_eq!(retry.next_wait(1.0).as_millis(), 100);
    }

    #[test]
    fn jitter_stays_between_half_and_whole_however_often_it_fails() {
        let mut retry = Retry::default();
        for round in 0..100 {
            let jitter = if round % 2 == 0 { -3.0 } else { 7.0 };
            let wait = retry.next_wait(jitter);
            assert!(wait >= FIRST_WAIT / 2 && wait <= MAX_RETRY_WAIT, "{wait:?}");
        }
    }
}
