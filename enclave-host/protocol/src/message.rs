//! The messages, read from and written to frames. Payloads are never copied: reading slices the body, writing hands the
//! payload back beside its head.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{
    cause::Cause,
    digest::ModuleDigest,
    frame::{FrameError, HEAD_BYTES, Head, INPUT_BYTES_MAX, Kind},
    limits::{Entry, Limits},
};

/// A call. No `Debug`: it holds the input.
#[derive(Clone, PartialEq, Eq)]
pub struct Invoke {
    /// The call's number, repeated in every answer.
    pub number: u64,
    /// Which module.
    pub digest: ModuleDigest,
    /// What the call may use.
    pub limits: Limits,
    /// The exported function to run.
    pub entry: Entry,
    /// Input bytes, at most [`INPUT_BYTES_MAX`].
    pub input: Bytes,
}

/// A module's bytes, with the digest that they should have. No `Debug`: it holds the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Module {
    /// The number of the call that needs it.
    pub number: u64,
    /// What the sender says the SHA-256 is; the receiver computes it.
    pub digest: ModuleDigest,
    /// The module, at most [`MODULE_BYTES_MAX`](crate::MODULE_BYTES_MAX) bytes.
    pub bytes: Bytes,
}

/// One message. No `Debug`: it holds payloads.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Run this.
    Invoke(Invoke),
    /// Send me the module of the call with this number.
    NeedModule(u64),
    /// The module.
    Module(Module),
    /// The result of the call with this number.
    Output(u64, Bytes),
    /// The call with this number has no result.
    Fault(u64, Cause),
    /// The module of the call with this number is compiled.
    Prepared(u64),
}

/// A message ready to be written: `head`, then `payload`.
pub struct Encoded {
    /// The frame's head and the fixed part of its body.
    pub head: Bytes,
    /// Input, module or output bytes; empty for the rest.
    pub payload: Bytes,
}

