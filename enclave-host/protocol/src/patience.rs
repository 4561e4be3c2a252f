//! How long each side waits beyond a call's own wall clock. Both sides take the numbers from here, so that the host
//! always answers before the client gives up.

use std::time::Duration;

/// How long a call may wait for a worker; past it the host answers [`Cause::Busy`](crate::Cause::Busy).
pub const QUEUE: Duration = Duration::from_secs(5);
/// How long a worker may take to read and compile a module; past it the module is refused.
pub const COMPILE: Duration = Duration::from_secs(20);
/// What a worker has beyond the wall clock for stopping the guest and checking its output; past it it is killed.
pub const GRACE: Duration = Duration::from_millis(250);
/// How long the rest of a frame may take once its first byte is there, or an answer to be taken.
pub const FRAME: Duration = Duration::from_secs(10);
/// What the client gives the host on top of all that.
pub const MARGIN: Duration = Duration::from_secs(1);
