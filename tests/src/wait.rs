//! Waiting for what happens, with a deadline.

use std::future::Future;
use std::time::{Duration, Instant};

/// Nothing in these tests takes longer on two busy cores; who waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at something that can't tell by itself.
const LOOK: Duration = Duration::from_millis(10);

/// The value of `look` once it has one.
///
/// # Panics
/// After [`PATIENCE`], saying `what` did not happen.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "did not happen within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The output of `future`.
///
/// # Panics
/// After [`PATIENCE`], saying `what` did not happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen within {PATIENCE:?}: {what}"),
    }
}
