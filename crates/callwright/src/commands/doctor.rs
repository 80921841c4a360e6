//! `callwright doctor`: looks at what a platform needs, and says how to mend what is wrong.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    process::ExitCode,
};

use anyhow::Result;
use domain::error::chain;
use store::{DatabaseAddress, SqlStore};

use crate::{commands::line, config::Config};

/// Free space below which recordings and the database are in danger.
const DISK_MIN_MB: u64 = 500;

struct Finding {
    what: String,
    /// How to mend it; nothing when all is well.
    wrong: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            wrong: None,
        }
    }

    fn bad(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            wrong: Some(mend.into()),
        }
    }
}

pub(crate) async fn run(config: Config) -> Result<ExitCode> {
    let mut findings = vec![tcp_port("API", config.listen), tcp_port("SIP", config.sip.listen)];
    findings.push(udp_port("SIP", config.sip.listen));
    findings.push(rtp_ports(&config));
    findings.push(public_address(&config));
    findings.push(database(&config).await);
    findings.push(disk(&config));
    findings.extend(local_models(&config).await);
    let mut wrong = 0;
    for finding in findings {
        match finding.wrong {
            None => line(&format!("ok     {}", finding.what)),
            Some(mend) => {
                wrong += 1;
                line(&format!("WRONG  {}\n       {mend}", finding.what));
            }
        }
    }
    if wrong == 0 {
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

fn tcp_port(name: &str, address: SocketAddr) -> Finding {
    let what = format!("{name} can listen on TCP {address}");
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(what),
        Err(error) => Finding::bad(
            format!("{name} can't listen on TCP {address}: {error}"),
            "Stop what holds the port (a running callwright does), or choose another address.",
        ),
    }
}

fn udp_port(name: &str, address: SocketAddr) -> Finding {
    match UdpSocket::bind(address) {
        Ok(_) => Finding::good(format!("{name} can listen on UDP {address}")),
        Err(error) => Finding::bad(
            format!("{name} can't listen on UDP {address}: {error}"),
            "Stop what holds the port (a running callwright does), or choose another address.",
        ),
    }
}

fn rtp_ports(config: &Config) -> Finding {
    let ip = config.rtp.ip.unwrap_or(config.sip.listen.ip());
    let (first, last) = (config.rtp.port_first, config.rtp.port_last);
    let tried = (first..=last).step_by(usize::from((last - first) / 16).max(1));
    let (mut free, mut all) = (0, 0);
    for port in tried {
        all += 1;
        free += usize::from(UdpSocket::bind((ip, port)).is_ok());
    }
    // Each call takes an even port.
    let calls = usize::from((last - first) / 2);
    if free * 2 < all {
        let what = format!("of {all} media ports tried between {first} and {last}, {free} are free");
        return Finding::bad(what, "Choose another range with rtp.port_first and rtp.port_last.");
    }
    if calls < config.calls.max {
        let what = format!(
            "media ports {first} to {last} are enough for {calls} calls, calls.max is {}",
            config.calls.max
        );
        return Finding::bad(what, "Widen the range, or lower calls.max.");
    }
    Finding::good(format!(
        "media ports {first} to {last} on {ip} are free, enough for {calls} calls"
    ))
}

/// Behind NAT a private address in SDP gives one-way audio: the commonest fault of new installations.
fn public_address(config: &Config) -> Finding {
    let told = config
        .rtp
        .external_ip
        .or(config.sip.external.map(|address| address.ip()));
    match told {
        Some(ip) => Finding::good(format!("peers are told to send media to {ip}")),
        None if config.sip.listen.ip().is_loopback() => {
            Finding::good("SIP is on loopback: only programs on this machine can call")
        }
        None => match specific(config.sip.listen.ip()).or_else(address_of_this_machine) {
            Some(ip) if is_private(ip) => Finding::bad(
                format!("peers are told to send media to {ip}, a private address"),
                "Fine inside your network. For carriers on the internet set sip.external to your public address and forward the ports.",
            ),
            Some(ip) => Finding::good(format!("peers are told to send media to {ip}")),
            None => Finding::bad(
                "this machine has no route to anywhere",
                "Set sip.external to the address peers reach.",
            ),
        },
    }
}

fn specific(ip: std::net::IpAddr) -> Option<std::net::IpAddr> {
    (!ip.is_unspecified()).then_some(ip)
}

/// The address this machine would send from to the internet, as its routing table says. Nothing is sent.
fn address_of_this_machine() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    // TEST-NET-1 (RFC 5737): routed like the internet, reaches nobody.
    socket.connect(("192.0.2.1", 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn is_private(ip: std::net::IpAddr) -> bool {
    match ip {
        std::net::IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Looks and changes nothing: the database may belong to a running server of another version.
async fn database(config: &Config) -> Finding {
    let address = match config.database() {
        Ok(address) => address,
        Err(error) => return Finding::bad(chain(error.as_ref()), "Mend the setting `database`."),
    };
    if matches!(&address, DatabaseAddress::Sqlite(path) if !path.exists()) {
        return Finding::good(format!("there is no database {address} yet; the first start makes it"));
    }
    let pending = async {
        let store = SqlStore::open_without_migrating(&address, &config.data).await?;
        let pending = store.pending_migrations().await?;
        store.close().await;
        anyhow::Ok(pending.len())
    };
    match pending.await {
        Ok(0) => Finding::good(format!("the database {address} is in order")),
        Ok(pending) => {
            let what = format!("the database {address} is {pending} migrations behind");
            Finding::bad(what, "Run `callwright migrate`, or just start the server.")
        }
        Err(error) => {
            let what = format!("the database {address} can't be opened: {}", chain(error.as_ref()));
            let mend = match address {
                DatabaseAddress::Sqlite(_) => "Check the path and its permissions, or choose another with --data.",
                DatabaseAddress::Postgres(_) => {
                    "Check that the server runs, that the database and the role exist, and the password."
                }
            };
            Finding::bad(what, mend)
        }
    }
}

/// Asks `df`, which is on every Unix; the standard library does not tell.
fn disk(config: &Config) -> Finding {
    let output = std::process::Command::new("df").arg("-Pm").arg(&config.data).output();
    let free = output.ok().and_then(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()
    });
    match free {
        None => Finding::bad(
            "free disk space can't be told",
            "Check that the data folder exists and `df` works.",
        ),
        Some(free) if free < DISK_MIN_MB => Finding::bad(
            format!("{free} MB are free in {}", config.data.display()),
            format!("Make room: a minute of recording takes 2 MB. At least {DISK_MIN_MB} MB are wanted."),
        ),
        Some(free) => Finding::good(format!("{free} MB are free for the database and recordings")),
    }
}

#[cfg(not(feature = "local"))]
#[expect(clippy::unused_async, reason = "the other build looks for models here")]
async fn local_models(_config: &Config) -> Vec<Finding> {
    vec![Finding::good("built without local models")]
}

#[cfg(feature = "local")]
async fn local_models(config: &Config) -> Vec<Finding> {
    if !config.models.local {
        return vec![Finding::good("local models are switched off")];
    }
    let store = local::models::ModelStore::new(config.models.dir.clone());
    let missing: Vec<_> = store
        .list()
        .into_iter()
        .filter(|model| !model.installed)
        .map(|model| model.id)
        .collect();
    if !missing.is_empty() {
        let what = format!(
            "models are missing in {}: {}",
            store.dir().display(),
            missing.join(", ")
        );
        return vec![Finding::bad(what, "Run `callwright models pull`.")];
    }
    let here = Finding::good(format!("the local models are in {}", store.dir().display()));
    vec![here, audio(config).await]
}

/// Speaks a sentence and hears it again: the whole audio path but for the line.
#[cfg(feature = "local")]
async fn audio(config: &Config) -> Finding {
    match heard_again(config).await {
        Ok(words) if words.to_lowercase().contains("quick brown fox") => {
            Finding::good("speech works: a sentence was spoken and heard again")
        }
        Ok(words) => Finding::bad(
            format!("a spoken sentence was heard as {words:?}"),
            "Run `callwright models verify`.",
        ),
        Err(error) => Finding::bad(
            format!("speech does not work: {}", chain(error.as_ref())),
            "Run `callwright models verify`.",
        ),
    }
}

#[cfg(feature = "local")]
async fn heard_again(config: &Config) -> Result<String> {
    let services = crate::services::open(config).await?.services;
    let speech = crate::commands::speech::Speech::local(&services)?;
    let samples = speech.say("The quick brown fox jumps over the lazy dog.").await?;
    speech.words(&samples).await
}
