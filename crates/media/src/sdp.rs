//! Session descriptions (RFC 8866) and their offers and answers (RFC 3264), as far as one G.711 audio
//! stream needs them.
//!
//! Reading is lenient, since peers are sloppy: only `m=`, `c=` and the attributes that matter are looked
//! at. Sizes are bounded.

mod parse;

use std::fmt;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::Codec;
use parse::{Direction, Media, Session};

/// The payload type that we propose for telephone events.
pub const DTMF_PAYLOAD_TYPE: u8 = 101;

/// The packet time that we propose and use.
const PTIME_MS: u32 = 20;

/// What both sides agreed on, seen from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Where the peer wants its media; unspecified (`0.0.0.0`) if it wants none for now.
    pub remote: SocketAddr,
    /// The codec of both directions.
    pub codec: Codec,
    /// The codec's payload type, as negotiated.
    pub payload_type: u8,
    /// The payload type of telephone events (RFC 4733), if the peer knows them.
    pub dtmf_payload_type: Option<u8>,
    /// Whether we may send.
    pub sends: bool,
    /// Whether the peer may send to us.
    pub receives: bool,
    /// The packet time that the peer asks for, 10 to 60 ms.
    pub ptime_ms: u32,
}

/// Why a description leads to no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdpError {
    /// It is no session description, or larger than anyone needs.
    Malformed(&'static str),
    /// It has no audio over RTP/AVP.
    NoAudio,
    /// Its audio must be encrypted (RTP/SAVP).
    Encrypted,
    /// Its audio has no codec that we support.
    NoCommonCodec,
    /// It names no IP address to send audio to.
    NoAddress,
    /// The answer turns our audio down (port 0).
    Rejected,
}

impl fmt::Display for SdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(what) => return write!(f, "malformed session description: {what}"),
            Self::NoAudio => "no audio stream over RTP/AVP",
            Self::Encrypted => "only encrypted audio is offered",
            Self::NoCommonCodec => "no common audio codec",
            Self::NoAddress => "no IP address for audio",
            Self::Rejected => "the audio stream was rejected",
        })
    }
}

impl std::error::Error for SdpError {}

/// Which session a description belongs to, and which state of it (the `o=` line, RFC 8866 section 5.2). The
/// version goes up by one with each description that differs from the one before (RFC 3264 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The same for all descriptions of a call.
    pub session_id: u64,
    /// Of this description.
    pub version: u64,
}

impl Origin {
    /// The first version of a session.
    pub const fn new(session_id: u64) -> Self {
        Self { session_id, version: 1 }
    }

    /// The next version of the same session.
    #[must_use]
    pub const fn next(self) -> Self {
        Self {
            version: self.version.saturating_add(1),
            ..self
        }
    }
}

/// Our offer: one audio stream both ways, `codecs` in order of preference, and telephone events.
pub fn offer(local: SocketAddr, origin: Origin, codecs: &[Codec]) -> String {
    let mut sdp = head(local, origin);
    let formats: Vec<_> = codecs.iter().map(|&codec| (codec.payload_type(), codec)).collect();
    audio(
        &mut sdp,
        local.port(),
        &formats,
        Some(DTMF_PAYLOAD_TYPE),
        Direction::SendRecv,
    );
    sdp
}

/// Chooses from an incoming offer: the first usable audio stream, the offerer's first codec that we
/// support. Hold (RFC 3264 §8.4, and `0.0.0.0` of RFC 2543) shows in `sends` and `receives`.
pub fn negotiate(offer: &str, supported: &[Codec]) -> Result<Negotiated, SdpError> {
    let session = Session::parse(offer)?;
    choose(&session, supported).map(|(_, negotiated)| negotiated)
}

/// The answer to `offer`: one stream per offered stream, all but the chosen one turned down with port 0
/// (RFC 3264 §6).
pub fn answer(offer: &str, local: SocketAddr, origin: Origin, negotiated: &Negotiated) -> Result<String, SdpError> {
    let session = Session::parse(offer)?;
    let (chosen, _) = choose(&session, &[negotiated.codec])?;
    let direction = match (negotiated.sends, negotiated.receives) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    };
    let mut sdp = head(local, origin);
    for (index, media) in session.media.iter().enumerate() {
        if index == chosen {
            let formats = [(negotiated.payload_type, negotiated.codec)];
            audio(
                &mut sdp,
                local.port(),
                &formats,
                negotiated.dtmf_payload_type,
                direction,
            );
        } else {
            line(
                &mut sdp,
                format_args!("m={} 0 {} {}", media.kind, media.protocol, media.formats.join(" ")),
            );
        }
    }
    Ok(sdp)
}

