//! Where one WebSocket frame ends and the next begins (RFC 6455 section 5.2), and the frame that says goodbye.
//!
//! Bytes of an upgraded connection pass in pieces that have nothing to do with frames. A close frame put into the middle of
//! another would be read as its payload, so whoever wants to say goodbye has to know whether a frame has just ended. Each
//! direction of a connection has a [`Frames`], which is shown every byte that passes. It holds 14 bytes at most, reads heads
//! alone, and does not look at payloads, masks or fragments: between the fragments of a message a control frame may stand.

use bytes::Bytes;

/// Policy violation (RFC 6455 section 7.4.1).
const STATUS: u16 = 1008;
/// What a person reads in the log of the other side.
const WHY: &[u8] = b"flow-ended";
const FINAL_CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;
/// The longest head: two bytes, a length of eight, a mask of four.
const HEAD: usize = 14;

/// Follows one direction of a connection.
#[derive(Clone, Default)]
pub(crate) struct Frames {
    head: [u8; HEAD],
    have: usize,
    payload_left: u64,
    closing: bool,
    lost: bool,
}

impl Frames {
    /// These bytes have passed.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload_left > 0 {
                let skip = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len());
                self.payload_left -= skip as u64;
                bytes = bytes.get(skip..).unwrap_or_default();
                continue;
            }
            self.take(*first);
            bytes = rest;
        }
    }

    /// Whether a close frame may stand here: no frame is half-way, and none that closes has passed.
    pub(crate) fn may_close(&self) -> bool {
        self.have == 0 && self.payload_left == 0 && !self.closing && !self.lost
    }

    /// A byte of a head.
    fn take(&mut self, byte: u8) {
        if let Some(place) = self.head.get_mut(self.have) {
            *place = byte;
        }
        self.have += 1;
        let Some(needed) = self.needed() else { return };
        if self.have < needed {
            return;
        }
        let [first, second, ..] = self.head;
        let length = match second & !MASKED {
            126 => self.number(2),
            127 => self.number(8),
            short => u64::from(short),
        };
        // The most significant bit must be 0: whoever sets it does not send frames.
        self.lost |= length > u64::MAX / 2;
        self.closing |= first & 0x0f == 0x08;
        self.payload_left = length;
        self.have = 0;
    }

    /// Bytes of the present head, once two of them are here to say so.
    fn needed(&self) -> Option<usize> {
        if self.have < 2 {
            return None;
        }
        let [_, second, ..] = self.head;
        let length = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        Some(2 + length + if second & MASKED == 0 { 0 } else { 4 })
    }

    fn number(&self, bytes: usize) -> u64 {
        self.head.iter().skip(2).take(bytes).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

/// The close frame that a client is sent.
pub(crate) fn close_for_client() -> Bytes {
    let mut frame = vec![FINAL_CLOSE, length()];
    frame.extend_from_slice(&payload());
    frame.into()
}

/// The close frame that a server is sent: clients mask, with a key that nobody can foresee (RFC 6455 section 5.3).
pub(crate) fn close_for_server() -> Bytes {
    // The last bytes of a UUIDv7 are random.
    let [.., a, b, c, d] = uuid::Uuid::now_v7().into_bytes();
    let key = [a, b, c, d];
    let mut frame = vec![FINAL_CLOSE, MASKED | length()];
    frame.extend_from_slice(&key);
    frame.extend(payload().iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame.into()
}

fn payload() -> Vec<u8> {
    [&STATUS.to_be_bytes(), WHY].concat()
}

#[expect(clippy::cast_possible_truncation, reason = "twelve fits; more than 125 would not be a close frame")]
const fn length() -> u8 {
    (2 + WHY.len()) as u8
}

#[cfg(test)]
mod tests;
