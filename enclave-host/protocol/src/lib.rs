//! The messages between the gateway and the enclave host (`bellgate-enclave`), and between that host
//! and its workers. Pure: bytes in, values out; who reads and writes the sockets is the caller.
//!
//! # The stream
//!
//! A Unix stream socket carries frames. A frame is a head of 8 bytes and a body:
//!
//! ```text
//! byte 0      version, 1
//! byte 1      kind
//! bytes 2, 3  zero
//! bytes 4..8  length of the body, u32 big-endian
//! ```
//!
//! Every body starts with the call's number, a u64 chosen by the caller. All numbers are big-endian.
//!
//! | kind | message | sent by | body after the number | most bytes after the number |
//! | --- | --- | --- | --- | --- |
//! | 1 | [`Invoke`] | gateway | digest 32, memory u64, fuel u64, wall ms u64, input u64, output u64, entry length u8, entry, input | 201 + [`INPUT_BYTES_MAX`] |
//! | 2 | `NeedModule` | host | – | 0 |
//! | 3 | [`Module`] | gateway | digest 32, module | 32 + [`MODULE_BYTES_MAX`] |
//! | 4 | `Output` | host | output | [`OUTPUT_BYTES_MAX`] |
//! | 5 | `Fault` | host | [`Cause`] u8 | 1 |
//! | 6 | `Prepared` | worker | – | 0 |
//!
//! One call at a time on a connection; a client that wants more opens more. A call goes
//! `Invoke -> (NeedModule -> Module)? -> Output | Fault`. A module goes over the wire only if the
//! host does not hold it, and the host hashes it before it believes the digest. `Prepared` stays
//! inside the host: a worker says with it that the module is compiled and the guest's wall clock starts.
//!
//! # What holds
//!
//! - A length is compared with its kind's bound while only the head was read ([`Head::parse`]), so
//!   nobody can make the other side allocate more than a kind's bound.
//! - Whatever is no frame of this version is a [`FrameError`], after which the connection is closed:
//!   there is no way back into step, and none is tried.
//! - [`Limits`], [`Entry`] and [`ModuleDigest`] can't hold what the host would not enforce.
//!
//! # Absent on purpose
//!
//! Labels, subjects and URNs: the host knows none, so that what breaks out of a guest finds none.
//! `Debug` on anything with input, output or module bytes in it.

mod cause;
mod digest;
mod frame;
mod limits;
mod message;
pub mod patience;

pub use cause::{Cause, ManifestConformanceError};
pub use digest::{DigestError, ModuleDigest};
pub use frame::{FrameError, HEAD_BYTES, Head, INPUT_BYTES_MAX, Kind, MODULE_BYTES_MAX, OUTPUT_BYTES_MAX, VERSION};
pub use limits::{Entry, EntryError, Limits, LimitsError};
pub use message::{Encoded, Invoke, Message, Module};
