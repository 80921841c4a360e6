//! `callwright call`: a softphone that plays recordings to whoever answers, and tells what it heard and when.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use media::{Codec, recording::interleave, resample::Resampler, wav};
use serde_json::{Value, json};
use telephony::{
    sip::{Credentials, SipConfig, SipEndpoint, SipTransport},
    softphone::{self, HangUp, Impairment, SoftphoneEvent, SoftphonePlan, SoftphoneReport},
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{Settings, commands::line};

const LINE_HZ: u32 = 8000;
/// Calls at once: more belong to a load generator.
const CALLS_MAX: u16 = 500;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct CallArgs {
    #[command(flatten)]
    settings: Settings,
    /// Whom to ring: `sip:NUMBER@HOST:PORT`.
    to: String,
    /// What the caller says: WAV files, one after another, each after the agent has finished.
    #[arg(value_name = "WAV")]
    clips: Vec<PathBuf>,
    /// Number shown to the other side.
    #[arg(long, default_value = "+14155550199")]
    from: String,
    /// User name for a digest challenge.
    #[arg(long, requires = "password")]
    username: Option<String>,
    /// Password for a digest challenge.
    #[arg(long, requires = "username")]
    password: Option<String>,
    /// How SIP travels.
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    transport: Transport,
    /// The codec offered; both when left out.
    #[arg(long, value_enum)]
    codec: Option<CodecName>,
    /// Speak without waiting for a greeting.
    #[arg(long)]
    speak_first: bool,
    /// Start the next file so many milliseconds into the agent's answer.
    #[arg(long, value_name = "MS")]
    barge_in: Option<u64>,
    /// Keys to press after the last file.
    #[arg(long, default_value = "")]
    dtmf: String,
    /// Longest call in seconds, ringing included.
    #[arg(long, default_value_t = 120)]
    max_seconds: u64,
    /// How long the agent may take to answer a file, in seconds, before the next is played.
    #[arg(long, default_value_t = 10)]
    patience_seconds: u64,
    /// Stay until the other side hangs up.
    #[arg(long)]
    stay: bool,
    /// Percent of our packets that get lost on the way.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    loss: f64,
    /// Most delay, in milliseconds, that our packets get on the way.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    jitter: u64,
    /// Write both sides to this WAV file: caller left, agent right.
    #[arg(long, value_name = "WAV")]
    record: Option<PathBuf>,
    /// Do not recognise what the agent said.
    #[arg(long)]
    no_words: bool,
    /// Same call so many times at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(CALLS_MAX)))]
    calls: u16,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Udp,
    Tcp,
}

#[derive(Clone, Copy, ValueEnum)]
enum CodecName {
    Pcmu,
    Pcma,
}

pub(crate) async fn run(args: CallArgs) -> Result<ExitCode> {
    let clips = args.clips.iter().map(|path| clip(path)).collect::<Result<Vec<_>>>()?;
    let endpoint = endpoint(&args.to).await?;
    let plan = plan(&args, clips);
    let mut calls = JoinSet::new();
    for _ in 0..args.calls {
        let (endpoint, plan) = (endpoint.clone(), plan.clone());
        calls.spawn(async move { softphone::call(&endpoint, plan).await });
    }
    let mut reports = Vec::new();
    while let Some(report) = calls.join_next().await {
        reports.push(
            report
                .context("a call died")?
                .with_context(|| format!("the call to {} failed", args.to))?,
        );
    }
    endpoint.shutdown().await;
    let Some(first) = reports.first() else {
        bail!("no call was made")
    };
    if let Some(path) = &args.record {
        record(path, first)?;
    }
    let ear = if args.no_words {
        None
    } else {
        ear(&args.settings).await?
    };
    if args.json {
        let mut shown = Vec::new();
        for report in &reports {
            shown.push(as_json(report, ear.as_ref()).await?);
        }
        line(&serde_json::to_string_pretty(&shown)?);
    } else {
        for report in &reports {
            tell(report, ear.as_ref()).await?;
        }
    }
    let all_answered = reports.iter().all(|report| report.answered_after.is_some());
    Ok(if all_answered {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn plan(args: &CallArgs, clips: Vec<Vec<i16>>) -> SoftphonePlan {
    let credentials = args.username.clone().zip(args.password.clone());
    let mut plan = SoftphonePlan::new(args.to.clone());
    plan.transport = match args.transport {
        Transport::Udp => SipTransport::Udp,
        Transport::Tcp => SipTransport::Tcp,
    };
    args.from.clone_into(&mut plan.from_user);
    plan.credentials = credentials.map(|(username, password)| Credentials { username, password });
    if let Some(codec) = args.codec {
        plan.codecs = vec![match codec {
            CodecName::Pcmu => Codec::Pcmu,
            CodecName::Pcma => Codec::Pcma,
        }];
    }
    plan.clips = clips;
    plan.listen_first = !args.speak_first;
    plan.agent_timeout = Duration::from_secs(args.patience_seconds);
    plan.max_duration = Duration::from_secs(args.max_seconds);
    plan.barge_in_after = args.barge_in.map(Duration::from_millis);
    args.dtmf.clone_into(&mut plan.dtmf);
    if args.stay {
        plan.hang_up = HangUp::Never;
    }
    if args.loss > 0.0 || args.jitter > 0 {
        let jitter = Duration::from_millis(args.jitter);
        plan.impairment = Some(Impairment {
            loss_percent: args.loss,
            jitter,
            seed: 1,
        });
    }
    plan
}

/// An endpoint of our own on a free port, near the one it calls.
pub(crate) async fn endpoint(target: &str) -> Result<SipEndpoint> {
    let local = if target.contains("127.0.0.1") || target.contains("localhost") {
        "127.0.0.1:0"
    } else {
        "0.0.0.0:0"
    };
    // Nobody calls the softphone; what comes is refused by dropping it.
    let (incoming, _) = mpsc::channel(1);
    let config = SipConfig {
        listen: local.parse()?,
        external: None,
        user_agent: format!("Callwright-softphone/{}", env!("CARGO_PKG_VERSION")),
        realm: "callwright".to_owned(),
    };
    SipEndpoint::bind(config, incoming)
        .await
        .context("the softphone has no port for SIP")
}

/// A WAV file at the rate of the line.
fn clip(path: &Path) -> Result<Vec<i16>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    let audio = wav::parse(&bytes).with_context(|| format!("{} can't be played", path.display()))?;
    let mut to_line = Resampler::new(audio.sample_rate, LINE_HZ);
    let mut samples = Vec::new();
    to_line.process(&wav::mono(&audio), &mut samples);
    to_line.flush(&mut samples);
    Ok(samples)
}

fn record(path: &Path, report: &SoftphoneReport) -> Result<()> {
    let mut stereo = Vec::new();
    interleave(&report.caller_audio, &report.agent_audio, &mut stereo);
    let mut bytes = wav::header(LINE_HZ, 2, (stereo.len() * 2) as u32).to_vec();
    bytes.extend(stereo.iter().flat_map(|sample| sample.to_le_bytes()));
    std::fs::write(path, bytes).with_context(|| format!("{} can't be written", path.display()))
}

/// What the agent said between two silences.
#[derive(Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) started: Duration,
    pub(crate) ended: Duration,
}

/// The agent's speech, piece by piece.
pub(crate) fn heard(report: &SoftphoneReport) -> Vec<Heard> {
    let at = |sample: usize| Duration::from_millis(sample as u64 * 1000 / u64::from(LINE_HZ));
    let pieces = report.events.iter().filter_map(|(_, event)| match event {
        SoftphoneEvent::AgentSpeechEnded { from_sample, to_sample } => Some(Heard {
            started: at(*from_sample),
            ended: at(*to_sample),
        }),
        _ => None,
    });
    pieces.collect()
}

/// The samples of a piece, with a little of the silence round it.
pub(crate) fn samples_of(report: &SoftphoneReport, piece: Heard) -> &[i16] {
    const ROUND: usize = LINE_HZ as usize / 5;
    let sample = |at: Duration| at.as_millis() as usize * LINE_HZ as usize / 1000;
    let from = sample(piece.started)
        .saturating_sub(ROUND)
        .min(report.agent_audio.len());
    let to = (sample(piece.ended) + ROUND).min(report.agent_audio.len());
    &report.agent_audio[from..to.max(from)]
}

#[cfg(feature = "local")]
type Ear = crate::commands::speech::Speech;
#[cfg(not(feature = "local"))]
type Ear = std::convert::Infallible;

/// The local recogniser, where its models are installed.
#[cfg(feature = "local")]
async fn ear(settings: &Settings) -> Result<Option<Ear>> {
    let config = settings.load(Vec::new())?;
    if !local::models::ModelStore::new(config.models.dir.clone()).is_complete() {
        return Ok(None);
    }
    Ear::local(&crate::services::open(&config).await?.services).map(Some)
}

#[cfg(not(feature = "local"))]
#[expect(clippy::unused_async, reason = "the other build loads models here")]
async fn ear(_settings: &Settings) -> Result<Option<Ear>> {
    Ok(None)
}

#[cfg_attr(
    not(feature = "local"),
    expect(clippy::unused_async, unused_variables, reason = "nobody listens without models")
)]
async fn words(ear: Option<&Ear>, samples: &[i16]) -> Result<Option<String>> {
    match ear {
        #[cfg(feature = "local")]
        Some(ear) => ear.words(samples).await.map(Some),
        #[cfg(not(feature = "local"))]
        Some(never) => match *never {},
        None => Ok(None),
    }
}

