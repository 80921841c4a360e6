//! `callwright demo`: the platform started, called over SIP by a simulated caller, and left to be tried.
//!
//! Nothing is faked: the caller's lines are spoken by the local voice, travel as RTP, are recognised, answered
//! and spoken back; what is printed comes from the API, what was heard from the caller's end of the line.

mod office;
mod verdict;

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use contract::{Call, CallMetrics, Speaker, TranscriptTurn};
use office::Office;
use telephony::softphone::{self, SoftphonePlan, SoftphoneReport};
use toml::Value;

use super::{
    call::{endpoint, heard, samples_of},
    line,
    serve::asked_to_stop,
    speech::Speech,
};
use crate::{Settings, config::Config, platform::Platform, telemetry};

/// What the caller says, and words of which one must be in the answer.
const LINES: &[(&str, &[&str])] = &[
    ("Hello, what are your opening hours?", &["monday"]),
    ("And how much does a check-up cost?", &["eighty", "80"]),
    ("I would like to make an appointment.", &["day"]),
    ("Tomorrow, please.", &["time"]),
    ("At half past nine in the morning.", &["appointment"]),
    ("Thank you, goodbye.", &["goodbye", "bye"]),
];
/// Longest wait for the record of the call to be closed.
const RECORD_WAIT: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    settings: Settings,
    /// End after the call: 0 only if the agent understood and answered.
    #[arg(long)]
    once: bool,
    /// Where the API listens; a free port when this one is taken.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where SIP listens; a free port when this one is taken.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5060")]
    sip: SocketAddr,
}

impl DemoArgs {
    fn load(&self) -> Result<Config> {
        let listen = if TcpListener::bind(self.listen).is_ok() {
            self.listen
        } else {
            with_port(self.listen, 0)
        };
        let sip_is_free = TcpListener::bind(self.sip).is_ok() && UdpSocket::bind(self.sip).is_ok();
        let sip = if sip_is_free { self.sip } else { with_port(self.sip, 0) };
        let mut settings: Vec<(&str, Value)> = vec![
            ("listen", listen.to_string().into()),
            ("sip.listen", sip.to_string().into()),
            // So that it shows what a call costs.
            ("billing.enabled", true.into()),
        ];
        if self.settings.config.is_none() {
            // People watch a demo; what goes well is not its subject.
            settings.push(("log.filter", "warn".into()));
        }
        self.settings.load(settings)
    }
}

fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.ip(), port)
}

pub(crate) async fn run(args: DemoArgs) -> Result<ExitCode> {
    let config = args.load()?;
    let _flush = telemetry::logs(&config.log)?;
    line("Starting the platform and loading the speech models ...");
    let began = Instant::now();
    let platform = Platform::start(&config, telemetry::metrics()?).await?;
    line(&format!(
        "Up after {:.1} s: API on http://{}, SIP on {}, data in {}",
        began.elapsed().as_secs_f64(),
        platform.api_addr,
        platform.sip_addr,
        config.data.display()
    ));
    let office = Office::open(&platform, &config).await?;
    let passed = converse(&platform, &office).await?;
    if args.once {
        platform.stop().await;
        return Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    office.invite(platform.sip_addr);
    asked_to_stop().await?;
    line("Stopping ...");
    platform.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Lets the caller ring, prints what was said, and judges it.
async fn converse(platform: &Platform, office: &Office) -> Result<bool> {
    let speech = Speech::local(&platform.services)?;
    let mut clips = Vec::new();
    for (text, _) in LINES {
        clips.push(speech.say(text).await?);
    }
    let target = format!("sip:{}@{}", office::NUMBER, platform.sip_addr);
    line(&format!("A simulated caller rings {} over SIP ...\n", office::NUMBER));
    let endpoint = endpoint(&target).await?;
    let mut plan = SoftphonePlan::new(target);
    plan.clips = clips;
    "+14155550199".clone_into(&mut plan.from_user);
    let report = softphone::call(&endpoint, plan)
        .await
        .context("the simulated call failed")?;
    endpoint.shutdown().await;
    if let Some(status) = report.refused {
        bail!("the platform refused the simulated call with {status}");
    }
    let call = office.last_call(RECORD_WAIT).await?;
    let turns = office.transcript(&call).await?;
    show(&call, &turns, &report);
    line(&office.account(&call).await?);
    let mut words = Vec::new();
    for piece in heard(&report) {
        words.push((piece, speech.words(samples_of(&report, piece)).await?));
    }
    Ok(verdict::judge(LINES, &turns, &report, &words))
}

/// The conversation as a person would like to read it.
fn show(call: &Call, turns: &[TranscriptTurn], report: &SoftphoneReport) {
    let start = call.answered_at.unwrap_or(call.started_at);
    let mut answered = 0;
    let mut asked = false;
    for turn in turns {
        let at = turn.started_at.seconds_since(start);
        match turn.speaker {
            Speaker::User => {
                line(&format!("{at:7.1} s  caller   {}", turn.text));
                asked = true;
            }
            Speaker::Agent => {
                let latency = if asked {
                    latency(&call.metrics, answered)
                } else {
                    String::new()
                };
                answered += usize::from(asked);
                asked = false;
                let cut = if turn.interrupted { " [interrupted]" } else { "" };
                line(&format!("{at:7.1} s  agent    {}{cut}{latency}", turn.text));
            }
        }
    }
    let reason = serde_json::to_value(call.end_reason).ok();
    let reason = reason
        .as_ref()
        .and_then(serde_json::Value::as_str)
        .unwrap_or("?")
        .replace('_', " ");
    line(&format!(
        "           call {}, {reason}, {:.1} s\n",
        call.status.name(),
        call.duration_seconds.unwrap_or(0.0)
    ));
    stages(&call.metrics);
    let mut waits: Vec<_> = report
        .turns
        .iter()
        .filter_map(telephony::softphone::SoftphoneTurn::latency)
        .map(|latency| latency.as_secs_f64() * 1000.0)
        .collect();
    waits.sort_by(f64::total_cmp);
    if let (Some(best), Some(worst)) = (waits.first(), waits.last()) {
        let median = waits[waits.len() / 2];
        line(&format!(
            "At the caller's end, last word said to first word heard: median {median:.0} ms, {best:.0} to {worst:.0} ms.\n"
        ));
    }
}

fn latency(metrics: &CallMetrics, answered: usize) -> String {
    let total = metrics.turns.get(answered).and_then(|turn| turn.total_ms);
    total.map(|total| format!("   ({total:.0} ms)")).unwrap_or_default()
}

fn stages(metrics: &CallMetrics) {
    line("Where the time of each answer went, in ms, at the server's end of the wire:");
    line("  answer  end of turn  recognition  thinking  speech    total");
    let shown = |stage: Option<f64>| stage.map_or_else(|| "-".to_owned(), |stage| format!("{stage:.0}"));
    for (index, turn) in metrics.turns.iter().enumerate() {
        line(&format!(
            "  {:>6}  {:>11}  {:>11}  {:>8}  {:>6}  {:>7}",
            index + 1,
            shown(turn.endpointing_ms),
            shown(turn.stt_ms),
            shown(turn.llm_ms),
            shown(turn.tts_ms),
            shown(turn.total_ms)
        ));
    }
}
