//! The softphone's audio path: one RTP socket, 20 ms ticks, two recordings.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use media::{
    Codec, FRAME, FRAME_SAMPLES, dtmf,
    jitter::JitterBuffer,
    lossy::{Conditions, Network},
    rtp::{Marker, Packet, Packetizer},
    sdp::{self, Negotiated, Origin},
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    Impairment, Script, SoftphoneEvent, SoftphoneReport,
    script::{Player, Turn},
};
use crate::{
    rtp_socket::{PortRange, RtpSocket},
    sip::{LegEvent, SipEndpoint, SipError},
};

/// Ports of softphones, apart from those a server uses by default.
const PORTS: PortRange = PortRange {
    first: 40_000,
    last: 59_998,
};
/// Largest datagram looked at.
const DATAGRAM_BYTES_MAX: usize = 2048;
/// How long a key is pressed.
const PRESS: Duration = Duration::from_millis(100);

/// A bound RTP socket and the address to offer.
pub(super) struct Line {
    socket: RtpSocket,
    advertised: SocketAddr,
    origin: Origin,
}

impl Line {
    pub(super) fn open(endpoint: &SipEndpoint, advertised: IpAddr) -> Result<Self, SipError> {
        let socket = RtpSocket::bind(endpoint.local_addr().ip(), PORTS).map_err(|source| SipError::Bind {
            address: endpoint.local_addr(),
            transport: "RTP",
            source,
        })?;
        let advertised = SocketAddr::new(advertised, socket.local_addr().port());
        Ok(Self {
            socket,
            advertised,
            origin: Origin::new(u64::from(rand::random::<u32>())),
        })
    }

    pub(super) fn offer(&self, codecs: &[Codec]) -> String {
        sdp::offer(self.advertised, self.origin, codecs)
    }

    pub(super) fn answer(&self, offer: &str, negotiated: &Negotiated) -> Option<String> {
        sdp::answer(offer, self.advertised, self.origin, negotiated).ok()
    }

