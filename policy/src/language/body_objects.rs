//! `objects` of a route or a case: what values of the body name.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::document::{Entry, Mapping, Node};
use crate::lattice::Lattice;
use crate::matcher::Matcher;
use crate::name::Name;
use crate::naming::{Case, Naming, Then};
use crate::object::{Object, Server};
use crate::pointer::Pointer;

use super::draft::{Draft, section};
use super::routes::Shell;
use super::upstreams::{Part, check_served, dns_name};
use super::{MAX_CASES, MAX_OBJECTS_DEPTH, MAX_PLACES, MAX_ROUTE_CASES, MAX_VALUES};

/// Reads `objects` of the route whose own object is `rest`, labelled as the bottom.
pub(super) fn read(
    node: Node<'_>,
    name: &str,
    shell: &Shell,
    part: &Part,
    rest: Option<Arc<Object>>,
    draft: &mut Draft,
) -> Option<Naming> {
    let mut reader = Reader { shell, draft, cases: 0 };
    reader.naming(node, name, part, rest, 1)
}

struct Reader<'a> {
    /// With the bottom as its label.
    shell: &'a Shell,
    draft: &'a mut Draft,
    /// Cases of the route so far.
    cases: usize,
}

impl Reader<'_> {
    fn naming(
        &mut self,
        node: Node<'_>,
        name: &str,
        part: &Part,
        rest: Option<Arc<Object>>,
        depth: usize,
    ) -> Option<Naming> {
        let fields = node.mapping()?;
        let at = fields.required("at").and_then(pointers);
        let listed = fields.required("cases");
        let entries = section(&fields, "cases", MAX_CASES);
        fields.deny_unknown();
        if depth > MAX_OBJECTS_DEPTH {
            node.report(format_args!("`objects` stands in `objects` more than {MAX_OBJECTS_DEPTH} deep"));
            return None;
        }
        if let Some(listed) = listed.filter(|listed| listed.is_mapping() && entries.is_empty()) {
            listed.report_with_help(
                "without a case every value has the lowest label",
                "add a case, or leave out `objects`",
            );
            return None;
        }
        let mut cases: Vec<Case> = Vec::new();
        let mut clean = true;
        for entry in entries {
            match self.case(entry, name, part, &cases, depth) {
                Some(case) => cases.push(case),
                None => clean = false,
            }
        }
        Some(Naming { rest: rest?, at: at?, cases: clean.then_some(cases)? })
    }

    fn case(&mut self, entry: Entry<'_>, name: &str, part: &Part, before: &[Case], depth: usize) -> Option<Case> {
        let name = format!("{name}/{}", entry.key());
        self.draft.object_names.insert(name.clone());
        self.cases += 1;
        if self.cases == MAX_ROUTE_CASES + 1 {
            entry.report(format_args!("the cases of this route are more than the {MAX_ROUTE_CASES} that are read"));
        }
        let key = entry.parse_key(Name::new);
        let fields = entry.value.mapping()?;
        let when = matcher(&fields, before);
        let label_at = fields.optional("label");
        let objects_at = fields.optional("objects");
        let label = match (label_at, objects_at) {
            (Some(label), None) => self.draft.label(label),
            (Some(label), Some(_)) => {
                label.report_with_help(
                    "`label` stands beside `objects`, and there the values decide",
                    "leave out `label`: what no case takes has the lowest one",
                );
                None
            }
            (None, Some(_)) => self.draft.lattice.as_ref().map(Lattice::bottom),
            (None, None) => {
                entry.report_with_help(
                    "a case needs a `label` or `objects`",
                    "`label` is what its values carry; `objects` looks at further values",
                );
                None
            }
        };
        fields.deny_unknown();
        if let (Some(Server::Workload(subject)), Some(at), Some(label)) = (&self.shell.server, label_at, &label) {
            check_served(subject, label, at);
        }
        let index = self.draft.objects.len();
        let part = part.part(index);
        let shell = Shell { label, ..self.shell.clone() };
        // A case whose label is broken has been reported; it takes part no further.
        let object = shell.label.is_some().then(|| shell.object(&name, part.clone(), entry.place())).flatten();
        self.draft.objects.extend(object.clone());
        let then = match objects_at {
            Some(node) => self.naming(node, &name, &part, object, depth + 1).map(Then::Naming),
            None => object.map(Then::Object),
        };
        self.draft.extents.insert(name, index..self.draft.objects.len());
        key.and(Some(Case { when: when?, then: then? }))
    }
}

/// One pointer or a list of them, each once.
pub(super) fn pointers(node: Node<'_>) -> Option<Vec<Pointer>> {
    let nodes = if node.is_scalar() { vec![node] } else { node.sequence()? };
    if nodes.is_empty() {
        node.report_with_help("an empty list of JSON Pointers finds nothing", "name one, such as `/recipients`");
        return None;
    }
    if let Some(over) = nodes.get(MAX_PLACES) {
        over.report(format_args!("{} JSON Pointers are more than the {MAX_PLACES} that are read", nodes.len()));
        return None;
    }
    let mut read: Vec<Pointer> = Vec::new();
    let mut clean = true;
    for node in nodes {
        match node.parse_with(Pointer::parse) {
            Some(pointer) if read.contains(&pointer) => {
                node.report(format_args!("`{pointer}` is listed twice"));
                clean = false;
            }
            Some(pointer) => read.push(pointer),
            None => clean = false,
        }
    }
    clean.then_some(read)
}

/// The one test that a case has.
fn matcher(fields: &Mapping<'_>, before: &[Case]) -> Option<Matcher> {
    const HELP: &str = "`equals` is one text, `one_of` a list of them, `domain` a mail address of that domain";
    let tests = [fields.optional("equals"), fields.optional("one_of"), fields.optional("domain")];
    let matcher = match tests {
        [Some(node), None, None] => node.non_empty_string().map(|text| Matcher::Equals(text.to_owned())),
        [None, Some(node), None] => texts(node).map(Matcher::OneOf),
        [None, None, Some(node)] => node.parse_with(dns_name).map(Matcher::Domain),
        [None, None, None] => {
            fields.node().report_with_help("a case needs one of `equals`, `one_of` and `domain`", HELP);
            None
        }
        [..] => {
            fields
                .node()
                .report_with_help("a case has one of `equals`, `one_of` and `domain`, and this one has more", HELP);
            None
        }
    }?;
    let at = tests.into_iter().flatten().next().unwrap_or_else(|| fields.node());
    if before.iter().any(|case| matcher.is_within(&case.when)) {
        at.report_with_help(
            "a case before this one takes all its values, so it never applies",
            "the first case that takes a value decides: put this one before it, or leave it out",
        );
        return None;
    }
    Some(matcher)
}

/// A list of texts, none of them empty, each once.
pub(super) fn texts(node: Node<'_>) -> Option<BTreeSet<String>> {
    let nodes = node.sequence()?;
    if nodes.is_empty() {
        node.report_with_help("an empty list takes no value", "name one, or leave this out");
        return None;
    }
    if let Some(over) = nodes.get(MAX_VALUES) {
        over.report(format_args!("{} values are more than the {MAX_VALUES} that are read", nodes.len()));
        return None;
    }
    let mut texts = BTreeSet::new();
    let mut clean = true;
    for node in nodes {
        match node.non_empty_string() {
            Some(text) if !texts.insert(text.to_owned()) => {
                node.report(format_args!("`{}` is listed twice", crate::name::shortened(text)));
                clean = false;
            }
            Some(_) => {}
            None => clean = false,
        }
    }
    clean.then_some(texts)
}
