//! What the data path calls, each of which can be left out.

/// A call of the data path, or its place in the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// `Watermark::reading` and `reading_of`, for the question.
    Reading,
    /// `Watermark::raise` when an answer is released.
    RaiseOnRelease,
    /// That it comes before the bytes.
    RaiseFirst,
    /// `Watermark::raise` when a request is delivered.
    RaiseOnDelivery,
    /// The delivery of a stream is labelled like its object.
    StreamIsObject,
    /// A later chunk of a request is delivered anew, where the version moved.
    DeliverAnew,
    /// A later chunk of an answer counts again, where the version moved.
    ChunkCounts,
    /// A chunk upwards is decided anew, where the version moved.
    UpwardChunk,
    /// A chunk of an answer ends, where the server's label rose.
    AnswerChunk,
    /// The serving workload's label goes into `release`.
    ServingLabel,
    /// What `release` says.
    Release,
    /// `Watermark::passing`.
    Passing,
    /// `raise` and not `raise_under` without a handle.
    RaiseAll,
    /// `open_handle` at the workload's own label, where the workload opens it.
    OpenAtOwn,
    /// What is read under a handle raises the instance.
    RaiseInstance,
    /// `Watermark::open` on what there was.
    Reopen,
    /// `Watermark::rebase` before a new policy.
    Rebase,
    /// That a new policy decides open flows anew.
    Replaced,
    /// And gives open answers the label that they have under it.
    LabelAnew,
    /// `Watermark::spend`.
    Spend,
    /// The guard on the way out.
    EgressGuard,
    /// The guard on the way back.
    ReleaseGuard,
}
