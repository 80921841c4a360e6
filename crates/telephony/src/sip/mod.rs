//! SIP signalling: one endpoint on UDP and TCP that takes calls, places calls, registers and answers pings.
//!
//! The protocol engine is `rsipstack`; none of its types leaves this module. What lives here is what the
//! engine leaves to its user: ports that are really bound, hostile input, digest nonces, leg lifetimes.
//! Media, admission rules and routing of numbers live elsewhere.

mod digest;
mod dispatch;
mod endpoint;
mod incoming;
mod inspect;
mod leg;
mod register;
mod stream;
mod transport;
mod uri;

use std::net::SocketAddr;

pub use digest::{Authentication, NonceKeeper};
pub use endpoint::SipEndpoint;
pub use incoming::{EstablishedLeg, IncomingCall};
pub use leg::{LegControl, LegEvent};
pub use register::{Registration, RegistrationPlan, RegistrationState};

/// Where and as whom the endpoint speaks SIP.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Address of both the UDP socket and the TCP listener; port 0 picks a free one for both.
    pub listen: SocketAddr,
    /// Address peers should use when it is not the one bound, as behind NAT.
    pub external: Option<SocketAddr>,
    /// Value of User-Agent and Server headers.
    pub user_agent: String,
    /// Realm of the digest challenges sent to callers.
    pub realm: String,
}

/// The transport of a SIP peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SipTransport {
    /// Datagrams; the usual choice of trunks.
    Udp,
    /// One stream per peer.
    Tcp,
}

/// A peer to call or to ping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipTarget {
    /// For example `sip:+14155550100@trunk.example:5060`.
    pub uri: String,
    /// Overrides a `transport` parameter in the URI.
    pub transport: SipTransport,
}

/// What a peer asks for when it challenges a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Digest user name.
    pub username: String,
    /// Digest password; never logged.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A call to place.
#[derive(Clone, Debug)]
pub struct OutboundInvite {
    /// Whom to call, and how.
    pub target: SipTarget,
    /// User part of the From header: the number shown to the callee.
    pub from_user: String,
    /// Answers a digest challenge; without them a challenge is a refusal.
    pub credentials: Option<Credentials>,
    /// SDP offer.
    pub offer: String,
}

/// A placed call: what happens to it, and the way to end it.
///
/// Dropping `events` hangs up.
#[derive(Debug)]
pub struct OutboundLeg {
    /// Ends after the last event of the call.
    pub events: tokio::sync::mpsc::Receiver<LegEvent>,
    /// Ends the call.
    pub control: LegControl,
}

/// Why SIP work failed.
#[derive(Debug, thiserror::Error)]
pub enum SipError {
    /// Another program, or another instance, owns the port.
    #[error("{transport} port {address} is already in use; choose another SIP port or stop the program that holds it")]
    AddressInUse {
        /// The address that was asked for.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
    },
    /// The address can't be bound for another reason, such as not being ours.
    #[error("cannot listen for SIP on {transport} {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The target is not a usable `sip:` URI.
    #[error("not a usable SIP URI")]
    BadTarget,
    /// The peer's name does not resolve or the connection failed.
    #[error("the SIP peer cannot be reached: {0}")]
    Unreachable(String),
    /// The peer did not answer in time.
    #[error("the SIP peer did not answer in time")]
    Timeout,
    /// The caller gave up before the call was established.
    #[error("the caller gave up")]
    Cancelled,
    /// The endpoint was shut down.
    #[error("the SIP endpoint is shut down")]
    ShutDown,
    /// The protocol engine refused the operation.
    #[error("SIP engine: {0}")]
    Engine(String),
}
