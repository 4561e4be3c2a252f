//! One schema file: read strictly, checked against its draft, compiled for one or more places in
//! it.
//!
//! The draft is the one that `$schema` at the root names; without it, 2020-12. References are
//! followed inside the file only (by JSON pointer, anchor or the identifier of an embedded schema)
//! and to the drafts' own meta-schemas; what points anywhere else is a mistake, and nothing is
//! fetched. Patterns are translated from ECMA-262 and run on an engine that is linear in the text;
//! look-around and back-references, which it does not have, are mistakes. The formats that the drafts
//! define are assertions in every draft; other formats are annotations, as the drafts say.

mod exact;
mod mistake;
mod nearest;

pub(crate) use exact::original;

use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Registry, Retrieve, Uri, ValidationError, ValidationOptions, Validator};
use serde_json::{Value, json};

use crate::representation::Strict;
use crate::strict::Document;
use crate::{Limits, MAX_DEPTH, SchemaError, SchemaSource, pointer};

/// A schema that bodies are compared with. Cheap to clone.
pub(crate) type Compiled = Arc<Validator<Strict>>;

/// What a schema file may be; generous, because the operator chose it.
const FILE_LIMITS: Limits = Limits {
    bytes: 64 << 20,
    depth: if MAX_DEPTH < 128 { MAX_DEPTH } else { 128 },
    members: 5_000_000,
    key_bytes: 64 << 10,
    errors: 16,
    work: u64::MAX,
};

/// The address of the file for references inside it; nothing is ever fetched from there.
const FILE: &str = "bellgate:///file/schema";
/// The address of the one-line schema that leads to a place in the file.
const ENTRY: &str = "bellgate:///entry";

/// Checks one file and compiles the schema at each of `fragments`, in their order.
///
/// # Errors
/// All mistakes that could be found.
pub(crate) fn compile(source: &SchemaSource, fragments: &[Option<&str>]) -> Result<Vec<Compiled>, Vec<SchemaError>> {
    let name = source.file.as_str();
    let document = Document::read(source.text.as_bytes(), &FILE_LIMITS)
        .map_err(|cause| vec![SchemaError::Text { file: name.to_owned(), problem: mistake::text(&cause) }])?;
    let mut file = SchemaFile::of(name, &document).map_err(|mistake| vec![mistake])?;
    file.check()?;
    file.keep_exact(&document).map_err(|mistake| vec![mistake])?;
    let mut compiled = Vec::new();
    let mut mistakes = Vec::new();
    for fragment in fragments {
        match file.compile(*fragment) {
            Ok(validator) => compiled.push(Arc::new(validator)),
            Err(mistake) if mistakes.contains(&mistake) => {}
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(compiled) } else { Err(mistakes) }
}

/// A file that is strict JSON and names a draft that is known.
struct SchemaFile<'s> {
    name: &'s str,
    value: Value,
    draft: Draft,
    /// Whether bounds were moved to keywords of our own.
    exact: bool,
}

impl<'s> SchemaFile<'s> {
    fn of(name: &'s str, document: &Document<'_>) -> Result<Self, SchemaError> {
        let value = document.to_value();
        let draft = match value.get("$schema") {
            None => Draft::default(),
            Some(stated) => match stated.as_str().map(Draft::from_schema_uri) {
                Some(draft) if draft != Draft::Unknown => draft,
                Some(_) | None => {
                    return Err(SchemaError::Draft { file: name.to_owned(), draft: mistake::shown(stated) });
                }
            },
        };
        Ok(Self { name, value, draft, exact: false })
    }

    /// Compares the file with the meta-schema of its draft.
    fn check(&self) -> Result<(), Vec<SchemaError>> {
        let meta = jsonschema::meta::validator_for(&self.value).map_err(|error| vec![self.mistake(&error)])?;
        if meta.is_valid(&self.value) {
            return Ok(());
        }
        // Schemas of other drafts may be embedded; compiling knows which meta-schema is whose.
        if let Err(first) = self.options().build(&self.value) {
            let mut mistakes: Vec<SchemaError> = Vec::new();
            for mistake in meta.iter_errors(&self.value).map(|error| self.mistake(&error)) {
                if mistakes.len() < FILE_LIMITS.errors && !mistakes.contains(&mistake) {
                    mistakes.push(mistake);
                }
            }
            if mistakes.is_empty() {
                mistakes.push(self.mistake(&first));
            }
            return Err(mistakes);
        }
        Ok(())
    }

    /// Keeps bounds beyond 64 bits exact, where `serde_json` rounds them.
    fn keep_exact(&mut self, document: &Document<'_>) -> Result<(), SchemaError> {
        let kept = exact::keep(document, &mut self.value, self.draft);
        self.exact =
            kept.map_err(|(path, problem)| SchemaError::Schema { file: self.name.to_owned(), path, problem })?;
        Ok(())
    }

    fn compile(&self, fragment: Option<&str>) -> Result<Validator<Strict>, SchemaError> {
        let Some(fragment) = fragment.filter(|fragment| !fragment.is_empty()) else {
            return self.options().build(&self.value).map_err(|error| self.mistake(&error));
        };
        if pointer::segments(fragment).is_none() || self.value.pointer(fragment).is_none() {
            return Err(SchemaError::Fragment {
                file: self.name.to_owned(),
                fragment: fragment.to_owned(),
                hint: nearest::hint(&self.value, fragment),
            });
        }
        let entry = json!({ "$ref": format!("{FILE}#{}", percent_encoded(fragment)) });
        let registry = Registry::new()
            .retriever(OnlyThisFile)
            .draft(self.draft)
            .add(FILE, self.draft.create_resource_ref(&self.value))
            .and_then(jsonschema::RegistryBuilder::prepare)
            .map_err(|error| self.mistake(&error.into()))?;
        self.options().with_base_uri(ENTRY).with_registry(&registry).build(&entry).map_err(|error| self.mistake(&error))
    }

    fn options<'i>(&self) -> ValidationOptions<'i, Arc<dyn Retrieve>, Strict> {
        let options = jsonschema::options_for::<Strict>()
            .with_draft(self.draft)
            .with_retriever(OnlyThisFile)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true);
        if self.exact { exact::understand(options) } else { options }
    }

    fn mistake(&self, error: &ValidationError<'_>) -> SchemaError {
        let (path, problem) = mistake::of(error, &self.value);
        SchemaError::Schema { file: self.name.to_owned(), path, problem }
    }
}

/// Fetches nothing.
struct OnlyThisFile;

impl Retrieve for OnlyThisFile {
    fn retrieve(&self, _uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("references outside the file are not followed".into())
    }
}

/// A JSON pointer as the fragment of a URI.
fn percent_encoded(pointer: &str) -> String {
    let mut text = String::with_capacity(pointer.len());
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~$".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
