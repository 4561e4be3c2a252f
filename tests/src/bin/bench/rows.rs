//! The rows of the table: Envoy, then the gateway with one part more in each; and the rows that are compared in pairs.

/// One row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Row {
    /// mTLS, and RBAC on the URI SAN.
    Envoy,
    /// mTLS, the peer verified, the label decision.
    Decision,
    /// Also the body against its JSON Schema, before any upstream connection.
    Validation,
    /// Also metrics, and each exchange and decision as an event in the queue; what leaves the queue is held in memory
    /// and not stored within the window.
    Events,
    /// Also refinement into Parquet, every second, on the same core.
    Parquet,
    /// As `validation`, between static subjects for which gateways speak: the caller's label is stated and read.
    Static,
    /// The same between floating subjects: a watermark is read, and raised by the first request.
    Floating,
    /// The same, and each delivered request opens a handle, as far as their limit goes.
    Handles,
}

impl Row {
    /// In the order of the table; the first is what the others are compared with.
    pub(crate) const ALL: [Self; 5] = [Self::Envoy, Self::Decision, Self::Validation, Self::Events, Self::Parquet];

    /// As the table says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy: mTLS + RBAC on the URI SAN",
            Self::Decision => "bellgate: identity + decision",
            Self::Validation => "+ manifest validation",
            Self::Events => "+ metrics, events queued",
            Self::Parquet => "+ refinement to Parquet",
            Self::Static => "static labels",
            Self::Floating => "floating labels",
            Self::Handles => "floating labels, handles",
        }
    }

    /// The body is checked.
    pub(crate) fn validates(self) -> bool {
        !matches!(self, Self::Envoy | Self::Decision)
    }

    /// The label that the caller's gateway states, where one speaks for it.
    pub(crate) fn stated(self) -> Option<&'static str> {
        matches!(self, Self::Static | Self::Floating | Self::Handles).then_some("STANDARD")
    }

    /// Metrics and events.
    pub(crate) fn observes(self) -> bool {
        matches!(self, Self::Events | Self::Parquet)
    }

    /// Events are stored within the window.
    pub(crate) fn stores(self) -> bool {
        matches!(self, Self::Parquet)
    }
}
