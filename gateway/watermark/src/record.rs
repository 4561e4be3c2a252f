//! The lines of a journal.
//!
//! ```text
//! 0000002bf0a1c3d9{"spend":{"rule":"planner-wiki","bytes":812}}
//! ```
//!
//! Eight lower-case hexadecimal digits of length, eight of CRC-32 (IEEE) over the length's digits and the text, the text,
//! a line feed. JSON escapes line feeds, so that none stands within a text.
//!
//! **What holds.** A last line that is a part of one, as a crash leaves it, is told from damage: it has no line feed, and
//! all of it that is there is as it was written. Everything else that is not a whole line is damage; a single flipped bit
//! anywhere never is anything else. What can't be told is a file that was cut at the end of a line.
//!
//! **What is bounded.** A line, by [`MAX_LINE_BYTES`].

use std::io;

use bellgate_policy::Observation;
use serde::{Deserialize, Serialize};

use crate::disk::Log;
use crate::handle::{HandleKey, HandleListener};
use crate::reading::LinkKind;

/// Two labels of 34 KiB each, a task of 8 KiB whose every byte is escaped, and names.
pub(crate) const MAX_LINE_BYTES: usize = 256 * 1024;
pub(crate) const FORMAT: u32 = 2;
const HEAD_BYTES: usize = 16;

/// What happened. Labels are names, never indices.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Record {
    /// The first line.
    Head { format: u32, subject: String, clock: u64 },
    /// Raises the instance alone: where it starts, a floor.
    Instance {
        kind: LinkKind,
        label: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Observation>,
        /// What was spent before is not known.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        budgets_unknown: bool,
    },
    /// An operator's reset; stands after the head alone, since nothing before it counts.
    Reset { label: String, before: String, reason: String, uid: u32, at: u64 },
    /// Observed without a handle: raises the instance and all handles that were opened before. `before` is the offset of
    /// the last such line before this one, or 0.
    Raise { label: String, because: Observation, before: u64 },
    /// Observed under a handle: raises the instance and that handle. `before` is the offset of the handle's last line.
    Under {
        handle: HandleKey,
        label: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Observation>,
        before: u64,
    },
    /// A handle was opened.
    Open {
        handle: HandleKey,
        start: String,
        listener: HandleListener,
        at: u64,
        expires: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Observation>,
    },
    /// A handle was closed, or found expired.
    Close { handle: HandleKey },
    /// Bytes of a budget.
    Spend { rule: String, bytes: u64 },
    /// The latest wall time seen.
    Clock { at: u64 },
}

impl Record {
    /// The line that stands for it.
    pub(crate) fn to_line(&self) -> io::Result<Vec<u8>> {
        let text = serde_json::to_string(self)?;
        if text.len() > MAX_LINE_BYTES {
            return Err(io::Error::other(format!("a record of {} bytes, at most {MAX_LINE_BYTES} can be", text.len())));
        }
        let length = format!("{:08x}", text.len());
        let sum = checksum(length.as_bytes(), text.as_bytes());
        Ok(format!("{length}{sum:08x}{text}\n").into_bytes())
    }
}

fn checksum(length: &[u8], text: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(length);
    sum.update(text);
    sum.finalize()
}

/// What stands at the beginning of `rest`, which is all that is left of a file, or at least a whole line of it.
pub(crate) enum Line {
    /// A whole line of so many bytes.
    Whole(Box<Record>, usize),
    /// A part of a line, with nothing after it.
    Torn,
    /// Something else.
    Damaged(String),
}

pub(crate) fn read(rest: &[u8]) -> Line {
    let Some((head, tail)) = rest.split_at_checked(HEAD_BYTES) else {
        return if rest.iter().all(|byte| is_digit(*byte)) { Line::Torn } else { Line::Damaged("no length".into()) };
    };
    let (length_digits, sum_digits) = head.split_at(HEAD_BYTES / 2);
    let (Some(length), Some(sum)) = (number(length_digits), number(sum_digits)) else {
        return Line::Damaged("no length and checksum".into());
    };
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= MAX_LINE_BYTES) else {
        return Line::Damaged(format!("a length of {length}, expected at most {MAX_LINE_BYTES}"));
    };
    match (tail.get(..length), tail.get(length)) {
        (Some(text), Some(b'\n')) if checksum(length_digits, text) == sum => match serde_json::from_slice(text) {
            Ok(record) => Line::Whole(Box::new(record), HEAD_BYTES + length + 1),
            Err(error) => Line::Damaged(format!("a record that this version does not write, {error}")),
        },
        (Some(text), None) if checksum(length_digits, text) == sum => Line::Torn,
        (None, _) if !tail.contains(&b'\n') => Line::Torn,
        _ => Line::Damaged("a line whose length or checksum is not its own".into()),
    }
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn number(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(is_digit))?;
    u32::from_str_radix(text, 16).ok()
}

/// Reads a log from its beginning, a buffer at a time.
pub(crate) struct Scan<'a> {
    log: &'a Log,
    end: u64,
    /// Where `buffer` begins in the file.
    at: u64,
    buffer: Vec<u8>,
    used: usize,
}

/// How much is read at once; more than a line.
const BUFFER_BYTES: usize = 2 * MAX_LINE_BYTES;

impl<'a> Scan<'a> {
    /// All of `log` before `end`.
    pub(crate) fn new(log: &'a Log, end: u64) -> Self {
        Self { log, end, at: 0, buffer: Vec::new(), used: 0 }
    }

    /// The next line with its offset; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        if self.buffer.len() - self.used <= MAX_LINE_BYTES + HEAD_BYTES {
            self.fill()?;
        }
        let offset = self.position();
        let rest = self.buffer.get(self.used..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let line = read(rest);
        if let Line::Whole(_, bytes) = &line {
            self.used += bytes;
        }
        Ok(Some((offset, line)))
    }

    /// Where the next line begins, or what is there instead of one.
    pub(crate) fn position(&self) -> u64 {
        self.at + widen(self.used)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.used);
        self.at += widen(self.used);
        self.used = 0;
        while self.buffer.len() < BUFFER_BYTES {
            let have = self.buffer.len();
            let from = self.at + widen(have);
            let want = usize::try_from(self.end.saturating_sub(from)).unwrap_or(usize::MAX).min(BUFFER_BYTES - have);
            self.buffer.resize(have + want, 0);
            let got = self.log.read_at(from, self.buffer.get_mut(have..).unwrap_or_default())?;
            self.buffer.truncate(have + got);
            if got == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// The one line at `offset`.
pub(crate) fn read_one(log: &Log, offset: u64) -> io::Result<Record> {
    let damaged = || io::Error::other(format!("no record at byte {offset}"));
    let mut head = [0; HEAD_BYTES];
    read_exactly(log, offset, &mut head)?;
    let length = head.get(..HEAD_BYTES / 2).and_then(number).and_then(|length| usize::try_from(length).ok());
    let length = length.filter(|length| *length <= MAX_LINE_BYTES).ok_or_else(damaged)?;
    let mut line = vec![0; HEAD_BYTES + length + 1];
    read_exactly(log, offset, &mut line)?;
    match read(&line) {
        Line::Whole(record, _) => Ok(*record),
        Line::Torn | Line::Damaged(_) => Err(damaged()),
    }
}

fn read_exactly(log: &Log, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match log.read_at(offset + widen(done), rest)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => done += got,
        }
    }
    Ok(())
}

/// Lengths in memory as offsets in a file.
pub(crate) fn widen(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
