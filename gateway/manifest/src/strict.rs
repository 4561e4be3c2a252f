//! Strict JSON: RFC 8259, minus everything that two readers could take for two different things.
//!
//! Refused besides what the grammar refuses: a byte order mark, text that is not UTF-8, half a
//! surrogate pair, an object with the same key twice (after unescaping, so `"a"` and `"\u0061"`
//! are the same), and a number that a 64-bit float can't hold (`1e400` would be infinite, `1e-400`
//! zero). Integers stay exact whatever their length.
//!
//! One pass over the bytes with a stack on the heap, so that nesting can't overflow a thread's
//! stack; each object's keys are then sorted once, which finds duplicates and serves look-ups
//! later without a hash that an attacker could aim at. Time is linear in the body but for that
//! sort (n log n in the keys of one object, also in the worst case); memory is at most some 50
//! bytes per value and once the bytes of the strings that hold escapes. All limits are checked
//! while reading.
//!
//! Absent on purpose: comments, trailing commas, `NaN`, recovery after the first mistake.

mod document;
mod number;
mod order;
mod reader;
mod text;

pub use document::Document;
pub(crate) use document::{Index, Shape};
pub(crate) use number::Number;