async fn as_json(report: &SoftphoneReport, ear: Option<&Ear>) -> Result<Value> {
    let millis = |at: Duration| at.as_millis() as u64;
    let mut pieces = Vec::new();
    for piece in heard(report) {
        let words = words(ear, samples_of(report, piece)).await?;
        pieces.push(json!({ "started_ms": millis(piece.started), "ended_ms": millis(piece.ended), "words": words }));
    }
    let turns: Vec<_> = report
        .turns
        .iter()
        .map(|turn| {
            json!({
                "clip": turn.clip,
                "clip_ended_ms": millis(turn.clip_ended),
                "answer_started_ms": turn.answer_started.map(millis),
                "latency_ms": turn.latency().map(millis),
            })
        })
        .collect();
    let hung_up_by_agent = report
        .events
        .iter()
        .any(|(_, event)| *event == SoftphoneEvent::HungUpByPeer);
    Ok(json!({
        "answered_after_ms": report.answered_after.map(millis),
        "refused": report.refused,
        "hung_up_by_agent": hung_up_by_agent,
        "duration_ms": report.caller_audio.len() as u64 * 1000 / u64::from(LINE_HZ),
        "turns": turns,
        "heard": pieces,
        "packets": {
            "received": report.jitter.received,
            "lost": report.jitter.lost,
            "late": report.jitter.late,
            "concealed": report.jitter.concealed,
        },
    }))
}

