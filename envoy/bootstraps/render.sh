#!/bin/sh
# Fills in a bootstrap template and prints it. Usage:
#   render.sh data-path|ext-authz spire|files KEY=VALUE...
# Keys, with their defaults: RUN_DIR (required), GATEWAY_SOCKET (required), TRUST_DOMAIN (required),
#   LISTEN_ADDRESS=0.0.0.0 LISTEN_PORT=8443 WORKLOAD_ADDRESS=127.0.0.1 WORKLOAD_PORT=8080 MAX_CONNECTION_DURATION=1800s
#   spire: SPIRE_AGENT_SOCKET=/run/spire/agent/public/api.sock SVID_NAME=default BUNDLE_NAME=ROOTCA
#   files: SVID_FILE, BUNDLE_FILE (SDS files; see svid.yaml and bundle.yaml beside this script) SVID_NAME=svid BUNDLE_NAME=bundle
set -eu
here=$(dirname "$0")
fail() { echo "render.sh: $1" >&2; exit 64; }
[ $# -ge 2 ] || fail "usage: render.sh data-path|ext-authz spire|files KEY=VALUE..."
template=$1 source=$2
shift 2
case $template in data-path|ext-authz) ;; *) fail "no template \`$template\`: data-path or ext-authz" ;; esac

LISTEN_ADDRESS=0.0.0.0 LISTEN_PORT=8443 WORKLOAD_ADDRESS=127.0.0.1 WORKLOAD_PORT=8080 MAX_CONNECTION_DURATION=1800s
SPIRE_AGENT_SOCKET=/run/spire/agent/public/api.sock
RUN_DIR='' GATEWAY_SOCKET='' TRUST_DOMAIN='' SVID_FILE='' BUNDLE_FILE=''
case $source in
  spire) SVID_NAME=default BUNDLE_NAME=ROOTCA ;;
  files) SVID_NAME=svid BUNDLE_NAME=bundle ;;
  *) fail "no source \`$source\`: spire or files" ;;
esac
keys="RUN_DIR GATEWAY_SOCKET TRUST_DOMAIN LISTEN_ADDRESS LISTEN_PORT WORKLOAD_ADDRESS WORKLOAD_PORT MAX_CONNECTION_DURATION
  SPIRE_AGENT_SOCKET SVID_NAME BUNDLE_NAME SVID_FILE BUNDLE_FILE"
for pair in "$@"; do
  key=${pair%%=*} value=${pair#*=}
  case " $(echo $keys) " in *" $key "*) ;; *) fail "no key \`$key\`: one of $(echo $keys)" ;; esac
  # What may stand in a value: nothing that ends a YAML string, or that sed reads.
  case $value in ''|*[!A-Za-z0-9_.:/@-]*) fail "the value of \`$key\` may hold only letters, digits and _ . : / @ -" ;; esac
  eval "$key=\$value"
done
for key in RUN_DIR GATEWAY_SOCKET TRUST_DOMAIN; do
  eval "[ -n \"\$$key\" ]" || fail "\`$key\` is missing: give $key=VALUE"
done
spire='{ resource_api_version: V3, api_config_source: { api_type: GRPC, transport_api_version: V3, grpc_services: [ { envoy_grpc: { cluster_name: spire_agent } } ] } }'
if [ "$source" = spire ]; then
  SVID_SOURCE=$spire BUNDLE_SOURCE=$spire
else
  [ -n "$SVID_FILE" ] && [ -n "$BUNDLE_FILE" ] || fail "\`files\` needs SVID_FILE and BUNDLE_FILE"
  SVID_SOURCE="{ resource_api_version: V3, path_config_source: { path: \"$SVID_FILE\" } }"
  BUNDLE_SOURCE="{ resource_api_version: V3, path_config_source: { path: \"$BUNDLE_FILE\" } }"
fi
script=''
for key in $keys SVID_SOURCE BUNDLE_SOURCE; do
  eval "value=\$$key"
  script="${script}s|@${key}@|${value}|g
"
done
sed -e '/^ *#/d' -e "$script" "$here/$template.yaml"
