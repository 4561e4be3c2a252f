//! Sections `ingress`, `egress`, `envoy`, `metrics` and `admin`: what this sidecar opens, and that no two of them collide.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bellgate_policy::document::{Mapping, Node};

use super::address::{TcpOrUnix, parse_tcp, parse_unix};
use super::settings::{
    EgressListen, EgressSettings, EnvoySettings, IngressSettings, MetricsSettings, Protocol, UnixListen,
};

/// `(uid_t)-1` means "no uid" to the kernel.
const HIGHEST_UID: u64 = 0xFFFF_FFFE;

/// What this sidecar opens.
pub(super) struct Listeners {
    pub(super) ingress: Option<IngressSettings>,
    pub(super) egress: Option<EgressSettings>,
    pub(super) envoy: Option<EnvoySettings>,
    pub(super) metrics: Option<MetricsSettings>,
    pub(super) admin: Option<UnixListen>,
}

/// Who has which address, so that the second one is told.
#[derive(Default)]
pub(super) struct Taken {
    tcp: Vec<(SocketAddr, &'static str)>,
    unix: Vec<(PathBuf, &'static str)>,
}

impl Taken {
    /// Takes a TCP address to listen on. The wildcard address collides with each other one of its port.
    fn tcp(&mut self, node: Node<'_>, address: SocketAddr, owner: &'static str) {
        let collides = |other: SocketAddr| {
            other.port() == address.port()
                && (other.ip() == address.ip() || other.ip().is_unspecified() || address.ip().is_unspecified())
        };
        match self.tcp.iter().find(|(other, _)| collides(*other)) {
            Some((other, first)) => {
                node.report_with_help(
                    format_args!("`{address}` collides with `{other}` of `{first}`"),
                    "give each listener an address of its own",
                );
            }
            None => self.tcp.push((address, owner)),
        }
    }

    /// Takes a socket path, to listen on or because somebody else does.
    pub(super) fn unix(&mut self, node: Node<'_>, path: &Path, owner: &'static str) {
        match self.unix.iter().find(|(other, _)| other == path) {
            Some((_, first)) => {
                node.report_with_help(
                    format_args!("`{}` is the socket of `{first}` already", path.display()),
                    "give each socket a path of its own",
                );
            }
            None => self.unix.push((path.to_owned(), owner)),
        }
    }

    /// A place to connect to that is one of our own would make a loop.
    fn connects(&self, node: Node<'_>, target: &TcpOrUnix) {
        let owner = match target {
            TcpOrUnix::Tcp(address) => self
                .tcp
                .iter()
                .find(|(own, _)| {
                    own.port() == address.port()
                        && (own.ip() == address.ip() || (own.ip().is_unspecified() && address.ip().is_loopback()))
                })
                .map(|(_, owner)| owner),
            TcpOrUnix::Unix(path) => self.unix.iter().find(|(own, _)| own == path).map(|(_, owner)| owner),
        };
        if let Some(owner) = owner {
            node.report_with_help(
                format_args!("`{target}` is this sidecar's own `{owner}`"),
                "name the address on which the workload itself listens",
            );
        }
    }
}

impl Listeners {
    /// Reads all sections; `taken` knows the sockets of others.
    pub(super) fn read(root: &Mapping<'_>, taken: &mut Taken) -> Self {
        let sections = ["ingress", "egress", "envoy"].map(|name| (name, root.optional(name)));
        if sections.iter().all(|(_, section)| section.is_none()) {
            root.node()
                .report_with_help("nothing passes this sidecar", "add at least one of `ingress`, `egress` and `envoy`");
        }
        let [(_, ingress), (_, egress), (_, envoy)] = sections;
        let ingress_parts = ingress.and_then(|node| ingress_listen(node, taken));
        let egress = egress.and_then(|node| read_egress(node, taken));
        let envoy = envoy.and_then(|node| read_envoy(node, taken));
        let metrics = root.optional("metrics").and_then(|node| read_metrics(node, taken));
        let admin_node = root.optional("admin");
        let admin = admin_node.and_then(|node| read_admin(node, taken));
        if let (Some(node), Some(admin), Some(EgressSettings { listen: EgressListen::Unix(egress) })) =
            (admin_node, &admin, &egress)
            && let Some(uid) = admin.uids.iter().find(|uid| egress.uids.contains(uid))
        {
            node.report_with_help(
                format_args!(
                    "uid {uid} may use `egress` and `admin`, and the workload must never reach the admin socket"
                ),
                "run the workload under a uid of its own",
            );
        }
        // Where the workload is, is checked last: every listener is known by then.
        let ingress = ingress_parts.and_then(|(listen, workload, protocol)| {
            let (node, workload) = workload?;
            taken.connects(node, &workload);
            Some(IngressSettings { listen: listen?, workload, protocol: protocol? })
        });
        Self { ingress, egress, envoy, metrics, admin }
    }
}

type IngressParts<'d> = (Option<SocketAddr>, Option<(Node<'d>, TcpOrUnix)>, Option<Protocol>);

