//! Reading and writing SIP URIs: targets, user parts, contacts.

use std::net::SocketAddr;

use rsipstack::{
    sip::{Auth, HostWithPort, Param, Scheme, Transport, Uri},
    transport::SipAddr,
};

use super::{SipError, SipTarget, SipTransport};

/// A parsed target: the request URI and where its packets go.
pub(crate) struct Destination {
    pub(crate) uri: Uri,
    pub(crate) address: SipAddr,
}

impl Destination {
    /// Refuses what is not a `sip:` URI with a host.
    pub(crate) fn parse(target: &SipTarget) -> Result<Self, SipError> {
        // A line break in a URI would become a header of its own on the wire.
        if target.uri.len() > 512 || target.uri.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(SipError::BadTarget);
        }
        let mut uri = Uri::try_from(target.uri.as_str()).map_err(|_| SipError::BadTarget)?;
        if uri.scheme != Some(Scheme::Sip) || uri.host_with_port.to_string().is_empty() {
            return Err(SipError::BadTarget);
        }
        let transport = engine_transport(target.transport);
        uri.params.retain(|param| !matches!(param, Param::Transport(_)));
        if target.transport == SipTransport::Tcp {
            uri.params.push(Param::Transport(transport));
        }
        uri.headers.clear();
        // The engine escapes user parts when it writes them, but doesn't unescape what it reads.
        if let Some(auth) = &mut uri.auth {
            auth.user = decode_percent(&auth.user);
        }
        let address = SipAddr {
            r#type: Some(transport),
            addr: uri.host_with_port.clone(),
        };
        Ok(Self { uri, address })
    }
}

pub(crate) fn engine_transport(transport: SipTransport) -> Transport {
    match transport {
        SipTransport::Udp => Transport::Udp,
        SipTransport::Tcp => Transport::Tcp,
    }
}

/// `sip:user@address`, with `;transport=tcp` where it matters.
pub(crate) fn contact(user: &str, address: SocketAddr, transport: SipTransport) -> Uri {
    let params = match transport {
        SipTransport::Udp => vec![],
        SipTransport::Tcp => vec![Param::Transport(Transport::Tcp)],
    };
    Uri {
        scheme: Some(Scheme::Sip),
        auth: (!user.is_empty()).then(|| Auth {
            user: user.to_owned(),
            password: None,
        }),
        host_with_port: HostWithPort::from(address),
        params,
        headers: vec![],
    }
}

/// The user part without its parameters, percent-decoded; a `tel:` number where there is no user part.
pub(crate) fn user_of(uri: &Uri) -> String {
    let raw = match &uri.auth {
        Some(auth) => auth.user.clone(),
        None if matches!(&uri.scheme, Some(Scheme::Other(name)) if name.eq_ignore_ascii_case("tel")) => {
            uri.host_with_port.to_string()
        }
        // The engine cuts `sip:+1415;phone-context=x@host` at the semicolon, so the user looks like the host.
        None if uri.params.iter().any(|param| param.to_string().contains('@')) => uri.host_with_port.host.to_string(),
        None => String::new(),
    };
    decode_percent(raw.split(';').next().unwrap_or_default())
}

fn decode_percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes
            .get(at + 1..at + 3)
            .filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn target(uri: &str) -> SipTarget {
        SipTarget {
            uri: uri.to_owned(),
            transport: SipTransport::Udp,
        }
    }

    #[test]
    fn targets_must_be_plain_sip_uris() {
        let destination = Destination::parse(&target("sip:+14155550100@127.0.0.1:5070;transport=udp")).unwrap();
        assert_eq!(destination.address.addr.to_string(), "127.0.0.1:5070");
        for bad in ["", "tel:+1415", "https://example.com", "sip:a@b\r\nX: y", "sips:a@b"] {
            assert!(Destination::parse(&target(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn user_parts_are_decoded() {
        for (uri, user) in [
            ("sip:%2B1415@host", "+1415"),
            ("sip:+1415;phone-context=x@host", "+1415"),
            ("sip:host", ""),
            ("sip:a%2@host", "a%2"),
            ("sip:a%zz@host", "a%zz"),
        ] {
            assert_eq!(user_of(&Uri::try_from(uri).unwrap()), user, "{uri}");
        }
    }

    #[test]
    fn user_parts_cannot_forge_headers() {
        let address = "127.0.0.1:5060".parse().unwrap();
        let uri = contact("a\r\nX: y@z", address, SipTransport::Udp).to_string();
        assert_eq!(uri, "sip:a%0D%0AX%3A%20y%40z@127.0.0.1:5060");
        let uri = contact("+14155550100", address, SipTransport::Udp).to_string();
        assert_eq!(uri, "sip:+14155550100@127.0.0.1:5060");
    }
}
