//! A strict document as the `jsonschema` crate reads it, so that integers stay exact without a
//! change to `serde_json` for the whole program, and so that work is counted.

use std::borrow::Cow;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, JsonNumber, Node, NodeIdentity, Object, cmp};
use serde_json::Value;

use crate::meter::Meter;
use crate::strict::{Document, Index, Number, Shape};

/// What an error costs besides a step for each byte of its path, which it copies more than once.
/// It keeps the errors of one document to some ten thousand.
const STEPS_PER_ERROR: u64 = 128;

/// Names this representation to the validator.
pub(crate) struct Strict;

/// A value of a document, or a key that `propertyNames` looks at.
#[derive(Clone, Copy)]
pub(crate) enum Seen<'a> {
    /// A value.
    At(Place<'a>),
    /// A key, as a string.
    Key(&'a str),
}

/// Where a value is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    document: &'a Document<'a>,
    meter: &'a Meter,
    index: Index,
}

/// What the validator finds in an error instead of a value: nothing.
static HONEST: Value = Value::Null;
/// The same, in an error made after the meter ran out, which means nothing.
static SPENT: Value = Value::Bool(true);

/// Whether an error's value says that it was made after the meter ran out.
pub(crate) fn is_spent(instance: &Value) -> bool {
    matches!(instance, Value::Bool(true))
}

impl<'a> Seen<'a> {
    /// The root of a document.
    pub(crate) fn root(document: &'a Document<'a>, meter: &'a Meter) -> Self {
        Self::At(Place { document, meter, index: 0 })
    }
}

impl<'a> Place<'a> {
    /// Looks at the value; `null` once the meter is spent.
    fn look(self) -> Shape {
        if self.meter.look(0) { self.document.shape(self.index) } else { Shape::Null }
    }

    fn with(self, index: Index) -> Self {
        Self { index, ..self }
    }
}

impl Json for Strict {
    type Node<'a> = Seen<'a>;
    type PreparedKey = Box<str>;
    type StringBuffer = ();

    fn prepare_key(key: &str) -> Box<str> {
        key.into()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Seen<'_>) -> T) -> T {
        f(Seen::Key(string))
    }
}

impl<'a> Node<'a, Strict> for Seen<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = Number<'a>;

    fn as_object(&self) -> Option<Members<'a>> {
        let Self::At(place) = *self else { return None };
        let Shape::Object { len, .. } = place.look() else {
            return None;
        };
        Some(Members { place, len })
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        let Self::At(place) = *self else { return None };
        let Shape::Array { len } = place.look() else {
            return None;
        };
        Some(Elements { place, len })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match *self {
            Self::Key(key) => Some(Cow::Borrowed(key)),
            Self::At(place) => {
                let Shape::String(text) = place.look() else {
                    return None;
                };
                let string = place.document.text(text);
                place.meter.look(string.len()).then_some(Cow::Borrowed(string))
            }
        }
    }

    fn as_number(&self) -> Option<Number<'a>> {
        let Self::At(place) = *self else { return None };
        let Shape::Number(text) = place.look() else {
            return None;
        };
        let literal = place.document.text(text);
        place.meter.look(literal.len()).then_some(Number::new(literal))
    }

    fn as_boolean(&self) -> Option<bool> {
        let Self::At(place) = *self else { return None };
        match place.look() {
            Shape::Boolean(value) => Some(value),
            Shape::Null | Shape::Number(_) | Shape::String(_) | Shape::Array { .. } | Shape::Object { .. } => None,
        }
    }

    fn is_null(&self) -> bool {
        self.json_type() == JsonType::Null
    }

    fn is_number(&self) -> bool {
        self.json_type() == JsonType::Number
    }

    fn json_type(&self) -> JsonType {
        let Self::At(place) = *self else {
            return JsonType::String;
        };
        match place.look() {
            Shape::Null => JsonType::Null,
            Shape::Boolean(_) => JsonType::Boolean,
            Shape::Number(_) => JsonType::Number,
            Shape::String(_) => JsonType::String,
            Shape::Array { .. } => JsonType::Array,
            Shape::Object { .. } => JsonType::Object,
        }
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match expected {
            Value::Null => self.is_null(),
            Value::Bool(expected) => self.as_boolean() == Some(*expected),
            Value::Number(expected) => self.as_number().is_some_and(|number| cmp::equal_numbers(&number, expected)),
            Value::String(expected) => self.as_string().is_some_and(|string| string == *expected),
            Value::Array(expected) => self.as_array().is_some_and(|array| {
                array.len() == expected.len()
                    && array.elements().zip(expected).all(|(element, expected)| element.equals_value(expected))
            }),
            Value::Object(expected) => self.as_object().is_some_and(|object| {
                object.len() == expected.len()
                    && expected
                        .iter()
                        .all(|(key, expected)| object.value(key).is_some_and(|value| value.equals_value(expected)))
            }),
        }
    }

    /// The validator asks for a value only to keep it in an error, and errors here never hold one:
    /// a key for `propertyNames`, whose place is needed, otherwise a mark.
    fn to_value(&self) -> Cow<'a, Value> {
        match *self {
            Self::Key(key) => Cow::Owned(Value::String(key.to_owned())),
            Self::At(place) => {
                let path = place.document.path_bytes(place.index);
                let honest = place.meter.take(STEPS_PER_ERROR + u64::from(path));
                Cow::Borrowed(if honest { &HONEST } else { &SPENT })
            }
        }
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(match *self {
            // Values are tagged from 1 on, and no key lies where a document does.
            Self::Key(key) => NodeIdentity::tagged(key.as_ptr().addr(), 0),
            Self::At(place) => {
                NodeIdentity::tagged(std::ptr::from_ref(place.document).addr(), place.index.saturating_add(1))
            }
        })
    }
}