fn ingress_listen<'d>(node: Node<'d>, taken: &mut Taken) -> Option<IngressParts<'d>> {
    let fields = node.mapping()?;
    let listen = fields.required("listen").and_then(|node| listen_tcp(node, taken, "ingress.listen"));
    let workload = fields.required("workload").and_then(|node| {
        let workload = node.parse_with(TcpOrUnix::parse)?;
        match &workload {
            TcpOrUnix::Tcp(address) if !address.ip().is_loopback() => {
                node.report_with_help(
                    format_args!("`{address}` is not on this host, and what goes to the workload is in the clear"),
                    "use a loopback address such as \"127.0.0.1:9000\", or a unix socket",
                );
                None
            }
            TcpOrUnix::Tcp(_) | TcpOrUnix::Unix(_) => Some((node, workload)),
        }
    });
    let protocol = read_protocol(&fields);
    fields.deny_unknown();
    Some((listen, workload, protocol))
}

fn read_egress(node: Node<'_>, taken: &mut Taken) -> Option<EgressSettings> {
    let fields = node.mapping()?;
    let listen_node = fields.required("listen");
    let listen = listen_node.and_then(|node| node.parse_with(TcpOrUnix::parse));
    let uids_node = fields.optional("uids");
    let settings = match (listen_node, listen) {
        (Some(node), Some(TcpOrUnix::Tcp(address))) => {
            if let Some(uids) = uids_node {
                uids.report_with_help(
                    "a TCP listener can't tell who connects",
                    "leave out `uids`, or listen on a unix socket",
                );
            }
            if address.ip().is_loopback() {
                taken.tcp(node, address, "egress.listen");
                Some(EgressListen::Loopback(address))
            } else {
                node.report_with_help(
                    format_args!(
                        "`{address}` can be reached from outside, and whoever reaches it speaks as this workload"
                    ),
                    "use a loopback address such as \"127.0.0.1:15001\", or a unix socket",
                );
                None
            }
        }
        (Some(node), Some(TcpOrUnix::Unix(socket))) => {
            taken.unix(node, &socket, "egress.listen");
            fields.required("uids").and_then(read_uids).map(|uids| EgressListen::Unix(UnixListen { socket, uids }))
        }
        (None, _) | (_, None) => None,
    };
    fields.deny_unknown();
    Some(EgressSettings { listen: settings? })
}

fn read_envoy(node: Node<'_>, taken: &mut Taken) -> Option<EnvoySettings> {
    let fields = node.mapping()?;
    let listen = listen_unix(&fields, taken, "envoy.listen");
    let ext_authz = match fields.optional("ext_authz") {
        None => Some(None),
        Some(node) => node.parse_with(parse_unix).map(|socket| {
            taken.unix(node, &socket, "envoy.ext_authz");
            Some(socket)
        }),
    };
    fields.deny_unknown();
    Some(EnvoySettings { listen: listen?, ext_authz: ext_authz? })
}

fn read_metrics(node: Node<'_>, taken: &mut Taken) -> Option<MetricsSettings> {
    let fields = node.mapping()?;
    let listen = fields.required("listen").and_then(|node| listen_tcp(node, taken, "metrics.listen"));
    fields.deny_unknown();
    Some(MetricsSettings { listen: listen? })
}

fn read_admin(node: Node<'_>, taken: &mut Taken) -> Option<UnixListen> {
    let fields = node.mapping()?;
    let listen = listen_unix(&fields, taken, "admin.listen");
    fields.deny_unknown();
    listen
}

fn listen_tcp(node: Node<'_>, taken: &mut Taken, owner: &'static str) -> Option<SocketAddr> {
    let address = node.parse_with(parse_tcp)?;
    taken.tcp(node, address, owner);
    Some(address)
}

fn listen_unix(fields: &Mapping<'_>, taken: &mut Taken, owner: &'static str) -> Option<UnixListen> {
    let socket = fields.required("listen").and_then(|node| {
        let socket = node.parse_with(parse_unix)?;
        taken.unix(node, &socket, owner);
        Some(socket)
    });
    let uids = fields.required("uids").and_then(read_uids);
    Some(UnixListen { socket: socket?, uids: uids? })
}

fn read_uids(node: Node<'_>) -> Option<Vec<u32>> {
    let items = node.sequence()?;
    if items.is_empty() {
        node.report_with_help(
            "the list is empty, so nobody could connect to this socket",
            "list the uids that may, such as `[1000]`",
        );
        return None;
    }
    let mut uids = Vec::new();
    let mut sound = true;
    for item in items {
        match read_uid(item) {
            Some(uid) if uids.contains(&uid) => {
                item.report(format_args!("uid {uid} stands here twice"));
                sound = false;
            }
            Some(uid) => uids.push(uid),
            None => sound = false,
        }
    }
    sound.then_some(uids)
}

/// Reads one uid.
pub(super) fn read_uid(node: Node<'_>) -> Option<u32> {
    node.u64_within(0..=HIGHEST_UID).and_then(|uid| u32::try_from(uid).ok())
}

/// Reads `protocol: h1|h2`; `h1` where the file is silent, which every server speaks.
pub(super) fn read_protocol(fields: &Mapping<'_>) -> Option<Protocol> {
    let Some(node) = fields.optional("protocol") else { return Some(Protocol::H1) };
    match node.string()? {
        "h1" => Some(Protocol::H1),
        "h2" => Some(Protocol::H2),
        _ => node.expected("`h1` or `h2`"),
    }
}
