//! Ends open flows that may not go on, also those on which nothing moves.
//!
//! A chunk under way is decided by the filters it passes, exactly. On a flow that is idle no filter is called, so one task looks
//! after all of them: it is called when the watermark moves or the policy is replaced, decides every open flow anew and ends
//! those that are not permitted any more. It also compares the versions itself a few times a second, and decides flows again
//! whose permission can run out: rules with a date give no call.
//!
//! Bounded: after a pass it rests, four times as long as the pass took within [`REST`] and [`LONGEST_REST`], so that a workload
//! which makes labels move all the time costs a fifth of one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use tokio::time::{sleep, timeout};

use crate::core::Core;
use crate::vigil;

/// How often the versions are compared without a call.
const GLANCE: Duration = Duration::from_millis(250);
/// At least this long between two passes.
const REST: Duration = Duration::from_millis(10);
/// At most this long: what is idle ends within a second.
const LONGEST_REST: Duration = Duration::from_millis(400);

/// The task that looks after open flows.
pub(crate) struct Watchman(pub(crate) Arc<Core>);

/// What a pass was made with.
#[derive(PartialEq, Eq)]
struct Seen {
    version: Option<u64>,
    snapshot: usize,
}

#[async_trait]
impl BackgroundService for Watchman {
    /// Goes on while the process does: flows that are open at a graceful stop are flows.
    async fn start(&self, _shutdown: ShutdownWatch) {
        let mut seen = self.seen();
        loop {
            let called = timeout(GLANCE, self.0.flows.called()).await.is_ok();
            let now = self.seen();
            let began = Instant::now();
            self.pass(called || now != seen);
            seen = now;
            sleep((began.elapsed() * 4).clamp(REST, LONGEST_REST)).await;
        }
    }
}

impl Watchman {
    /// Read before a pass, so that what moves during it is seen by the next.
    fn seen(&self) -> Seen {
        Seen {
            version: self.0.own.load().as_ref().map(|own| own.watermark.version()),
            snapshot: Arc::as_ptr(&self.0.snapshot.load()) as usize,
        }
    }

    /// Decides every flow anew, or only those whose permission can run out.
    fn pass(&self, moved: bool) {
        let core = &self.0;
        for flow in core.flows.open() {
            if (moved || vigil::can_expire(&flow))
                && !flow.is_ended()
                && let Err(why) = vigil::may_go_on(core, &flow)
            {
                flow.end(why);
            }
        }
    }
}