    pub(super) fn talk(
        self,
        negotiated: Negotiated,
        script: Script,
        impairment: Option<Impairment>,
        max_duration: Duration,
    ) -> Talk {
        self.socket.set_remote(negotiated.remote);
        let network = impairment.map(|impairment| {
            let conditions = Conditions {
                delay: Duration::ZERO,
                jitter: impairment.jitter,
                loss: impairment.loss_percent / 100.0,
                duplicate: 0.0,
                reorder: 0.0,
            };
            Network::new(impairment.seed, conditions)
        });
        Talk {
            packetizer: Packetizer::new(rand::random(), rand::random(), rand::random(), negotiated.payload_type),
            line: self,
            negotiated,
            player: Player::new(script),
            echo: None,
            jitter: JitterBuffer::new(),
            network,
            keys: VecDeque::new(),
            press: None,
            started: Instant::now(),
            ticks: 0,
            max_duration,
            report: SoftphoneReport::default(),
            decoded: Vec::with_capacity(FRAME_SAMPLES * 4),
            payload: Vec::with_capacity(FRAME_SAMPLES),
            datagram: Vec::with_capacity(DATAGRAM_BYTES_MAX),
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    ByPeer,
    ByScript,
    TimeIsUp,
}

/// A call in progress.
pub(super) struct Talk {
    line: Line,
    negotiated: Negotiated,
    player: Player,
    /// What was heard and is to be said again, instead of the script.
    echo: Option<VecDeque<[i16; FRAME_SAMPLES]>>,
    jitter: JitterBuffer,
    packetizer: Packetizer,
    network: Option<Network<Vec<u8>>>,
    keys: VecDeque<char>,
    press: Option<(dtmf::Sender, Duration)>,
    started: Instant,
    ticks: u32,
    max_duration: Duration,
    report: SoftphoneReport,
    decoded: Vec<i16>,
    payload: Vec<u8>,
    datagram: Vec<u8>,
}

impl Talk {
    /// Says again what it hears, so much later, instead of playing the script.
    pub(super) fn echoing(mut self, delay: Duration) -> Self {
        let frames = delay.as_millis() / FRAME.as_millis();
        self.echo = Some((0..frames.min(500)).map(|_| [0; FRAME_SAMPLES]).collect());
        self
    }

    pub(super) async fn run(mut self, events: &mut mpsc::Receiver<LegEvent>) -> (LineEnd, SoftphoneReport) {
        // Missed ticks are made up for, so that media time never falls behind.
        let mut ticks = interval(FRAME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        let end = loop {
            tokio::select! {
                _ = ticks.tick() => if let Some(end) = self.tick() { break end },
                length = self.line.socket.recv(&mut buffer) => self.receive(&buffer[..length]),
                event = events.recv() => match event {
                    Some(LegEvent::Reoffered { sdp, reply }) => drop(reply.send(self.renegotiate(&sdp))),
                    Some(LegEvent::HungUp) | None => break LineEnd::ByPeer,
                    Some(_) => {}
                },
            }
        };
        let event = match end {
            LineEnd::ByPeer => SoftphoneEvent::HungUpByPeer,
            LineEnd::ByScript => SoftphoneEvent::HungUp,
            LineEnd::TimeIsUp => SoftphoneEvent::TimeIsUp,
        };
        self.player.note(self.started.elapsed(), event);
        self.report.jitter = self.jitter.stats();
        self.report.events = self.player.events;
        self.report.events.sort_by_key(|(at, _)| *at);
        self.report.turns = self.player.turns;
        (end, self.report)
    }

    /// One frame in, one frame out.
    fn tick(&mut self) -> Option<LineEnd> {
        let now = FRAME * self.ticks;
        self.ticks += 1;
        if now >= self.max_duration {
            return Some(LineEnd::TimeIsUp);
        }
        let mut heard = [0; FRAME_SAMPLES];
        self.jitter.pull(now, &mut heard);
        let mut said = [0; FRAME_SAMPLES];
        let end = if let Some(echo) = &mut self.echo {
            echo.push_back(heard);
            said = echo.pop_front().unwrap_or(heard);
            None
        } else {
            self.follow_script(now, &mut said)
        };
        if end.is_some() {
            return end;
        }
        self.report.caller_audio.extend(said);
        self.report.agent_audio.extend(heard);
        if !self.press_keys(now) {
            self.send_audio(now, &said);
        }
        self.deliver(now);
        None
    }

    fn follow_script(&mut self, now: Duration, said: &mut [i16; FRAME_SAMPLES]) -> Option<LineEnd> {
        if self.press.is_some() || !self.keys.is_empty() {
            return None;
        }
        match self.player.frame(now, said) {
            Turn::Audio => {}
            Turn::Keys => self.keys = self.player.keys(),
            Turn::Done => return Some(LineEnd::ByScript),
        }
        None
    }

    /// Sends what is due of a key press; true while one lasts, since no audio goes out then.
    fn press_keys(&mut self, now: Duration) -> bool {
        let Some(payload_type) = self.negotiated.dtmf_payload_type else {
            self.keys.clear();
            return false;
        };
        if self.press.is_none() {
            let next = self
                .keys
                .pop_front()
                .and_then(|key| dtmf::Sender::new(key, PRESS, payload_type));
            self.press = next.map(|sender| (sender, now));
        }
        let Some((mut sender, mut due)) = self.press.take() else {
            return false;
        };
        while due <= now {
            let Some(wait) = sender.send(&mut self.packetizer, &mut self.datagram) else {
                return true;
            };
            due += wait;
            self.transmit(now);
        }
        self.press = Some((sender, due));
        true
    }

    fn send_audio(&mut self, now: Duration, said: &[i16; FRAME_SAMPLES]) {
        self.payload.clear();
        self.negotiated.codec.encode(said, &mut self.payload);
        let marker = if self.ticks == 1 { Marker::Set } else { Marker::Clear };
        self.packetizer
            .packet(&self.payload, FRAME_SAMPLES as u32, marker, &mut self.datagram);
        self.transmit(now);
    }

    fn transmit(&mut self, now: Duration) {
        match &mut self.network {
            Some(network) => network.send(now, self.datagram.clone()),
            // A full socket buffer loses a packet, as networks do.
            None => drop(self.line.socket.try_send(&self.datagram)),
        }
    }

    /// Sends what the impaired network lets through by now.
    fn deliver(&mut self, now: Duration) {
        while let Some(datagram) = self.network.as_mut().and_then(|network| network.receive(now)) {
            self.line.socket.try_send(&datagram).ok();
        }
    }

    fn receive(&mut self, datagram: &[u8]) {
        let Ok(packet) = Packet::parse(datagram) else { return };
        if packet.payload_type != self.negotiated.payload_type {
            return self.jitter.skip(&packet);
        }
        let now = self.started.elapsed();
        self.jitter.push(now, &packet, self.negotiated.codec);
        self.decoded.clear();
        self.negotiated.codec.decode(packet.payload, &mut self.decoded);
        self.player.hear(now, &self.decoded);
    }

    fn renegotiate(&mut self, offer: &str) -> Result<String, u16> {
        let negotiated = sdp::negotiate(offer, &[self.negotiated.codec]).map_err(|_| 488_u16)?;
        self.line.origin = self.line.origin.next();
        let answer = self.line.answer(offer, &negotiated).ok_or(488_u16)?;
        self.line.socket.set_remote(negotiated.remote);
        self.negotiated = negotiated;
        Ok(answer)
    }
}
