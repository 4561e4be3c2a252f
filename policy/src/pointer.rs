//! JSON Pointers (RFC 6901): where in a body a value stands.
//!
//! **What holds.** One pointer, one text: `~` is written `~0` and `/` is written `~1`, and nothing else is escaped. An index
//! of a list has no leading zeros (RFC 6901, section 4); `-`, the place after the last element, leads to nothing.
//!
//! **What is absent on purpose.** The URI form, wildcards, and the empty pointer: the whole body is no value to match.

use std::fmt;

use serde_json::Value;

use crate::name::shortened;

/// How long a pointer can be, in bytes.
const MAX_BYTES: usize = 1024;
/// How many steps a pointer can have.
const MAX_STEPS: usize = 32;

/// A pointer into a body.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Pointer {
    text: String,
    steps: Vec<String>,
}

/// Why a text is no pointer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It does not begin with a slash.
    #[error("`{0}` is not a JSON Pointer: begin it with `/`, such as `/recipients`")]
    NoSlash(String),
    /// A `~` without `0` or `1` after it.
    #[error("`{0}` has a `~` alone: write `~0` for `~` and `~1` for `/`")]
    Escape(String),
    /// Longer than 1,024 bytes or 32 steps.
    #[error("a JSON Pointer has at most 1024 bytes and 32 steps, and this one has more")]
    TooLong,
}

