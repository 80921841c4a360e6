//! The lines of a description that matter, borrowed from it.

use std::net::IpAddr;

use super::SdpError;

/// Limits on what a peer may send.
const BYTES_MAX: usize = 64 * 1024;
const MEDIA_MAX: usize = 32;
const FORMATS_MAX: usize = 64;
const RTPMAPS_MAX: usize = 128;

/// Who sends, as the peer writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    const ALL: [Self; 4] = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(super) fn peer_sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub(super) fn peer_receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// What a dynamic payload type stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct RtpMap<'a> {
    number: u8,
    name: &'a str,
}

impl RtpMap<'_> {
    /// All that we know is mono at 8 kHz, so other rates are kept out when reading.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

#[derive(Debug)]
pub(super) struct Media<'a> {
    pub(super) kind: &'a str,
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    pub(super) formats: Vec<&'a str>,
    pub(super) address: Option<IpAddr>,
    pub(super) direction: Option<Direction>,
    pub(super) ptime_ms: Option<u32>,
    rtpmaps: Vec<RtpMap<'a>>,
}

impl<'a> Media<'a> {
    pub(super) fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats
            .iter()
            .filter_map(|format| format.parse().ok())
            .filter(|&number| number < 128)
    }

    pub(super) fn rtpmap(&self, number: u8) -> Option<&RtpMap<'a>> {
        self.rtpmaps.iter().find(|map| map.number == number)
    }

    fn parse(value: &'a str) -> Result<Self, SdpError> {
        let mut words = value.split_ascii_whitespace();
        let mut word = || words.next().ok_or(SdpError::Malformed("incomplete m= line"));
        let (kind, port, protocol) = (word()?, word()?, word()?);
        // "port/count" asks for several ports (RFC 8866 §5.14); the first one serves.
        let port = port.split('/').next().unwrap_or_default();
        let formats: Vec<_> = words.take(FORMATS_MAX + 1).collect();
        if formats.is_empty() || formats.len() > FORMATS_MAX {
            return Err(SdpError::Malformed("m= line with no formats or too many"));
        }
        Ok(Self {
            kind,
            port: port.parse().map_err(|_| SdpError::Malformed("port of an m= line"))?,
            protocol,
            formats,
            address: None,
            direction: None,
            ptime_ms: None,
            rtpmaps: Vec::new(),
        })
    }

    fn attribute(&mut self, name: &str, value: &'a str) {
        match name {
            "rtpmap" if self.rtpmaps.len() < RTPMAPS_MAX => self.rtpmaps.extend(rtpmap(value)),
            "ptime" => self.ptime_ms = value.trim().parse().ok(),
            _ => {}
        }
    }
}

#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) address: Option<IpAddr>,
    pub(super) direction: Option<Direction>,
    pub(super) media: Vec<Media<'a>>,
}

impl<'a> Session<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, SdpError> {
        if text.len() > BYTES_MAX {
            return Err(SdpError::Malformed("larger than 64 KiB"));
        }
        let mut session = Self {
            address: None,
            direction: None,
            media: Vec::new(),
        };
        let mut lines = 0_usize;
        // A lone carriage return also ends a line, so none can slip into what we write back.
        for line in text.split(['\r', '\n']).map(str::trim) {
            if let Some((key, value)) = line.split_once('=') {
                lines += 1;
                session.line(key, value.trim_start())?;
            }
        }
        if lines == 0 {
            return Err(SdpError::Malformed("no lines"));
        }
        Ok(session)
    }

    fn line(&mut self, key: &str, value: &'a str) -> Result<(), SdpError> {
        match key {
            "m" if self.media.len() == MEDIA_MAX => return Err(SdpError::Malformed("more than 32 m= lines")),
            "m" => self.media.push(Media::parse(value)?),
            "c" => {
                let address = address(value);
                match self.media.last_mut() {
                    Some(media) => media.address = address,
                    None => self.address = address,
                }
            }
            "a" => self.attribute(value),
            _ => {}
        }
        Ok(())
    }

    fn attribute(&mut self, attribute: &'a str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let direction = Direction::ALL.into_iter().find(|direction| direction.name() == name);
        match self.media.last_mut() {
            Some(media) => {
                media.direction = direction.or(media.direction);
                media.attribute(name, value);
            }
            None => self.direction = direction.or(self.direction),
        }
    }
}

/// `IN IP4 192.0.2.1/127`: the address, without a multicast's time to live; no names.
fn address(value: &str) -> Option<IpAddr> {
    let word = value.split_ascii_whitespace().nth(2)?;
    let address: IpAddr = word.split('/').next()?.parse().ok()?;
    (!address.is_multicast()).then_some(address)
}

/// `0 PCMU/8000/1`. Another rate or more channels make another codec, so the name is left empty.
fn rtpmap(value: &str) -> Option<RtpMap<'_>> {
    let (number, encoding) = value.trim().split_once([' ', '\t'])?;
    let mut parts = encoding.trim().split('/');
    let name = parts.next()?;
    let known = parts.next() == Some("8000") && matches!(parts.next(), None | Some("1"));
    Some(RtpMap {
        number: number.parse().ok()?,
        name: if known { name } else { "" },
    })
}
