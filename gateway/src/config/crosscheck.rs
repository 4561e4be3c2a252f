//! What can be seen only with config and policy side by side.

use bellgate_enclave_protocol::{Entry, Limits};
use bellgate_policy::document::Node;
use bellgate_policy::{
    Asked, Content, Diagnostic, Mode, Object, Policy, Question, Reason, Server, SpiffeId, Standing, Timestamp, Verdict,
    decide,
};
use bellgate_registry::{Digest, Urn};

use super::draft::Draft;
use super::report::Report;

/// Tells what does not fit together, and returns what is likely not meant.
pub(super) fn compare(draft: &Draft<'_>, policy: &Policy, report: &mut Report) -> Vec<Diagnostic> {
    let mut warnings = policy.warnings();
    let me = draft.identity.as_ref().and_then(|identity| identity.id.as_ref());
    if let (Some(node), Some(id)) = (draft.identity_node, me) {
        know_myself(node, id, draft, policy, &mut warnings);
    }
    check_capabilities(draft, policy, report);
    if draft.calls {
        reach_capabilities(draft, policy, me);
        reach_upstreams(draft, policy, me, &mut warnings);
    }
    warnings
}

fn know_myself(node: Node<'_>, id: &SpiffeId, draft: &Draft<'_>, policy: &Policy, warnings: &mut Vec<Diagnostic>) {
    if policy.subject(id).is_none() {
        node.report_with_help(
            format_args!("`{id}` is no subject of the policy"),
            "add it there under `subjects`, or correct `identity.id`",
        );
    } else if draft.listeners.ingress.is_some() && policy.served_by(id).is_none() {
        let message = format!(
            "`ingress` listens, and no upstream of the policy is served by `{id}`: every request will be refused"
        );
        warnings.push(draft.warning(
            node,
            message,
            "add an upstream with this workload to the policy, or leave out `ingress`",
        ));
    }
}

/// What the policy takes as it stands, and registry and enclave have to understand.
fn check_capabilities(draft: &Draft<'_>, policy: &Policy, report: &mut Report) {
    let Some((_, file)) = &draft.policy else { return };
    if policy.upstream("enclave").is_some() {
        report.add_of(file, format_args!("an upstream named `enclave` can't be called: capabilities are called under that name; name it otherwise"));
    }
    for capability in policy.capabilities() {
        if let Err(error) = Urn::parse(&capability.urn) {
            report.add_of(file, format_args!("capability `{}`: {error}", capability.name));
        }
        if let Err(error) = Digest::parse(&capability.sha256) {
            report.add_of(file, format_args!("capability `{}`: {error}", capability.name));
        }
        if let Err(error) = Entry::new(&capability.entry) {
            report.add_of(file, format_args!("capability `{}`: {error}", capability.name));
        }
        let limits = &capability.limits;
        if let Err(error) =
            Limits::new(limits.memory_bytes, limits.fuel, limits.wall_ms, limits.input_bytes, limits.output_bytes)
        {
            report.add_of(file, format_args!("capability `{}`: {error}", capability.name));
        }
    }
}

/// A capability that the workload may run needs an enclave to run in and a registry to come from.
fn reach_capabilities(draft: &Draft<'_>, policy: &Policy, me: Option<&SpiffeId>) {
    let usable = policy
        .capabilities()
        .find(|capability| me.is_none_or(|id| granted(policy, id, &capability.object, &[Mode::Execute])));
    // So does a guard of the workload's own grants: it runs here, and without them refuses all that it stands before.
    let guard = me.and_then(|id| policy.guards_of(id).next());
    if let Some(capability) = usable {
        let what = format!("the policy lets capability `{}` be run from here", capability.name);
        need_enclave(draft, &what, "take the grant out of the policy");
    } else if let Some(guard) = guard {
        let what = format!("rule `{}` of the policy has capability `{}` as a guard here", guard.rule, guard.capability);
        need_enclave(draft, &what, "take the guard out of the policy");
    }
}

fn need_enclave(draft: &Draft<'_>, what: &str, otherwise: &str) {
    for (there, section) in [(draft.has_enclave, "enclave"), (draft.has_registry, "registry")] {
        if !there {
            draft.root.report_with_help(
                format_args!("{what}, and `{section}` is missing"),
                format_args!("add `{section}`, or {otherwise}"),
            );
        }
    }
}

/// An upstream that the workload may call should have an address; without one each of its requests is refused.
fn reach_upstreams(draft: &Draft<'_>, policy: &Policy, me: Option<&SpiffeId>, warnings: &mut Vec<Diagnostic>) {
    let Some(id) = me else { return };
    const MODES: [Mode; 3] = [Mode::Observe, Mode::Append, Mode::Alter];
    for upstream in policy.upstreams() {
        let listed = draft.names_upstream(upstream.name.as_str());
        let remote = matches!(&upstream.server, Server::Workload(subject) if subject.id != *id);
        let wanted = || {
            let routes = upstream.routes.iter().map(|route| &route.object);
            std::iter::once(&upstream.object).chain(routes).any(|object| granted(policy, id, object, &MODES))
        };
        if remote && !listed && wanted() {
            let message = format!(
                "the policy lets `{}` be called from here, and `upstreams` has no address for it",
                upstream.name
            );
            warnings.push(draft.warning(
                draft.upstreams_node.unwrap_or(draft.root),
                message,
                "add its address, or take the grant out of the policy",
            ));
        }
    }
}

/// Whether a rule of the policy grants one of the modes, labels aside.
fn granted(policy: &Policy, id: &SpiffeId, object: &std::sync::Arc<Object>, modes: &[Mode]) -> bool {
    modes.iter().any(|mode| {
        let question = Question {
            subject: id,
            object: Asked::Known(object),
            mode: *mode,
            standing: Standing::Unstated,
            task: None,
            target: None,
            content: Content::Unread,
            now: Timestamp(0),
        };
        match decide(policy, &question) {
            Verdict::Permit(_) => true,
            Verdict::Denial(denial) => {
                !denial.reasons().iter().any(|reason| matches!(reason, Reason::NotGranted | Reason::UnknownSubject))
            }
        }
    })
}
