//! The policy language, version 1: from a YAML file to a [`Policy`].
//!
//! ```
//! # let text = r#"
//! version: 1
//! levels: [PUBLIC, STANDARD, CONFIDENTIAL, RESTRICTED]   # low to high; these where left out
//! categories: [clinical]                                 # none where left out
//! lake: { label: "RESTRICTED:clinical" }                 # the top where left out
//! subjects:
//!   planner:
//!     id: spiffe://demo.bellgate.test/planner
//!     floor: PUBLIC
//!     clearance: "RESTRICTED:clinical"
//!     gateway: true
//!     handles: { reason: "a process for each session", limit: 1024, life: 1h }   # limit and life can be left out
//!   search: { id: spiffe://demo.bellgate.test/search, clearance: PUBLIC, gateway: true }
//!   mailer: { id: spiffe://demo.bellgate.test/mailer, clearance: "RESTRICTED:clinical", gateway: true }
//!   desk: { id: spiffe://demo.bellgate.test/desk, clearance: CONFIDENTIAL }
//! upstreams:
//!   search:
//!     workload: search                                   # a subject; or `web:` and a DNS name
//!     label: PUBLIC                                      # of all that no route takes out
//!     declares: false                                    # whether its own label statements are believed
//!     routes:
//!       ask: { methods: [POST], path: /v1/search, manifest: search-query }
//!   mail:
//!     web: mail.example.com
//!     routes:
//!       send:
//!         methods: [POST]
//!         path: /tools/send_email
//!         manifest: email                                # only a validated body names objects
//!         objects:                                       # mail/send/inner and so on; what no case takes: mail/send
//!           at: [/recipients, /cc]                       # JSON Pointers; each element of a list
//!           cases:                                       # the first that takes a value
//!             inner: { domain: example.org, label: CONFIDENTIAL }
//!             boss: { equals: boss@partner.example, label: STANDARD }
//!             desk: { one_of: [a@x.example, b@x.example], label: STANDARD }
//! capabilities:
//!   deidentify:
//!     urn: "urn:bellgate:actionspace:solver:deidentify:v1"
//!     sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
//!     entry: deidentify
//!     label: "RESTRICTED:clinical"
//! grants:
//!   - { subject: planner, object: search, modes: [observe, alter] }
//!   - { id: may-deidentify, subject: planner, object: deidentify, modes: [execute] }
//!   - { subject: planner, object: mail, modes: [alter] }
//!   - { subject: mailer, object: mail/send, modes: [alter] }
//!   - subject: planner                                   # lifts the star property for `observe`
//!     object: search
//!     modes: [observe]
//!     read_down:
//!       budget: 64KiB                                    # of target and headers, until a reset
//!       paths: ["/wiki/{page}"]                          # every target where left out
//!       values: { page: [Aspirin, Ibuprofen] }           # what may stand for a parameter; anything where left out
//!       queries: false                                   # whether a query may come with a path
//!       headers: [accept-language]                       # beside `accept`; all else is dropped
//!   - subject: planner                                   # lifts it for bodies that went through the guard
//!     object: search/ask
//!     modes: [alter]
//!     guard:
//!       capability: deidentify
//!       label: PUBLIC                                    # of what comes out
//!       on: egress                                       # or `release`: of answers
//!       headers: { content-type: [application/json] }    # the usual content types where left out
//! trusted:                                               # lifts it for one subject, until a date
//!   - id: outbox
//!     subject: mailer
//!     objects: [mail/send/inner, mail/send/boss]
//!     label: PUBLIC                                      # the object's own where left out
//!     reason: "it sends what a person has signed"
//!     expires: 2027-06-30T00:00:00Z
//! orchestrators:                                         # who may give whom grants for one task
//!   - id: desk
//!     subject: desk
//!     for: [planner]
//!     objects: [{ object: mail/send, modes: [alter], values: [/recipients, /cc] }]
//!     lifts: true                                        # whether they lift it, too
//!     without: [clinical]                                # never while the workload's own label has one of these
//!     life: 15m
//!     reason: "it reads the ticket that a person has opened"
//!     expires: 2027-01-01T00:00:00Z
//! # "#;
//! # let policy = bellgate_policy::Policy::parse("policy.yaml", text).unwrap();
//! # assert_eq!(policy.objects().count(), 8);
//! ```
//!
//! A grant on an upstream covers all its routes and their cases; one on `upstream/route` that route and its cases; one on a
//! case what is under it; `trusted` and `orchestrators` likewise. A case has a `label`, or `objects` of its own. Objects
//! share one space of names, rules one of IDs. `multilevel:`, `holds_no_data:` of a subject take a reason as text.
//! An egress guard takes `paths` and `values` like `read_down`, and the route's own path where they are left out; a release
//! guard takes `statuses`, 200 where left out.
//!
//! **What holds.** A file with one mistake gives no policy. Beyond names that exist and labels that can be read: a
//! clearance dominates the floor; the clearance of a workload dominates every object that it serves, and so does its floor
//! unless `holds_no_data` says why not; a workload serves one upstream; a SPIFFE ID is one subject; two routes of an
//! upstream never take the same requests. What a rule lifts to, some object that it names can take; nothing of a target
//! stays open to who goes through a guard; who is given tasks has `handles`; no capability is written down to.
//!
//! **What is bounded.** The numbers below, the names (32 bytes), and the document ([`crate::document`]).

