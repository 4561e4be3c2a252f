//! JSON pointers (RFC 6901): reading them, and showing them without harm.

use std::fmt::Write as _;

/// The most characters of an instance path that are shown.
const SHOWN: usize = 512;

/// The unescaped segments of a pointer. `None` if it is not one: not empty and not starting with
/// `/`, or with a `~` that is neither `~0` nor `~1`.
pub(crate) fn segments(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let rest = pointer.strip_prefix('/')?;
    rest.split('/').map(unescaped).collect()
}

fn unescaped(segment: &str) -> Option<String> {
    let mut text = String::with_capacity(segment.len());
    let mut characters = segment.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

/// The index that a segment stands for in an array: digits without a leading zero.
pub(crate) fn array_index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with('0');
    (canonical && segment.bytes().all(|byte| byte.is_ascii_digit())).then(|| segment.parse().ok()).flatten()
}

/// A pointer to the member `key` of what `parent` points to.
pub(crate) fn join(parent: &str, key: &str) -> String {
    let key = key.replace('~', "~0").replace('/', "~1");
    format!("{parent}/{key}")
}

/// A pointer into a document as it may be shown: control, formatting and separator characters
/// become `\u{..}` escapes, and what is longer than 512 characters ends in `…`.
pub(crate) fn shown(pointer: &str) -> String {
    let mut text = String::with_capacity(pointer.len().min(SHOWN));
    for (count, character) in pointer.chars().enumerate() {
        if count == SHOWN {
            text.push('…');
            break;
        }
        if misleading(character) {
            // Writing to a string does not fail.
            let _ = write!(text, "\\u{{{:x}}}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

/// Characters that move the cursor, reorder text or can't be seen.
fn misleading(character: char) -> bool {
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}
