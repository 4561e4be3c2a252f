//! From sources to kinds, with every mistake found on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Kind;
use crate::schema::{self, Compiled};
use crate::{KindSource, Limits, MAX_DEPTH, SchemaError, SchemaSource, pointer};

/// A file by name and text: the same name with another text is another file.
type File<'s> = (&'s str, &'s str);
/// A schema by its file and its place there.
type Schema<'s> = (File<'s>, Option<&'s str>);

pub(super) fn kinds(sources: &[KindSource], limits: &Limits) -> Result<BTreeMap<Arc<str>, Kind>, Vec<SchemaError>> {
    let mut mistakes = check_limits(limits);
    mistakes.extend(check_kinds(sources));
    let compiled = match compile_all(sources) {
        Ok(compiled) if mistakes.is_empty() => compiled,
        Ok(_) => return Err(mistakes),
        Err(more) => {
            mistakes.extend(more);
            return Err(mistakes);
        }
    };
    let kinds = sources.iter().filter_map(|source| Some((Arc::from(source.kind.as_str()), kind(source, &compiled)?)));
    Ok(kinds.collect())
}

/// `None` only for a source that [`check_kinds`] refuses.
fn kind(source: &KindSource, compiled: &BTreeMap<Schema<'_>, Compiled>) -> Option<Kind> {
    let Some(pointer) = &source.version_at else {
        let schema = compiled.get(&schema_of(source.default.as_ref()?))?;
        return Some(Kind::Single(Arc::clone(schema)));
    };
    let mut known: Vec<Arc<str>> = Vec::new();
    let mut schemas = BTreeMap::new();
    for (version, schema) in &source.versions {
        let version: Arc<str> = Arc::from(version.as_str());
        known.push(Arc::clone(&version));
        schemas.insert(version, Arc::clone(compiled.get(&schema_of(schema))?));
    }
    Some(Kind::Versioned { pointer: Arc::from(pointer.as_str()), known: known.into(), schemas })
}

fn file_of(source: &SchemaSource) -> File<'_> {
    (&source.file, &source.text)
}

fn schema_of(source: &SchemaSource) -> Schema<'_> {
    (file_of(source), source.fragment.as_deref())
}

fn schemas(source: &KindSource) -> impl Iterator<Item = &SchemaSource> {
    let versions = source.versions.iter().map(|(_, schema)| schema);
    source.default.iter().chain(versions)
}

/// Reads each file once and compiles each of its schemas once.
fn compile_all(sources: &[KindSource]) -> Result<BTreeMap<Schema<'_>, Compiled>, Vec<SchemaError>> {
    let mut files: BTreeMap<File<'_>, (&SchemaSource, Vec<Option<&str>>)> = BTreeMap::new();
    for schema in sources.iter().flat_map(schemas) {
        let (_, fragments) = files.entry(file_of(schema)).or_insert_with(|| (schema, Vec::new()));
        let fragment = schema.fragment.as_deref();
        if !fragments.contains(&fragment) {
            fragments.push(fragment);
        }
    }
    let mut compiled = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (file, (source, fragments)) in files {
        match schema::compile(source, &fragments) {
            Ok(validators) => {
                let places = fragments.into_iter().map(|fragment| (file, fragment));
                compiled.extend(places.zip(validators));
            }
            Err(more) => mistakes.extend(more),
        }
    }
    if mistakes.is_empty() { Ok(compiled) } else { Err(mistakes) }
}

fn check_limits(limits: &Limits) -> Vec<SchemaError> {
    let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let ranges = [
        ("bytes", wide(limits.bytes), 1 << 30),
        ("depth", wide(limits.depth), wide(MAX_DEPTH)),
        ("members", wide(limits.members), 1 << 30),
        ("key_bytes", wide(limits.key_bytes), 1 << 20),
        ("errors", wide(limits.errors), 10_000),
        ("work", limits.work, u64::MAX),
    ];
    let outside = ranges.into_iter().filter(|(_, value, most)| *value == 0 || value > most);
    outside.map(|(name, value, most)| SchemaError::Limit { name, value, least: 1, most }).collect()
}

fn check_kinds(sources: &[KindSource]) -> Vec<SchemaError> {
    let mut mistakes = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let earlier = sources.iter().take(index);
        if earlier.into_iter().any(|other| other.kind == source.kind) {
            mistakes.push(SchemaError::KindTwice { kind: source.kind.clone() });
        }
        let problems = problems(source);
        mistakes.extend(problems.into_iter().map(|problem| SchemaError::Kind { kind: source.kind.clone(), problem }));
    }
    mistakes
}

fn problems(source: &KindSource) -> Vec<String> {
    let mut problems = Vec::new();
    match (&source.version_at, &source.default) {
        (None, None) => {
            problems.push("has no schema, give it one, or versions and where a body states its version".to_owned())
        }
        (Some(_), Some(_)) => {
            problems.push("has versions and a schema without one, name that version or leave it out".to_owned())
        }
        (None, Some(_)) if !source.versions.is_empty() => {
            problems.push("has versions, but not where a body states its version, say where".to_owned())
        }
        (Some(_), None) if source.versions.is_empty() => {
            problems.push("says where a body states its version, but has no versions".to_owned());
        }
        (None, Some(_)) | (Some(_), None) => {}
    }
    if let Some(at) = &source.version_at
        && (at.is_empty() || pointer::segments(at).is_none())
    {
        problems.push(format!(
            "looks for the version at `{at}`, which is no JSON pointer to a member, write it like `/version`"
        ));
    }
    for (index, (version, _)) in source.versions.iter().enumerate() {
        let mut earlier = source.versions.iter().take(index);
        if earlier.any(|(other, _)| other == version) {
            problems.push(format!("has the version `{version}` twice, keep one"));
        }
    }
    problems
}