/// Reads the answer to our [`offer`] of `offered`.
pub fn accept_answer(answer: &str, offered: &[Codec]) -> Result<Negotiated, SdpError> {
    let session = Session::parse(answer)?;
    if session
        .media
        .first()
        .is_some_and(|media| media.kind == "audio" && media.port == 0)
    {
        return Err(SdpError::Rejected);
    }
    choose(&session, offered).map(|(_, negotiated)| negotiated)
}

/// The first usable stream with its index; otherwise what came nearest to being usable.
fn choose(session: &Session<'_>, supported: &[Codec]) -> Result<(usize, Negotiated), SdpError> {
    let mut error = SdpError::NoAudio;
    for (index, media) in session.media.iter().enumerate() {
        match usable(session, media, supported) {
            Ok(negotiated) => return Ok((index, negotiated)),
            Err(SdpError::NoAudio) => {}
            Err(SdpError::Encrypted) if error != SdpError::NoAudio => {}
            Err(nearer) => error = nearer,
        }
    }
    Err(error)
}

fn usable(session: &Session<'_>, media: &Media<'_>, supported: &[Codec]) -> Result<Negotiated, SdpError> {
    if media.kind != "audio" || media.port == 0 {
        return Err(SdpError::NoAudio);
    }
    match media.protocol {
        "RTP/AVP" => {}
        secure if secure.contains("SAVP") => return Err(SdpError::Encrypted),
        _ => return Err(SdpError::NoAudio),
    }
    let (payload_type, codec) = media
        .payload_types()
        .find_map(|number| {
            let codec = codec_of(media, number).filter(|codec| supported.contains(codec))?;
            Some((number, codec))
        })
        .ok_or(SdpError::NoCommonCodec)?;
    let address = media.address.or(session.address).ok_or(SdpError::NoAddress)?;
    let direction = media.direction.or(session.direction).unwrap_or(Direction::SendRecv);
    let dtmf_payload_type = media
        .payload_types()
        .find(|&number| media.rtpmap(number).is_some_and(|map| map.is("telephone-event")));
    Ok(Negotiated {
        remote: SocketAddr::new(address, media.port),
        codec,
        payload_type,
        dtmf_payload_type,
        sends: direction.peer_receives() && !address.is_unspecified(),
        receives: direction.peer_sends(),
        ptime_ms: media.ptime_ms.unwrap_or(PTIME_MS).clamp(10, 60),
    })
}

/// By its `rtpmap`, which static types may leave out (RFC 3551 §6).
fn codec_of(media: &Media<'_>, payload_type: u8) -> Option<Codec> {
    Codec::ALL
        .iter()
        .copied()
        .find(|codec| match media.rtpmap(payload_type) {
            Some(map) => map.is(codec.name()),
            None => codec.payload_type() == payload_type,
        })
}

fn line(sdp: &mut String, content: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(sdp, "{content}\r\n");
}

fn head(local: SocketAddr, origin: Origin) -> String {
    let mut sdp = String::with_capacity(512);
    let ip = local.ip();
    let family = match ip {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    line(&mut sdp, format_args!("v=0"));
    let Origin { session_id, version } = origin;
    line(&mut sdp, format_args!("o=- {session_id} {version} IN {family} {ip}"));
    line(&mut sdp, format_args!("s=-"));
    line(&mut sdp, format_args!("c=IN {family} {ip}"));
    line(&mut sdp, format_args!("t=0 0"));
    sdp
}

fn audio(sdp: &mut String, port: u16, formats: &[(u8, Codec)], dtmf: Option<u8>, direction: Direction) {
    let mut numbers = String::new();
    for number in formats.iter().map(|(number, _)| number).chain(&dtmf) {
        let _ = write!(numbers, " {number}");
    }
    line(sdp, format_args!("m=audio {port} RTP/AVP{numbers}"));
    for (number, codec) in formats {
        line(sdp, format_args!("a=rtpmap:{number} {}/8000", codec.name()));
    }
    if let Some(number) = dtmf {
        line(sdp, format_args!("a=rtpmap:{number} telephone-event/8000"));
        line(sdp, format_args!("a=fmtp:{number} 0-15"));
    }
    line(sdp, format_args!("a=ptime:{PTIME_MS}"));
    line(sdp, format_args!("a={}", direction.name()));
}

#[cfg(test)]
mod tests;