/// The members of an object.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    place: Place<'a>,
    len: u32,
}

impl<'a> Members<'a> {
    fn value(&self, key: &str) -> Option<Seen<'a>> {
        let Place { document, meter, index } = self.place;
        if !meter.look(key.len()) {
            return None;
        }
        let member = document.member(index, key)?;
        Some(Seen::At(self.place.with(member)))
    }
}

impl<'a> Object<'a, Strict> for Members<'a> {
    type Node = Seen<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.len as usize
    }

    fn get(&self, key: &Box<str>) -> Option<Seen<'a>> {
        self.value(key)
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter(ElementsIter::of(self.place, self.len))
    }
}

/// Keys and values in the order of the text.
pub(crate) struct MembersIter<'a>(ElementsIter<'a>);

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Seen<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let place = self.0.step()?;
        let key = place.document.key(place.index);
        place.meter.look(key.len()).then_some((key, Seen::At(place)))
    }
}

/// The elements of an array.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a> {
    place: Place<'a>,
    len: u32,
}

impl<'a> Array<'a, Strict> for Elements<'a> {
    type Node = Seen<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        self.len as usize
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter::of(self.place, self.len)
    }

    fn is_unique(&self) -> bool {
        let Place { document, meter, index } = self.place;
        // Sorting looks at each value this often at most, give or take a constant.
        let rounds = u64::from(self.len.checked_ilog2().unwrap_or(0)) + 1;
        let steps = u64::from(document.size(index)).saturating_mul(rounds);
        !meter.take(steps) || document.all_different(index)
    }
}

/// Values of one container in the order of the text, as long as the meter lasts.
pub(crate) struct ElementsIter<'a> {
    next: Place<'a>,
    left: u32,
}

impl<'a> ElementsIter<'a> {
    fn of(container: Place<'a>, len: u32) -> Self {
        Self { next: container.with(container.index.saturating_add(1)), left: len }
    }

    fn step(&mut self) -> Option<Place<'a>> {
        self.left = self.left.checked_sub(1)?;
        let place = self.next;
        if !place.meter.look(0) {
            return None;
        }
        self.next = place.with(place.document.after(place.index));
        Some(place)
    }
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Seen<'a>;

    fn next(&mut self) -> Option<Seen<'a>> {
        self.step().map(Seen::At)
    }
}

impl JsonNumber for Number<'_> {
    fn as_u64(&self) -> Option<u64> {
        Number::as_u64(*self)
    }

    fn as_i64(&self) -> Option<i64> {
        Number::as_i64(*self)
    }

    fn as_f64(&self) -> Option<f64> {
        Some(self.for_bounds())
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.literal())
    }

    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        Cow::Owned(match self.to_value() {
            Value::Number(number) => number,
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => 0.into(),
        })
    }

    fn is_integer(&self) -> bool {
        Number::is_integer(*self)
    }

    fn is_written_as_integer(&self) -> bool {
        Number::is_written_as_integer(*self)
    }
}
