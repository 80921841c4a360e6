//! Host names, networks and SIP URIs.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use contract::{FieldFault, FieldReason};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The text is neither an address nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network such as 192.0.2.0/24")]
pub struct NotANetwork;

/// A network of addresses. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as IPv4 on both sides, since
/// a socket that takes both reports it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether the address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => masked_v4(address, self.prefix) == network,
            (IpAddr::V6(network), IpAddr::V6(address)) => masked_v6(address, self.prefix) == network,
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix_length(prefix)?)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let address = written.to_canonical();
        let mapped = written != address;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            // A mapped network wider than all of IPv4 would be neither of the two families.
            Some(prefix) if mapped => prefix.checked_sub(96).ok_or(NotANetwork)?,
            Some(prefix) => prefix,
        };
        if prefix > widest {
            return Err(NotANetwork);
        }
        let network = match address {
            IpAddr::V4(address) => masked_v4(address, prefix).into(),
            IpAddr::V6(address) => masked_v6(address, prefix).into(),
        };
        Ok(Self { network, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|fault| D::Error::custom(format!("{text:?} is {fault}")))
    }
}

fn prefix_length(text: &str) -> Result<u8, NotANetwork> {
    if text.is_empty() || text.len() > 3 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANetwork);
    }
    text.parse().map_err(|_| NotANetwork)
}

fn masked_v4(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn masked_v6(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

/// A host name in lower case, or an address without brackets; `None` for what is neither.
pub fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(bare) = bare {
        return bare.parse::<Ipv6Addr>().ok().map(|address| address.to_string());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    // A name that ends in digits alone would be read as an address, and was not a good one.
    let ends_like_an_address = labels.last()?.bytes().all(|byte| byte.is_ascii_digit());
    let fine = text.len() <= 253 && !ends_like_an_address && labels.iter().all(|label| is_label(label));
    fine.then(|| labels.join(".").to_ascii_lowercase())
}

/// A label of a host name. Underscores are not in RFC 1123, but container networks use them.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether the text is a SIP URI we can call: `sip:`, a host, perhaps user, port and parameters. No password and no
/// headers (RFC 3261 section 19.1), which a stranger could use to put words into our request.
pub fn sip_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    if !scheme.eq_ignore_ascii_case("sip") || text.len() > 255 || !rest.bytes().all(is_uri_byte) {
        return false;
    }
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let mut parts = rest.split(';');
    let fine = user.is_none_or(is_user) && parts.next().is_some_and(is_host_and_port);
    fine && parts.all(is_parameter)
}

/// Printable ASCII without what would end the URI in a header, or begin headers of its own.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"<>\"?\\^`{|}#".contains(&byte)
}

fn is_user(user: &str) -> bool {
    !user.is_empty()
        && escapes_are_whole(user)
        && user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;/%".contains(&byte))
}

fn is_parameter(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, "1"));
    let word = |text: &str| {
        !text.is_empty()
            && escapes_are_whole(text)
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$%".contains(&byte))
    };
    word(name) && word(value)
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let code = rest.as_bytes();
        code.len() >= 2 && code[..2].iter().all(u8::is_ascii_hexdigit)
    })
}

fn is_host_and_port(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<Ipv6Addr>().is_ok() => {
            return rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        }
        Some(_) => return false,
        None => text
            .split_once(':')
            .map_or((text, None), |(name, port)| (name, Some(port))),
    };
    host(name).is_some() && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The networks of a list field of a body, in one way of writing each, host bits cleared; and what is wrong with them.
pub(crate) fn networks(field: &str, written: &[String], faults: &mut Vec<FieldFault>) -> Vec<String> {
    let mut networks: Vec<String> = Vec::with_capacity(written.len());
    for (index, text) in written.iter().enumerate() {
        let pointer = format!("/{field}/{index}");
        match text.parse::<Cidr>().map(|network| network.to_string()) {
            Ok(network) if networks.contains(&network) => {
                let message = "This network stands here already.";
                faults.push(FieldFault::in_body(&pointer, FieldReason::Duplicate, message));
            }
            Ok(network) => networks.push(network),
            Err(_) => {
                let message = "Must be an address or a network such as 192.0.2.0/24.";
                faults.push(FieldFault::in_body(&pointer, FieldReason::InvalidFormat, message));
            }
        }
    }
    networks
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn networks_hold_their_addresses_in_both_families() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9"),
            ("192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9"),
        ] {
            let network: Cidr = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn networks_are_shown_masked_and_in_one_way() {
        for (text, shown) in [
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("::FFFF:10.0.0.1", "10.0.0.1/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "/",
            "10.0.0.0/33",
            "::1/129",
            "::ffff:10.0.0.0/64",
            "10.0.0/8",
            "10.0.0.0/+8",
            "example.com",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(bad.parse::<Cidr>(), Err(NotANetwork), "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for (text, canonical) in [
            ("SIP.Example.com", "sip.example.com"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("pbx_1", "pbx_1"),
        ] {
            assert_eq!(host(text).as_deref(), Some(canonical));
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a.com",
            "300.1.1.1",
            "a b",
            "a:5060",
            "exa\r\nmple",
            "[192.0.2.1]",
            "sip:a",
            "bücher.example",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn sip_uris_carry_no_password_headers_or_breaks() {
        for good in [
            "sip:alice@192.0.2.4:5060",
            "sip:example.com",
            "SIP:+14155550100@[2001:db8::1]:5070;transport=tcp",
            "sip:a%20b;x=1@example.com;lr",
        ] {
            assert!(sip_uri(good), "{good}");
        }
        for bad in [
            "",
            "alice@example.com",
            "sips:a@b.c",
            "sip:",
            "sip:@b.c",
            "sip:a:secret@b.c",
            "sip:a@b.c?X=1",
            "sip:a@b.c\r\nX: 1",
            "sip:a@b.c:0",
            "sip:a@b.c:99999",
            "sip:a@b.c;",
            "sip:a%2@b.c",
            "sip:a@b@c.d",
            "sip:a@[::1",
            "<sip:a@b.c>",
            "sip:é@b.c",
        ] {
            assert!(!sip_uri(bad), "{bad}");
        }
    }
}
