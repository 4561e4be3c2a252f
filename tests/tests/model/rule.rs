//! The rules of the protocol, each of which can be taken out.

/// A rule that the data path follows (`design/labels.md`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Information leaves only to objects that dominate the sender's current label.
    StarCheck,
    /// The answer is not above the clearance of who asked; asked by both gateways.
    AnswerCheck,
    /// An answer carries the current label of the workload that gave it.
    ServingLabel,
    /// What is released raises the watermark of its reader.
    RaiseOnRelease,
    /// That happens before the bytes go, not after.
    RaiseBeforeRelease,
    /// And is on disk before they go.
    DurableBeforeRelease,
    /// It is counted when it is released, not when it was asked for.
    CountedAtRelease,
    /// Each chunk of an answer counts again where the label does not dominate it any more (a reset, a new handle).
    RaiseOnEachAnswerChunk,
    /// A request that reaches a workload raises that workload's watermark.
    RaiseOnDelivery,
    /// Each later chunk of a request raises it by the object's label.
    RaiseOnEachUpwardChunk,
    /// An answer that is open ends once its server's label rises above what the head stated.
    OpenAnswersAnew,
    /// A request that is open ends once its object does not dominate the sender's label any more.
    OpenRequestsAnew,
    /// An accepted append states the label that it had when it was accepted.
    AppendKeepsItsLabel,
    /// After a crash a watermark is what it was.
    RestartAtWhatItWas,
    /// Where the state is lost, it starts at the highest clearance that there ever was here.
    LostStateAtClearance,
    /// What is observed under a handle raises the workload's own watermark too.
    HandleRaisesOwn,
    /// What comes without a handle raises all open handles.
    HandlelessRaisesHandles,
    /// After a reset a watermark is no lower than what is being passed on at that instant.
    ResetKeepsWhatPasses,
    /// A new handle is no lower than what is being passed on without a handle.
    NewHandleKeepsWhatPasses,
    /// A handle that the workload opens starts at the workload's own watermark.
    HandleStartsAtOwn,
    /// A new policy finds the watermark raised by the outgoing floor.
    ReloadKeepsFloor,
    /// Open flows are decided under the new policy.
    ReloadDecidesAnew,
    /// A gateway refuses before sending what its workload may not observe.
    SimpleSecurityBeforeSending,
    /// The callee's gateway decides the request again.
    CalleeDecides,
    /// The callee's gateway asks whether the answer is above the caller's clearance.
    CalleeAnswerCheck,
}
