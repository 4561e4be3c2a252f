//! The sidecar's config file: read once, parsed once, all mistakes told together.
//!
//! What holds: a [`Loaded`] exists only if the config, its policy and every file that they name had no mistake, alone and side by side. Reading
//! needs no secret and touches no socket, so `bellgate check` does exactly what the sidecar does at its start and at each reload.
//!
//! What is bounded: the config and the policy by 4 MiB, every other file by 16 MiB, mistakes told by 100 a file; what the file may set is in
//! [`BOUNDS`], each with its reason.
//!
//! What is absent on purpose: environment variables, includes, several files that are merged, and secrets of any kind: one file says it all, and
//! can be shown to anyone. Relative paths count from the config file's folder, not from where the program was started.
//!
//! A commented sample with every section is `deploy/bellgate.yaml`.

mod address;
mod crosscheck;
mod draft;
mod files;
mod limits;
mod listeners;
mod manifests;
mod report;
mod services;
mod settings;
#[cfg(test)]
mod tests;
mod upstreams;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bellgate_manifest::SchemaStore;
use bellgate_policy::document::Document;
use bellgate_policy::{Diagnostic, Name, Policy};

pub(crate) use address::TcpOrUnix;
use draft::Draft;
use files::Files;
pub(crate) use limits::{BOUNDS, Limits, Unit};
pub(crate) use report::Report;
pub(crate) use settings::*;

/// A config with everything that its files say. Immutable: a reload makes another.
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// The policy that `policy:` names.
    pub(crate) policy: Arc<Policy>,
    /// The schemas of `manifests:`, compiled within the config's limits.
    pub(crate) schemas: Arc<SchemaStore>,
    /// PEM bytes of the extra roots of upstreams of the web; each was read as authorities already.
    pub(crate) roots: BTreeMap<Name, Vec<u8>>,
    /// What is allowed and likely not meant, in policy and config.
    pub(crate) warnings: Vec<Diagnostic>,
    /// Every file that was read, sorted.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads the config at `path` and everything that it names.
///
/// # Errors
/// All mistakes of all files in one go.
pub(crate) fn load(path: &Path) -> Result<Loaded, Report> {
    let mut files = Files::beside(path);
    let text = files.own_text(path).map_err(|reason| Report::of_file(path, reason))?;
    let mut report = Report::empty();
    let document = match Document::parse(&path.display().to_string(), &text) {
        Ok(document) => document,
        Err(mistakes) => {
            report.add(mistakes);
            return Err(report);
        }
    };
    let mut beside = Report::empty();
    let loaded = Draft::read(&document, &files).and_then(|draft| assemble(draft, path, &mut files, &mut beside));
    if let Err(mistakes) = document.finish() {
        report.add(mistakes);
    }
    report.append(beside);
    report.unless_empty(loaded)
}

/// Reads the policy at `path` alone.
///
/// # Errors
/// All its mistakes in one go.
pub(crate) fn load_policy(path: &Path) -> Result<Policy, Report> {
    let text = Files::beside(path).own_text(path).map_err(|reason| Report::of_file(path, reason))?;
    parse_policy(path, &text)
}

fn parse_policy(path: &Path, text: &str) -> Result<Policy, Report> {
    Policy::parse(&path.display().to_string(), text).map_err(|mistakes| {
        let mut report = Report::empty();
        report.add(mistakes);
        report
    })
}

/// Reads what the draft names and holds it against each other. Mistakes of the config go to its document, those of other files to `report`.
fn assemble(draft: Draft<'_>, path: &Path, files: &mut Files, report: &mut Report) -> Option<Loaded> {
    let standard = Limits::standard();
    let schemas = manifests::compile(&draft.kinds, files, draft.limits.as_ref().unwrap_or(&standard));
    let (node, policy_file) = draft.policy.as_ref()?;
    let policy = match files.text(policy_file).map(|text| parse_policy(policy_file, &text)) {
        Ok(Ok(policy)) => policy,
        Ok(Err(mistakes)) => {
            report.append(mistakes);
            return None;
        }
        Err(message) => {
            node.report(message);
            return None;
        }
    };
    let warnings = crosscheck::compare(&draft, &policy, report);
    manifests::compare(draft.kinds_node.unwrap_or(draft.root), &policy);
    let mut upstreams = upstreams::settle(&draft.upstreams, &policy, files);
    let roots = std::mem::take(&mut upstreams.roots);
    let config = draft.settle(path, upstreams)?;
    Some(Loaded {
        config,
        policy: Arc::new(policy),
        schemas: Arc::new(schemas?),
        roots,
        warnings,
        files: files.names(),
    })
}
