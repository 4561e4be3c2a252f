//! Capabilities by URN: fetched over mutual TLS, proved by their digest, kept in memory; and a folder of them served.
//!
//! [`Registry::fetch`] goes from a [`Urn`] and a [`Digest`] to bytes, and [`serve()`] is the other end, for development and for sites without a
//! network. Neither ever writes a file. The interface is the one that existing runtimes speak (`GET
//! /api/v1/registry/capabilities/{urn}/download`), with the name escaped, the digest proved and the peer known.
//!
//! | module | says |
//! | --- | --- |
//! | `urn` | one grammar over all that are in use, one canonical form |
//! | `digest`, `base` | SHA-256 and `https://`, parsed once |
//! | `fetch`, `cache`, `error` | the client |
//! | `folder`, `answer`, `serve` | the server |

mod answer;
mod base;
mod cache;
mod digest;
mod error;
mod fetch;
mod folder;
mod serve;
mod urn;

pub use base::{Base, BaseError};
pub use digest::{Digest, DigestError};
pub use error::FetchError;
pub use fetch::{FetchLimits, Registry, SetupError};
pub use folder::{Folder, FolderError, INDEX};
pub use serve::serve;
pub use urn::{URN_BYTES, Urn, UrnError};
