//! Section `manifests`: the schemas of each kind, by the version that a body states.

use std::path::PathBuf;

use bellgate_manifest::{KindSource, SchemaSource, SchemaStore};
use bellgate_policy::document::{Entry, Mapping, Node};
use bellgate_policy::{Name, Policy};

use super::files::Files;
use super::limits::Limits;

/// One kind, before its files have been read.
pub(super) struct KindDraft<'d> {
    name: Name,
    version_at: Option<String>,
    /// With `version_at`: the versions in the order of the file. Without: exactly one, nameless.
    schemas: Vec<SchemaDraft<'d>>,
}

struct SchemaDraft<'d> {
    version: Option<String>,
    node: Node<'d>,
    path: PathBuf,
    fragment: Option<String>,
}

/// Reads the section; a kind with a mistake is left out, and told.
pub(super) fn read_kinds<'d>(node: Option<Node<'d>>, files: &Files) -> Vec<KindDraft<'d>> {
    let Some(section) = node.and_then(Node::mapping) else { return Vec::new() };
    section.entries().filter_map(|entry| read_kind(entry, files)).collect()
}

fn read_kind<'d>(entry: Entry<'d>, files: &Files) -> Option<KindDraft<'d>> {
    let name = entry.parse_key(Name::new);
    let fields = entry.value.mapping()?;
    let version_at = fields.optional("version_at");
    let versions = fields.optional("versions");
    let schemas = match fields.optional("schema") {
        Some(node) if version_at.is_some() || versions.is_some() => {
            node.report_with_help("a kind has either one `schema` or `versions`", "keep one of the two");
            None
        }
        Some(node) => read_schema(node, None, files).map(|schema| (None, vec![schema])),
        None => read_versions(&fields, files).map(|(pointer, schemas)| (Some(pointer), schemas)),
    };
    fields.deny_unknown();
    let (version_at, schemas) = schemas?;
    Some(KindDraft { name: name?, version_at, schemas })
}

fn read_versions<'d>(fields: &Mapping<'d>, files: &Files) -> Option<(String, Vec<SchemaDraft<'d>>)> {
    if fields.optional("version_at").is_none() && fields.optional("versions").is_none() {
        fields
            .node()
            .report_with_help("this kind has no schema", "add `schema: file.json`, or `version_at` and `versions`");
        return None;
    }
    let pointer = fields.required("version_at").and_then(|node| {
        let pointer = node.string()?;
        if is_pointer(pointer) {
            Some(pointer.to_owned())
        } else {
            node.expected("a JSON pointer into the body, such as `/manifest_version`")
        }
    });
    let versions = fields.required("versions").and_then(|node| {
        let versions = node.mapping()?;
        if versions.is_empty() {
            return node.expected("at least one version with its schema");
        }
        versions
            .entries()
            .map(|entry| read_schema(entry.value, Some(entry.key()), files))
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    });
    Some((pointer?, versions?))
}

/// `file`, or `file#/pointer`.
fn read_schema<'d>(node: Node<'d>, version: Option<&str>, files: &Files) -> Option<SchemaDraft<'d>> {
    let text = node.non_empty_string()?;
    let (path, fragment) = match text.split_once('#') {
        None | Some((_, "")) => (text.trim_end_matches('#'), None),
        Some((path, fragment)) => (path, Some(fragment)),
    };
    if path.is_empty() || path.contains('\0') || fragment.is_some_and(|fragment| !is_pointer(fragment)) {
        return node.expected("a file, or a file and a place in it, such as `schemas/all.json#/$defs/Query`");
    }
    Some(SchemaDraft {
        version: version.map(str::to_owned),
        node,
        path: files.resolve(path),
        fragment: fragment.map(str::to_owned),
    })
}

/// RFC 6901, section 3: segments behind a slash each, `~` only as `~0` or `~1`.
fn is_pointer(text: &str) -> bool {
    text.starts_with('/') && text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']))
}

/// Every kind that the policy names must have a schema here; a kind that nobody names does no harm. One that was left out for a mistake has
/// been told already.
pub(super) fn compare(section: Node<'_>, policy: &Policy) {
    let listed: Vec<&str> = match section.is_mapping().then(|| section.mapping()).flatten() {
        Some(section) => section.entries().map(|entry| entry.key()).collect(),
        None => Vec::new(),
    };
    for name in policy.manifests().filter(|name| !listed.contains(&name.as_str())) {
        section.report_with_help(
            format_args!("the policy names the manifest kind `{name}`, which has no schema here"),
            format_args!("add `manifests: {{ {name}: {{ schema: file.json }} }}`"),
        );
    }
}

/// Reads the schemas and compiles them; what is wrong is told at the place that names the schema.
pub(super) fn compile(kinds: &[KindDraft<'_>], files: &mut Files, limits: &Limits) -> Option<SchemaStore> {
    let mut sources = Vec::new();
    let mut sound = true;
    for kind in kinds {
        let read: Vec<_> = kind.schemas.iter().map(|schema| source(schema, files)).collect();
        // A kind that lacks a file is not compiled; the others are, so that what is wrong with them is told too.
        match read.into_iter().collect::<Option<Vec<_>>>() {
            Some(schemas) => sources.push((kind, schemas)),
            None => sound = false,
        }
    }
    let all = sources.iter().map(|(kind, schemas)| kind_source(kind, schemas.clone())).collect();
    match SchemaStore::compile(all, limits.of_manifests()) {
        Ok(store) => sound.then_some(store),
        Err(errors) => {
            blame(&sources, &errors, limits);
            None
        }
    }
}

fn source(schema: &SchemaDraft<'_>, files: &mut Files) -> Option<SchemaSource> {
    match files.text(&schema.path) {
        Ok(text) => {
            Some(SchemaSource { file: schema.path.display().to_string(), fragment: schema.fragment.clone(), text })
        }
        Err(message) => {
            schema.node.report(message);
            None
        }
    }
}

fn kind_source(kind: &KindDraft<'_>, schemas: Vec<SchemaSource>) -> KindSource {
    let name = kind.name.as_str().to_owned();
    match &kind.version_at {
        None => KindSource { kind: name, version_at: None, versions: Vec::new(), default: schemas.into_iter().next() },
        Some(pointer) => {
            let versions = kind.schemas.iter().filter_map(|schema| schema.version.clone()).zip(schemas).collect();
            KindSource { kind: name, version_at: Some(pointer.clone()), versions, default: None }
        }
    }
}

/// The store says which file is wrong; compiled alone, each schema says at which place of the config it is named.
fn blame(sources: &[(&KindDraft<'_>, Vec<SchemaSource>)], errors: &[bellgate_manifest::SchemaError], limits: &Limits) {
    let mut found = false;
    for (kind, schemas) in sources {
        for (draft, schema) in kind.schemas.iter().zip(schemas) {
            let alone = vec![KindSource::single(kind.name.as_str(), schema.clone())];
            for error in SchemaStore::compile(alone, limits.of_manifests()).err().into_iter().flatten() {
                draft.node.report(error);
                found = true;
            }
        }
    }
    if let (false, Some(draft)) = (found, sources.first().and_then(|(kind, _)| kind.schemas.first())) {
        for error in errors {
            draft.node.report(error);
        }
    }
}
