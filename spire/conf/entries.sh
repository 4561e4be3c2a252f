#!/bin/sh
# Registers the workloads of the demo with a SPIRE Server 1.5 or later. Run it on the server, as a user that may reach its socket.
#
#   ./entries.sh                         # with the names below
#   SPIRE_SERVER=/opt/spire/bin/spire-server TRUST_DOMAIN=example.org ./entries.sh
#
# Each entry asks for two selectors, and both must hold: the uid of that workload's gateway, and the path of the gateway's binary.
# So neither the workload (another uid) nor another program of the gateway's user gets the SVID.
# In Kubernetes use instead: -selector k8s:ns:<namespace> -selector k8s:sa:<account> -selector k8s:container-name:bellgate
# (without the last one every container of the pod gets the SVID, the workload's too).
#
# Running it twice registers nothing twice: the server answers `similar entry already exists`, and the script stops there.
set -eu

server=${SPIRE_SERVER:-spire-server}
socket=${SPIRE_SERVER_SOCKET:-/run/spire/server/api.sock}
trust_domain=${TRUST_DOMAIN:-demo.bellgate.test}
binary=${GATEWAY_BINARY:-/usr/local/bin/bellgate}
# The common name of the certificates that the machines attest with (x509pop).
machines=${MACHINE_COMMON_NAME:-sidecar-node.demo.bellgate.test}
ttl=${SVID_TTL_SECONDS:-300}

# All machines that may run gateways share one name; the entries below hang on it, so a new machine needs no new entries.
"$server" entry create -socketPath "$socket" -node \
    -spiffeID "spiffe://$trust_domain/node/sidecars" \
    -selector "x509pop:subject:cn:$machines"

# workload, uid of its gateway. One uid each: a shared one would make them the same workload.
while read -r workload uid; do
    "$server" entry create -socketPath "$socket" \
        -parentID "spiffe://$trust_domain/node/sidecars" \
        -spiffeID "spiffe://$trust_domain/$workload" \
        -selector "unix:uid:$uid" \
        -selector "unix:path:$binary" \
        -x509SVIDTTL "$ttl" </dev/null
done <<WORKLOADS
planner 10001
search 10002
records 10003
vault 10004
registry 10005
WORKLOADS
# For a workload that talks to another trust domain, add: -federatesWith spiffe://partner.test