impl Pointer {
    /// Reads a pointer.
    pub(crate) fn parse(text: &str) -> Result<Self, PointerError> {
        if text.len() > MAX_BYTES {
            return Err(PointerError::TooLong);
        }
        let rest = text.strip_prefix('/').ok_or_else(|| PointerError::NoSlash(shortened(text)))?;
        let steps: Option<Vec<String>> = rest.split('/').map(unescaped).collect();
        let steps = steps.ok_or_else(|| PointerError::Escape(shortened(text)))?;
        if steps.len() > MAX_STEPS {
            return Err(PointerError::TooLong);
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// What stands there.
    pub(crate) fn find<'v>(&self, body: &'v Value) -> Option<&'v Value> {
        self.steps.iter().try_fold(body, |at, step| match at {
            Value::Object(members) => members.get(step),
            Value::Array(items) => items.get(index(step)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One step without its escapes; `None` where a `~` stands alone.
fn unescaped(step: &str) -> Option<String> {
    let mut plain = String::with_capacity(step.len());
    let mut rest = step.chars();
    while let Some(c) = rest.next() {
        plain.push(match c {
            '~' => match rest.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

fn index(step: &str) -> Option<usize> {
    let padded = step.len() > 1 && step.starts_with('0');
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    if padded || !digits { None } else { step.parse().ok() }
}

/// The values that stand at one place: a list means each element, lists in lists too.
pub(crate) enum Found<'v> {
    /// One value after another; `None` where one is no string.
    Values(Values<'v>),
    /// Nothing stands there, or `null`, or a list without an element.
    Nothing,
}

/// Walks a value and its lists without recursion.
pub(crate) struct Values<'v> {
    open: Vec<std::slice::Iter<'v, Value>>,
    single: Option<&'v Value>,
}

impl<'v> Values<'v> {
    /// The values of what a pointer found.
    pub(crate) fn of(found: Option<&'v Value>) -> Found<'v> {
        match found {
            None | Some(Value::Null) => Found::Nothing,
            Some(Value::Array(items)) if !holds_any(items) => Found::Nothing,
            Some(Value::Array(items)) => Found::Values(Self { open: vec![items.iter()], single: None }),
            Some(value) => Found::Values(Self { open: Vec::new(), single: Some(value) }),
        }
    }
}

/// Whether a list, or a list in it, has an element that is no list.
fn holds_any(items: &[Value]) -> bool {
    let mut open = vec![items.iter()];
    while let Some(innermost) = open.last_mut() {
        match innermost.next() {
            Some(Value::Array(items)) => open.push(items.iter()),
            Some(_) => return true,
            None => drop(open.pop()),
        }
    }
    false
}

impl<'v> Iterator for Values<'v> {
    type Item = Option<&'v str>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(value) = self.single.take() {
            return Some(value.as_str());
        }
        while let Some(innermost) = self.open.last_mut() {
            match innermost.next() {
                Some(Value::Array(items)) => self.open.push(items.iter()),
                Some(value) => return Some(value.as_str()),
                None => drop(self.open.pop()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn pointers_of_the_rfc() {
        let body = json!({
            "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8,
            "01": "padded", "~1": "tilde one",
        });
        for (text, expected) in [
            ("/foo", Some(json!(["bar", "baz"]))),
            ("/foo/0", Some(json!("bar"))),
            ("/foo/1", Some(json!("baz"))),
            ("/foo/2", None),
            ("/foo/-", None),
            ("/foo/00", None),
            ("/foo/01", None),
            ("/foo/+1", None),
            ("/foo/1e0", None),
            ("/foo/٠", None),
            ("/foo/18446744073709551616", None),
            ("/foo/", None),
            ("/", Some(json!(0))),
            ("/a~1b", Some(json!(1))),
            ("/c%d", Some(json!(2))),
            ("/e^f", Some(json!(3))),
            ("/g|h", Some(json!(4))),
            ("/i\\j", Some(json!(5))),
            ("/k\"l", Some(json!(6))),
            ("/ ", Some(json!(7))),
            ("/m~0n", Some(json!(8))),
            ("/01", Some(json!("padded"))),
            // `~01` is `~1` and never `/` (RFC 6901, section 4).
            ("/~01", Some(json!("tilde one"))),
            ("/Foo", None),
            ("//", None),
            ("/foo/0/x", None),
        ] {
            let pointer = Pointer::parse(text).unwrap();
            assert_eq!(pointer.to_string(), text);
            assert_eq!(pointer.find(&body), expected.as_ref(), "{text}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["", "foo", "#/foo", " /foo", "/~", "/~2", "/a~", "/~/0"] {
            assert!(Pointer::parse(text).is_err(), "{text}");
        }
        for (length, ok) in [(1023, true), (1024, true), (1025, false)] {
            assert_eq!(Pointer::parse(&format!("/{}", "a".repeat(length - 1))).is_ok(), ok, "{length}");
        }
        for (steps, ok) in [(31, true), (32, true), (33, false)] {
            assert_eq!(Pointer::parse(&"/a".repeat(steps)).is_ok(), ok, "{steps}");
        }
    }

    fn told(value: &Value) -> Vec<Option<String>> {
        match Values::of(Some(value)) {
            Found::Nothing => Vec::new(),
            Found::Values(values) => values.map(|value| value.map(str::to_owned)).collect(),
        }
    }

    #[test]
    fn values_of_lists_in_lists() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(told(&json!("a")), [text("a")]);
        assert_eq!(told(&json!(["a", ["b", [], ["c"]], "d"])), [text("a"), text("b"), text("c"), text("d")]);
        assert_eq!(told(&json!(["a", 1, null, {"x": "b"}])), [text("a"), None, None, None]);
        assert_eq!(told(&json!({"a": "b"})), [None]);
        assert_eq!(told(&json!([null])), [None]);
        for nothing in [json!(null), json!([]), json!([[], [[]]])] {
            assert!(matches!(Values::of(Some(&nothing)), Found::Nothing), "{nothing}");
        }
        assert!(matches!(Values::of(None), Found::Nothing));
        // An empty text is a value.
        assert_eq!(told(&json!("")), [text("")]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn a_pointer_finds_what_serde_finds(
            text in "(/[a-c~01/]{0,3}){0,4}", body in any::<u8>(),
        ) {
            // Another implementation, which is laxer about escapes: a lone `~` is a mistake here.
            let inner = json!({ "a": ["x", { "b": "y" }], "": "empty", "~": "tilde", "/": "slash", "0": "zero", "01": "padded", "~1": "both" });
            let value = match body % 3 { 0 => inner, 1 => json!([inner, ["a"]]), _ => json!({ "a": inner, "b": [inner] }) };
            if let Ok(pointer) = Pointer::parse(&text) {
                prop_assert_eq!(pointer.find(&value), value.pointer(&text), "{}", text);
            }
        }
    }
}