impl Message {
    /// What the message is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invoke(_) => Kind::Invoke,
            Self::NeedModule(_) => Kind::NeedModule,
            Self::Module(_) => Kind::Module,
            Self::Output(..) => Kind::Output,
            Self::Fault(..) => Kind::Fault,
            Self::Prepared(_) => Kind::Prepared,
        }
    }

    /// What this message answers to the call with this number.
    ///
    /// # Errors
    ///
    /// [`FrameError::OutOfTurn`] if it is no answer, or another call's.
    pub fn into_answer(self, number: u64) -> Result<Result<Bytes, Cause>, FrameError> {
        let out_of_turn = FrameError::OutOfTurn(self.kind());
        match self {
            Self::Output(of, output) if of == number => Ok(Ok(output)),
            Self::Fault(of, cause) if of == number => Ok(Err(cause)),
            Self::Invoke(_)
            | Self::NeedModule(_)
            | Self::Module(_)
            | Self::Output(..)
            | Self::Fault(..)
            | Self::Prepared(_) => Err(out_of_turn),
        }
    }

    /// Reads the body of a frame whose head was read.
    ///
    /// # Errors
    ///
    /// If the body is not as long as `head` says, its fields do not fill it, or a field is out of its bounds.
    pub fn parse(head: Head, mut body: Bytes) -> Result<Self, FrameError> {
        let kind = head.kind();
        let shape = || FrameError::Body(kind);
        if usize::try_from(head.length()) != Ok(body.len()) {
            return Err(shape());
        }
        let number = body.try_get_u64().map_err(|_| shape())?;
        let message = match kind {
            Kind::Invoke => return Self::parse_invoke(number, body).map(Self::Invoke),
            Kind::NeedModule => Self::NeedModule(number),
            Kind::Module => {
                let digest = take_digest(&mut body).ok_or_else(shape)?;
                return Ok(Self::Module(Module { number, digest, bytes: body }));
            }
            Kind::Output => return Ok(Self::Output(number, body)),
            Kind::Fault => {
                let cause = body.try_get_u8().map_err(|_| shape())?;
                Self::Fault(number, Cause::from_wire(cause).ok_or(FrameError::Cause(cause))?)
            }
            Kind::Prepared => Self::Prepared(number),
        };
        if body.is_empty() { Ok(message) } else { Err(shape()) }
    }

    fn parse_invoke(number: u64, mut body: Bytes) -> Result<Invoke, FrameError> {
        let shape = || FrameError::Body(Kind::Invoke);
        let digest = take_digest(&mut body).ok_or_else(shape)?;
        let mut limits = [0; 5];
        for limit in &mut limits {
            *limit = body.try_get_u64().map_err(|_| shape())?;
        }
        let [memory_bytes, fuel, wall_ms, input_bytes, output_bytes] = limits;
        let limits = Limits::new(memory_bytes, fuel, wall_ms, input_bytes, output_bytes)?;
        let length = usize::from(body.try_get_u8().map_err(|_| shape())?);
        if body.len() < length {
            return Err(shape());
        }
        let entry = body.split_to(length);
        let entry = Entry::new(std::str::from_utf8(&entry).map_err(|_| shape())?)?;
        if usize::try_from(INPUT_BYTES_MAX).is_ok_and(|most| body.len() > most) {
            return Err(shape());
        }
        Ok(Invoke { number, digest, limits, entry, input: body })
    }

    /// The bytes to write for this message.
    ///
    /// # Errors
    ///
    /// If a payload is longer than its kind allows, so that the other side would refuse the frame.
    pub fn encode(self) -> Result<Encoded, FrameError> {
        let kind = self.kind();
        let mut fields = BytesMut::with_capacity(256);
        fields.put_bytes(0, HEAD_BYTES);
        let payload = match self {
            Self::Invoke(call) => {
                let limits = &call.limits;
                fields.put_u64(call.number);
                fields.put_slice(call.digest.as_bytes());
                fields.put_u64(limits.memory_bytes());
                fields.put_u64(limits.fuel());
                fields.put_u64(limits.wall_ms());
                fields.put_u64(limits.input_bytes());
                fields.put_u64(limits.output_bytes());
                let entry = call.entry.as_str();
                fields.put_u8(u8::try_from(entry.len()).map_err(|_| FrameError::Body(kind))?);
                fields.put_slice(entry.as_bytes());
                if usize::try_from(INPUT_BYTES_MAX).is_ok_and(|most| call.input.len() > most) {
                    return Err(FrameError::Body(kind));
                }
                call.input
            }
            Self::Module(module) => {
                fields.put_u64(module.number);
                fields.put_slice(module.digest.as_bytes());
                module.bytes
            }
            Self::Output(number, output) => {
                fields.put_u64(number);
                output
            }
            Self::Fault(number, cause) => {
                fields.put_u64(number);
                fields.put_u8(cause.wire());
                Bytes::new()
            }
            Self::NeedModule(number) | Self::Prepared(number) => {
                fields.put_u64(number);
                Bytes::new()
            }
        };
        let body = (fields.len() - HEAD_BYTES).saturating_add(payload.len());
        let length = u32::try_from(body).map_err(|_| FrameError::Body(kind))?;
        let head = Head::new(kind, length)?.to_bytes();
        for (place, byte) in fields.iter_mut().zip(head) {
            *place = byte;
        }
        Ok(Encoded { head: fields.freeze(), payload })
    }
}

impl Encoded {
    /// Head and payload in one piece; for tests and small messages.
    #[must_use]
    pub fn joined(self) -> Bytes {
        [self.head, self.payload].concat().into()
    }
}

fn take_digest(body: &mut Bytes) -> Option<ModuleDigest> {
    let mut digest = [0; 32];
    body.try_copy_to_slice(&mut digest).ok()?;
    Some(ModuleDigest::new(digest))
}
