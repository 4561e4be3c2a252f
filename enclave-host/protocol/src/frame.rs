//! The head of a frame: version, kind and a length that was compared with its bound before anybody allocates.

use crate::limits::{EntryError, LimitsError};

/// Version of the protocol.
pub const VERSION: u8 = 1;
/// Bytes of a frame's head.
pub const HEAD_BYTES: usize = 8;
/// Most input bytes of a call: 16 MiB.
pub const INPUT_BYTES_MAX: u32 = 16 << 20;
/// Most bytes of a module: 16 MiB.
pub const MODULE_BYTES_MAX: u32 = 16 << 20;
/// Most output bytes of a call: 64 MiB.
pub const OUTPUT_BYTES_MAX: u32 = 64 << 20;

/// The call's number, which every body starts with.
pub(crate) const NUMBER_BYTES: u32 = 8;
/// Digest, five limits, and the entry's length.
pub(crate) const INVOKE_FIXED_BYTES: u32 = 32 + 5 * 8 + 1;
pub(crate) const ENTRY_BYTES_MAX: u32 = 128;
pub(crate) const DIGEST_BYTES: u32 = 32;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call.
    Invoke,
    /// The host does not hold the module.
    NeedModule,
    /// A module's bytes.
    Module,
    /// The result.
    Output,
    /// No result, and why.
    Fault,
    /// A worker has compiled the module; the guest's clock starts.
    Prepared,
}

impl Kind {
    pub(crate) fn wire(self) -> u8 {
        match self {
            Self::Invoke => 1,
            Self::NeedModule => 2,
            Self::Module => 3,
            Self::Output => 4,
            Self::Fault => 5,
            Self::Prepared => 6,
        }
    }

    fn from_wire(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Invoke),
            2 => Some(Self::NeedModule),
            3 => Some(Self::Module),
            4 => Some(Self::Output),
            5 => Some(Self::Fault),
            6 => Some(Self::Prepared),
            _ => None,
        }
    }

    /// The shortest and the longest body of this kind, in bytes.
    #[must_use]
    pub fn bounds(self) -> (u32, u32) {
        match self {
            Self::Invoke => (
                NUMBER_BYTES + INVOKE_FIXED_BYTES + 1,
                NUMBER_BYTES + INVOKE_FIXED_BYTES + ENTRY_BYTES_MAX + INPUT_BYTES_MAX,
            ),
            Self::NeedModule | Self::Prepared => (NUMBER_BYTES, NUMBER_BYTES),
            Self::Module => (NUMBER_BYTES + DIGEST_BYTES, NUMBER_BYTES + DIGEST_BYTES + MODULE_BYTES_MAX),
            Self::Output => (NUMBER_BYTES, NUMBER_BYTES + OUTPUT_BYTES_MAX),
            Self::Fault => (NUMBER_BYTES + 1, NUMBER_BYTES + 1),
        }
    }
}

/// A frame's head, with a length within the bounds of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    kind: Kind,
    length: u32,
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    ///
    /// If the version, the kind or the reserved bytes are others than this version has, or the
    /// length is out of its kind's bounds.
    pub fn parse(bytes: [u8; HEAD_BYTES]) -> Result<Self, FrameError> {
        let [version, kind, reserved @ .., l0, l1, l2, l3] = bytes;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let kind = Kind::from_wire(kind).ok_or(FrameError::Kind(kind))?;
        if reserved != [0, 0] {
            return Err(FrameError::Reserved);
        }
        Self::new(kind, u32::from_be_bytes([l0, l1, l2, l3]))
    }

    pub(crate) fn new(kind: Kind, length: u32) -> Result<Self, FrameError> {
        let (least, most) = kind.bounds();
        if (least..=most).contains(&length) {
            Ok(Self { kind, length })
        } else {
            Err(FrameError::Length { kind, length, least, most })
        }
    }

    /// What the frame is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes of the body.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.length
    }

    pub(crate) fn to_bytes(self) -> [u8; HEAD_BYTES] {
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [VERSION, self.kind.wire(), 0, 0, l0, l1, l2, l3]
    }
}

/// Bytes that are no frame of this version. The connection can't be used any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version, or something else than this protocol.
    #[error("the frame has version {0}, this side speaks {VERSION}; run gateway and enclave host of one release")]
    Version(u8),
    /// A kind that this version does not have.
    #[error("the frame has the unknown kind {0}")]
    Kind(u8),
    /// A kind that is not due now.
    #[error("a frame of kind {0:?} came out of turn")]
    OutOfTurn(Kind),
    /// Reserved bytes that are not zero.
    #[error("the frame's reserved bytes are not zero")]
    Reserved,
    /// A length out of the bounds of its kind.
    #[error("a frame of kind {kind:?} states {length} bytes; its bounds are {least} and {most}")]
    Length {
        /// The frame's kind.
        kind: Kind,
        /// The stated length in bytes.
        length: u32,
        /// The shortest body of the kind.
        least: u32,
        /// The longest body of the kind.
        most: u32,
    },
    /// A body that ends before its fields do, or goes on after them.
    #[error("a frame of kind {0:?} has a body of the wrong shape")]
    Body(Kind),
    /// An entry name that is none.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A limit out of its bounds.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// A cause that this version does not have.
    #[error("the frame has the unknown cause {0}")]
    Cause(u8),
}
