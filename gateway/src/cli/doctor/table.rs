//! Who listens on a TCP port of this network namespace: `/proc/net/tcp` and `tcp6` (proc_pid_net(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A listening socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Listening {
    /// Where.
    pub(super) address: SocketAddr,
    /// Whose: the effective uid of the process that made it.
    pub(super) uid: u32,
    /// By which its process can be found.
    pub(super) inode: u64,
}

/// All listening sockets of this network namespace.
pub(super) fn read() -> Vec<Listening> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|text| parse(&text))
        .collect()
}

/// Those that take what is sent to `address`.
pub(super) fn at(all: &[Listening], address: SocketAddr) -> Vec<Listening> {
    let takes = |listening: &&Listening| {
        let own = listening.address;
        own.port() == address.port()
            && (own.ip().to_canonical() == address.ip().to_canonical() || own.ip().is_unspecified())
    };
    all.iter().filter(takes).copied().collect()
}

/// Lines that are no listening socket are passed over, the heading among them.
fn parse(text: &str) -> Vec<Listening> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Listening> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_whitespace().skip(1);
    let address = address(fields.next()?)?;
    let state = fields.nth(1)?;
    let uid = fields.nth(3)?.parse().ok()?;
    let inode = fields.nth(1)?.parse().ok()?;
    (state == LISTEN).then_some(Listening { address, uid, inode })
}

/// `0100007F:1F90`: words of 32 bits in the byte order of the machine, and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<[u8; 4]> = ip
        .as_bytes()
        .chunks(8)
        .map(|word| Some(u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?.to_ne_bytes()))
        .collect::<Option<_>>()?;
    let ip: IpAddr = match *words.as_slice() {
        [word] => Ipv4Addr::from(word).into(),
        [a, b, c, d] => {
            let bytes: Vec<u8> = [a, b, c, d].concat();
            Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0 0 10 0\n\
             \x20  1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1001        0 12346 1 0 100 0 0 10 0\n\
             \x20  2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1\n\
             \x20  3: 00000000:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1002        0 8 1\n\
             nonsense\n";
        let all = parse(TABLE);
        let shown: Vec<(String, u32, u64)> =
            all.iter().map(|one| (one.address.to_string(), one.uid, one.inode)).collect();
        assert_eq!(
            shown,
            [("127.0.0.1:8080".into(), 1000, 12345), ("[::1]:80".into(), 0, 7), ("0.0.0.0:8082".into(), 1002, 8)]
        );
        for (address, uids) in [
            ("127.0.0.1:8080", vec![1000]),
            ("127.0.0.1:8081", vec![]),
            ("127.0.0.1:8082", vec![1002]),
            ("127.0.0.2:8080", vec![]),
        ] {
            let found: Vec<u32> = at(&all, address.parse().unwrap()).iter().map(|one| one.uid).collect();
            assert_eq!(found, uids, "{address}");
        }
    }

    #[test]
    fn a_socket_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let found = at(&read(), listener.local_addr().unwrap());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].uid, rustix::process::geteuid().as_raw());
    }
}
