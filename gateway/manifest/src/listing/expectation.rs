//! One sentence for each keyword: what the schema expects.

use jsonschema::JsonType;
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

/// The most characters of a schema's own text that a message repeats.
const SHOWN: usize = 160;

/// What an error expected. All text in it is ours or the schema's.
pub(super) fn of(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::AdditionalItems { limit } => {
            format!("expected at most {}", counted(wide(*limit), "item"))
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let count = counted(wide(unexpected.len()), "member");
            format!("{count} that the schema does not allow")
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            format!("expected to conform to one of {}", counted(wide(context.len()), "alternative"))
        }
        ValidationErrorKind::BacktrackLimitExceeded { .. } | ValidationErrorKind::RegexEngineFailure { .. } => {
            "the pattern could not be matched against this text".to_owned()
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("expected {}", shown(expected_value))
        }
        ValidationErrorKind::Contains => "expected as many fitting items as the schema asks for".to_owned(),
        ValidationErrorKind::ContentEncoding { content_encoding } => {
            format!("expected text encoded as `{content_encoding}`")
        }
        ValidationErrorKind::ContentMediaType { content_media_type } => {
            format!("expected text of the media type `{content_media_type}`")
        }
        ValidationErrorKind::Custom { message, .. } => message.clone(),
        ValidationErrorKind::Enum { options } => one_of(options),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("expected less than {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("expected more than {limit}"),
        ValidationErrorKind::FalseSchema => "expected nothing here".to_owned(),
        ValidationErrorKind::Format { format } => format!("expected the format `{format}`"),
        ValidationErrorKind::FromUtf8 { .. } => "expected encoded UTF-8 text".to_owned(),
        ValidationErrorKind::MaxItems { limit } => {
            format!("expected at most {}", counted(*limit, "item"))
        }
        ValidationErrorKind::Maximum { limit } => format!("expected at most {limit}"),
        ValidationErrorKind::MaxLength { limit } => {
            format!("expected at most {}", counted(*limit, "character"))
        }
        ValidationErrorKind::MaxProperties { limit } => {
            format!("expected at most {}", counted(*limit, "member"))
        }
        ValidationErrorKind::MinItems { limit } => {
            format!("expected at least {}", counted(*limit, "item"))
        }
        ValidationErrorKind::Minimum { limit } => format!("expected at least {limit}"),
        ValidationErrorKind::MinLength { limit } => {
            format!("expected at least {}", counted(*limit, "character"))
        }
        ValidationErrorKind::MinProperties { limit } => {
            format!("expected at least {}", counted(*limit, "member"))
        }
        ValidationErrorKind::MultipleOf { multiple_of } => {
            format!("expected a multiple of {multiple_of}")
        }
        ValidationErrorKind::Not { .. } => "expected not to conform to the schema under `not`".to_owned(),
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            "expected to conform to exactly one alternative, not to several".to_owned()
        }
        ValidationErrorKind::Pattern { pattern } => {
            format!("expected text that matches `{}`", cut(pattern))
        }
        ValidationErrorKind::PropertyNames { error } => format!("the key: {}", of(error)),
        ValidationErrorKind::Required { property } => {
            format!("expected a member {}", shown(property))
        }
        ValidationErrorKind::Type { kind } => format!("expected {}", types(kind)),
        ValidationErrorKind::UnevaluatedItems { unexpected } => {
            let count = counted(wide(unexpected.len()), "item");
            format!("{count} that the schema does not allow")
        }
        ValidationErrorKind::UniqueItems => "expected items that all differ".to_owned(),
        ValidationErrorKind::Referencing(_) => "the schema refers to something that can't be found".to_owned(),
    }
}

/// `1 item`, `2 items`.
fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// The types a schema allows, as `a string` or `a string or null`.
pub(super) fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(single) => type_name(*single).to_owned(),
        TypeKind::Multiple(set) => {
            let names: Vec<&str> = set.iter().map(type_name).collect();
            names.join(" or ")
        }
    }
}

fn type_name(json_type: JsonType) -> &'static str {
    match json_type {
        JsonType::Array => "an array",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a string",
    }
}

/// The options of an `enum`.
fn one_of(options: &Value) -> String {
    let options: Vec<&Value> = options.as_array().into_iter().flatten().collect();
    one_of_values(&options)
}

/// `expected "a"`, or `expected one of "a", "b"`.
pub(super) fn one_of_values(options: &[&Value]) -> String {
    match options {
        [] => "expected nothing here".to_owned(),
        [only] => format!("expected {}", shown(only)),
        several => {
            let list: Vec<String> = several.iter().map(|option| option.to_string()).collect();
            format!("expected one of {}", cut(&list.join(", ")))
        }
    }
}

fn shown(value: &Value) -> String {
    cut(&value.to_string())
}

/// Text of the schema, cut after 160 characters.
fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