mod body_objects;
mod capabilities;
mod draft;
mod grants;
mod guards;
mod headers;
mod labels;
mod orchestrators;
mod read_down;
mod routes;
mod subjects;
mod templates;
mod trusted;
mod upstreams;

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Document, Mapping};
use crate::grant::Matrix;
use crate::lattice::Lattice;
use crate::orchestrator::Orchestrator;
use crate::policy::Policy;
use crate::subject::Subject;
use draft::Draft;

/// How many subjects a policy can have: every decision finds its subject by hash, so this bounds the file, not the speed.
pub const MAX_SUBJECTS: usize = 4096;
/// How many upstreams a policy can have.
pub const MAX_UPSTREAMS: usize = 4096;
/// How many routes an upstream can have: every request walks them.
pub const MAX_ROUTES: usize = 256;
/// How many capabilities a policy can have.
pub const MAX_CAPABILITIES: usize = 1024;
/// How many grants a policy can have.
pub const MAX_GRANTS: usize = 16_384;
/// How many rules of trusted subjects a policy can have.
pub const MAX_TRUSTED: usize = 1024;
/// How many rules of orchestrators a policy can have.
pub const MAX_ORCHESTRATORS: usize = 256;
/// How many subjects or objects one rule can name.
pub const MAX_NAMED: usize = 256;
/// How many cases one `objects` can have: each value of a body walks them.
pub const MAX_CASES: usize = 64;
/// How many cases a route can have in all: before its body is read, each of them is decided.
pub const MAX_ROUTE_CASES: usize = 256;
/// How deep `objects` can stand in `objects`.
pub const MAX_OBJECTS_DEPTH: usize = 4;
/// How many texts a list of values can have.
pub const MAX_VALUES: usize = 1024;
/// How many JSON Pointers, path templates or headers one rule can have.
pub const MAX_PLACES: usize = 32;

/// Reads a policy; see [`Policy::parse`].
pub(crate) fn parse(file: &str, text: &str) -> Result<Policy, Diagnostics> {
    let document = Document::parse(file, text)?;
    let draft = document.root().mapping().map(|root| read(&root));
    if document.is_clean()
        && let Some(draft) = draft
        && let Some(lattice) = draft.lattice.clone()
    {
        return Ok(finished(file, text, draft, lattice));
    }
    match document.finish() {
        Err(mistakes) => Err(mistakes),
        // A reader that gives up has said why; were one ever silent, the file is refused all the same.
        Ok(()) => Err(Diagnostics(vec![Diagnostic {
            file: Arc::from(file),
            line: 1,
            column: 1,
            message: String::from("the file can't be read as a policy"),
            help: None,
        }])),
    }
}

/// All sections, in an order in which each finds what it refers to.
fn read(root: &Mapping<'_>) -> Draft {
    read_version(root);
    let lattice = labels::read_lattice(root);
    let mut draft = Draft::new(lattice);
    labels::read_lake(root, &mut draft);
    subjects::read(root, &mut draft);
    upstreams::read(root, &mut draft);
    capabilities::read(root, &mut draft);
    grants::read(root, &mut draft);
    trusted::read(root, &mut draft);
    orchestrators::read(root, &mut draft);
    root.deny_unknown();
    draft
}

fn read_version(root: &Mapping<'_>) {
    let Some(node) = root.required("version") else {
        return;
    };
    if node.u64().is_some_and(|version| version != 1) {
        node.report("this program reads version 1 of the policy language");
    }
}

fn finished(file: &str, text: &str, draft: Draft, lattice: Lattice) -> Policy {
    let Draft {
        lake,
        subjects,
        upstreams,
        upstreams_by_authority,
        capabilities,
        objects,
        mut manifests,
        grants,
        trusted,
        orchestrators,
        ..
    } = draft;
    manifests.sort();
    manifests.dedup();
    let subjects: Vec<_> = subjects.into_iter().flatten().collect();
    Policy {
        file: Arc::from(file),
        digest: Arc::from(format!("sha256:{}", hex::encode(Sha256::digest(text)))),
        lake: lake.unwrap_or_else(|| lattice.top()),
        lattice,
        subjects_by_id: subjects.iter().map(|subject| (subject.id.clone(), Arc::clone(subject))).collect(),
        served: upstreams
            .iter()
            .filter_map(|upstream| {
                let subject = upstream.server.workload()?;
                Some((subject.id.clone(), Arc::clone(upstream)))
            })
            .collect(),
        upstreams,
        upstreams_by_authority,
        capabilities,
        objects_by_name: objects
            .iter()
            .map(|object| (Arc::clone(&object.name), Arc::clone(object)))
            .collect::<HashMap<_, _>>(),
        objects,
        manifests,
        matrix: Matrix::of(&grants, &trusted),
        grants,
        trusted,
        orchestrators_of: by_workload(&subjects, &orchestrators),
        orchestrators,
        subjects,
    }
}

/// For each subject, by its number, the rules under which others open handles for it.
fn by_workload(subjects: &[Arc<Subject>], rules: &[Arc<Orchestrator>]) -> Vec<Vec<Arc<Orchestrator>>> {
    let mut of = vec![Vec::new(); subjects.len()];
    for rule in rules {
        for workload in &rule.workloads {
            if let Some(of) = of.get_mut(workload.index) {
                of.push(Arc::clone(rule));
            }
        }
    }
    of
}
