//! Section `upstreams`: where each upstream of the policy can be reached from here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bellgate_policy::document::{Entry, Node, closest};
use bellgate_policy::{Name, Policy, Server};

use super::address::HostPort;
use super::files::Files;
use super::listeners::read_protocol;
use super::services::read_path;
use super::settings::{Protocol, UpstreamSettings};

/// The port of `https`.
const HTTPS: u16 = 443;

/// One entry of the section, before the policy is known.
pub(super) struct UpstreamDraft<'d> {
    name: Name,
    entry: Entry<'d>,
    address: Option<HostPort>,
    protocol: Protocol,
    roots: Option<(Node<'d>, PathBuf)>,
}

/// The section together with the policy.
pub(super) struct Upstreams {
    pub(super) settings: BTreeMap<Name, UpstreamSettings>,
    /// PEM bytes of extra roots.
    pub(super) roots: BTreeMap<Name, Vec<u8>>,
}

/// Reads the section; an entry with a mistake is left out, and told.
pub(super) fn read_upstreams<'d>(node: Option<Node<'d>>, files: &Files) -> Vec<UpstreamDraft<'d>> {
    let Some(section) = node.and_then(Node::mapping) else { return Vec::new() };
    // Every entry reports its own mistakes, so that none is lost with the entry.
    section.entries().filter_map(|entry| read_upstream(entry, files)).collect()
}

fn read_upstream<'d>(entry: Entry<'d>, files: &Files) -> Option<UpstreamDraft<'d>> {
    let name = entry.parse_key(Name::new);
    let fields = entry.value.mapping()?;
    let address = match fields.optional("address") {
        None => Some(None),
        Some(node) => node.parse_with(HostPort::parse).map(Some),
    };
    let protocol = read_protocol(&fields);
    let roots = match fields.optional("roots") {
        None => Some(None),
        Some(node) => read_path(node, files).map(|path| Some((node, path))),
    };
    fields.deny_unknown();
    Some(UpstreamDraft { name: name?, entry, address: address?, protocol: protocol?, roots: roots? })
}

/// Holds the section against the policy: each name is there, each address too, and extra roots are authorities.
pub(super) fn settle(drafts: &[UpstreamDraft<'_>], policy: &Policy, files: &mut Files) -> Upstreams {
    let mut settled = Upstreams { settings: BTreeMap::new(), roots: BTreeMap::new() };
    for draft in drafts {
        let Some(upstream) = policy.upstream(draft.name.as_str()) else {
            unknown(draft, policy);
            continue;
        };
        let address = match (&upstream.server, &draft.address) {
            (Server::Enclave, _) => {
                draft.entry.report_with_help(
                    format_args!("`{}` runs in the enclave and has no address", draft.name),
                    "leave it out",
                );
                continue;
            }
            (Server::Workload(_) | Server::Web(_), Some(address)) => address.clone(),
            (Server::Web(name), None) => HostPort::of_name(name, HTTPS),
            (Server::Workload(subject), None) => {
                draft.entry.report_with_help(
                    format_args!("`address` is missing here: where the sidecar of `{}` listens", subject.name),
                    "write host:port, as in \"search.example.com:8443\"",
                );
                continue;
            }
        };
        if let Some((node, path)) = &draft.roots {
            match read_roots(&upstream.server, path, files) {
                Ok(pem) => drop(settled.roots.insert(draft.name.clone(), pem)),
                Err(message) => node.report(message),
            }
        }
        let roots = draft.roots.as_ref().map(|(_, path)| path.clone());
        settled.settings.insert(draft.name.clone(), UpstreamSettings { address, protocol: draft.protocol, roots });
    }
    for upstream in policy.upstreams() {
        if let Server::Web(name) = &upstream.server {
            let address = HostPort::of_name(name, HTTPS);
            settled.settings.entry(upstream.name.clone()).or_insert(UpstreamSettings {
                address,
                protocol: Protocol::H1,
                roots: None,
            });
        }
    }
    settled
}

fn unknown(draft: &UpstreamDraft<'_>, policy: &Policy) {
    let names = || policy.upstreams().map(|upstream| upstream.name.as_str());
    let help = match closest(draft.name.as_str(), names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the upstreams there are `{}`", names().collect::<Vec<_>>().join("`, `")),
    };
    draft.entry.report_with_help(format_args!("the policy has no upstream `{}`", draft.name), help);
}

fn read_roots(server: &Server, path: &std::path::Path, files: &mut Files) -> Result<Vec<u8>, String> {
    if !matches!(server, Server::Web(_)) {
        return Err(String::from(
            "`roots` are for upstreams of the web alone; workloads are proved by the trust bundles of the workload api, so leave it out",
        ));
    }
    let pem = files.text(path)?.as_bytes().to_vec();
    match bellgate_spire::web_client_config(Some(&pem), &[]) {
        Ok(_) => Ok(pem),
        Err(error) => Err(format!("`{}`: {error}", path.display())),
    }
}
