//! Where a request comes from: the peer, or what a trusted proxy says of it.
//!
//! `X-Forwarded-For` grows at its right end: each proxy adds the address that it was reached from. So it is read from
//! there, and only as long as those who wrote are trusted; what stands further left was sent by a stranger, who may
//! have made it up. `Forwarded` (RFC 7239) is not read: a proxy that writes one header passes on the other as it came.

use std::net::{IpAddr, SocketAddr};

use contract::Reason;
use domain::rules::Cidr;
use hyper::{HeaderMap, header::HeaderName};

use crate::Problem;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The client, or the last hop that is known for sure.
    pub(super) address: IpAddr,
    /// A trusted proxy wrote something that is no address, so that the client stays unknown.
    is_unreadable: bool,
}

impl Source {
    /// Walks from the peer towards the client.
    pub(super) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut source = Self {
            address: peer.to_canonical(),
            is_unreadable: false,
        };
        if !is_trusted(source.address) {
            return source;
        }
        let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for hop in hops {
            if !is_trusted(source.address) {
                break;
            }
            let text = hop.trim_ascii();
            if text.is_empty() {
                continue;
            }
            match std::str::from_utf8(text).ok().and_then(hop_address) {
                Some(address) => source.address = address,
                None => {
                    return Self {
                        is_unreadable: true,
                        ..source
                    };
                }
            }
        }
        source
    }

    /// The client's address. Guessing it would let a stranger pass for the proxy, so what can't be read is refused.
    pub(super) fn known(self) -> Result<IpAddr, Problem> {
        if self.is_unreadable {
            let message = "A trusted proxy sent an X-Forwarded-For header with a hop that is no address.";
            return Err(Problem::new(Reason::MalformedHeader, message)
                .with("header", "X-Forwarded-For")
                .with("expected", "IP addresses, separated by commas"));
        }
        Ok(self.address)
    }
}

/// An address, perhaps with a port (as some proxies write) or in brackets.
fn hop_address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"');
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn source(peer: &str, lines: &[&str]) -> Source {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        Source::of(peer.parse().unwrap(), &headers, &trusted)
    }

    fn address(peer: &str, lines: &[&str]) -> String {
        source(peer, lines).known().unwrap().to_string()
    }

    #[test]
    fn the_right_most_hop_that_nobody_vouches_for_is_the_client() {
        for (peer, lines, client) in [
            ("10.0.0.1", &["203.0.113.9"][..], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (
                "10.0.0.1",
                &["198.51.100.1, 203.0.113.9, 10.0.0.2,10.0.0.3"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &["198.51.100.1", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
            ("2001:db8::1", &["2001:470::7"], "2001:470::7"),
            ("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &["[2001:470::7]:4711"], "2001:470::7"),
            ("10.0.0.1", &["\"[2001:470::7]\", , "], "2001:470::7"),
        ] {
            assert_eq!(address(peer, lines), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn without_a_trusted_peer_the_header_is_a_strangers_word() {
        for (peer, lines) in [
            ("203.0.113.9", &["10.0.0.1"][..]),
            ("203.0.113.9", &["rubbish"]),
            ("2001:470::7", &["198.51.100.1"]),
        ] {
            assert_eq!(address(peer, lines), peer, "{lines:?}");
        }
    }

    #[test]
    fn where_everybody_is_trusted_the_first_hop_is_the_client() {
        assert_eq!(address("10.0.0.1", &["10.9.9.9, 10.0.0.2"]), "10.9.9.9");
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(address("10.0.0.1", &["", " , "]), "10.0.0.1");
    }

    #[test]
    fn rubbish_counts_only_where_a_trusted_proxy_wrote_it() {
        assert_eq!(address("10.0.0.1", &["rubbish, 203.0.113.9"]), "203.0.113.9");
        for lines in [
            &["unknown"][..],
            &["203.0.113.9, _hidden"],
            &["203.0.113.9, rubbish, 10.0.0.2"],
        ] {
            let problem = source("10.0.0.1", lines).known().unwrap_err();
            assert_eq!(problem.reason(), Reason::MalformedHeader, "{lines:?}");
        }
    }
}