/// Only the log of the other side knows which cause it was.
fn refusal(status: u16) -> String {
    let hint = match status {
        480 => {
            ": a Callwright server answers so where the number's agent is not active or its organisation can't pay (no \
             trial, subscription or credits); its log tells which, as the reason of \"inbound call refused\""
        }
        _ => "",
    };
    format!("refused with {status}{hint}")
}

async fn tell(report: &SoftphoneReport, ear: Option<&Ear>) -> Result<()> {
    let seconds = |at: Duration| format!("{:6.2} s", at.as_secs_f64());
    let Some(rang) = report.answered_after else {
        line(&match report.refused {
            Some(status) => refusal(status),
            None => "nobody answered".to_owned(),
        });
        return Ok(());
    };
    line(&format!("answered after {:.0} ms", rang.as_secs_f64() * 1000.0));
    let mut lines: Vec<(Duration, String)> = Vec::new();
    for piece in heard(report) {
        let words = words(ear, samples_of(report, piece)).await?;
        let length = piece.ended.saturating_sub(piece.started).as_secs_f64();
        lines.push((
            piece.started,
            format!(
                "agent   {}",
                words.unwrap_or_else(|| format!("({length:.1} s of speech)"))
            ),
        ));
    }
    for (at, event) in &report.events {
        match event {
            SoftphoneEvent::ClipStarted(clip) => lines.push((*at, format!("caller  plays file {}", clip + 1))),
            SoftphoneEvent::KeysPressed => lines.push((*at, "caller  pressed keys".to_owned())),
            SoftphoneEvent::HungUpByPeer => lines.push((*at, "agent   hung up".to_owned())),
            SoftphoneEvent::HungUp => lines.push((*at, "caller  hung up".to_owned())),
            SoftphoneEvent::TimeIsUp => {
                lines.push((*at, "caller  hung up: the call lasted as long as it may".to_owned()));
            }
            SoftphoneEvent::AgentSpeechStarted { .. }
            | SoftphoneEvent::AgentSpeechEnded { .. }
            | SoftphoneEvent::ClipEnded(_) => {}
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    for (at, text) in lines {
        line(&format!("{}  {text}", seconds(at)));
    }
    for turn in &report.turns {
        match turn.latency() {
            Some(latency) => line(&format!(
                "file {}: answered after {:.0} ms",
                turn.clip + 1,
                latency.as_secs_f64() * 1000.0
            )),
            None => line(&format!("file {}: no answer", turn.clip + 1)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_may_be_about_money_says_where_to_look() {
        assert!(refusal(480).contains("can't pay"));
        assert_eq!(refusal(486), "refused with 486");
    }
}
