//! What a caller that was refused can do next, as far as this policy offers it.

/// One way on.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Remedy {
    /// What to do, as a code: `fresh-instance`, `handle`, `guard`, `append`, `trusted-subject`, `task`, `reset` and others.
    pub action: &'static str,
    /// The same for a person: one sentence.
    pub text: String,
}
