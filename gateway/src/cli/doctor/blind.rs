//! What must hold, too, and can't be seen from here: said, so that nobody takes silence for health.

use bellgate_policy::{Server, SpiffeId};

use super::Loaded;
use super::finding::Finding;

/// One line for each.
pub(super) fn spots(loaded: &Loaded) -> Vec<Finding> {
    let policy = &loaded.policy;
    let dialled = |id: &SpiffeId| {
        policy.upstreams().any(|upstream| {
            let named = matches!(&upstream.server, Server::Workload(subject) if subject.id == *id);
            named && loaded.config.upstreams.contains_key(&upstream.name)
        })
    };
    let own = loaded.config.identity.id.as_ref();
    let elsewhere: Vec<&str> = policy
        .subjects()
        .filter(|subject| subject.gateway && own != Some(&subject.id) && !dialled(&subject.id))
        .map(|subject| subject.name.as_str())
        .collect();
    let mut spots = vec![
        Finding::unseen(
            "floor",
            "whether the floor dominates all that the workload has other than through its gateway: image, secrets, volumes, users",
            "ask who builds and deploys it",
        ),
        Finding::unseen(
            "network-policy",
            "rules outside of this machine: Kubernetes' NetworkPolicy, firewalls; and who can reach the workload's own port",
            "try from another pod: nothing but the gateway may answer",
        ),
        Finding::unseen(
            "other-lattices",
            format!(
                "whether other sidecars know the same levels and categories; one that does not refuses with label-out-of-range and names its policy's digest, here {}",
                policy.digest()
            ),
            "compare `policy` of GET /v1/status beside each",
        ),
        Finding::unseen(
            "replicas",
            "whether every replica has a state folder of its own",
            "a second gateway on one folder is refused when it starts; on two nodes with one network volume, look at the volume",
        ),
        Finding::unseen("covert-channels", "time, size and order of what is permitted: these are not closed", ""),
    ];
    if !elsewhere.is_empty() {
        spots.push(Finding::unseen(
            "other-gateways",
            format!("whether a gateway holds the svid of {}, as the policy says", elsewhere.join(", ")),
            "run doctor beside each",
        ));
    }
    spots
}
