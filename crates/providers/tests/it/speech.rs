use domain::{
    ProviderFailure, ProviderFault,
    ports::{SpeechRequest, SpeechToText, TextToSpeech, Utterance},
};
use futures_util::StreamExt;
use providers::{OpenAiConfig, OpenAiProvider, SpeechFormat};
use serde_json::{Value, json};

use crate::server::{Piece, Script, Server, config};

fn utterance() -> Utterance {
    Utterance {
        samples: vec![1, -2, 3].into(),
        language: Some("en-US".to_owned()),
    }
}

#[tokio::test]
async fn an_utterance_is_sent_as_a_wav_file_and_its_words_come_back_trimmed() {
    let server = Server::start(Script::ok(
        "application/json",
        [r#"{"te"#, r#"xt": " Hello there. \n"}"#],
    ))
    .await;
    let provider = server.provider().with_transcription_model("large");
    assert_eq!(provider.transcribe(utterance()).await.unwrap(), "Hello there.");
    let asked = server.asked();
    let body = String::from_utf8_lossy(&asked.body);
    assert_eq!(asked.path, "/v1/audio/transcriptions");
    for part in [
        "name=\"model\"\r\n\r\nlarge\r\n",
        "name=\"language\"\r\n\r\nen\r\n",
        "filename=\"audio.wav\"",
        "audio/wav",
        "RIFF",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let samples: [u8; 6] = [1, 0, 254, 255, 3, 0];
    assert!(asked.body.windows(6).any(|window| window == samples));
}

#[tokio::test]
async fn what_is_no_transcript_is_a_bad_response() {
    for body in ["", "hello", "{}", "[1]"] {
        let server = Server::start(Script::ok("application/json", [body])).await;
        assert_eq!(
            server.provider().transcribe(utterance()).await.unwrap_err().fault,
            ProviderFault::BadResponse,
            "{body}"
        );
    }
}

/// All samples and their rate, or the failure.
async fn speak(provider: &OpenAiProvider) -> Result<(Vec<i16>, u32), ProviderFailure> {
    let mut stream = provider
        .speak(SpeechRequest {
            text: "Hello.".to_owned(),
            voice: "alloy".to_owned(),
        })
        .await?;
    let (mut samples, mut rate) = (Vec::new(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        samples.extend(chunk.samples);
        rate = chunk.sample_rate;
    }
    Ok((samples, rate))
}

fn sound() -> (Vec<i16>, Vec<u8>) {
    let samples: Vec<i16> = (0..500).map(|n| n * 7 - 900).collect();
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    (samples, bytes)
}

#[tokio::test]
async fn speech_survives_odd_pieces() {
    let (samples, bytes) = sound();
    let server = Server::start(Script::ok("audio/pcm", bytes.chunks(33).map(<[u8]>::to_vec))).await;
    assert_eq!(speak(&server.provider()).await.unwrap(), (samples, 24_000));
    let body: Value = serde_json::from_slice(&server.asked().body).unwrap();
    assert_eq!(
        body,
        json!({ "model": "tts-1", "input": "Hello.", "voice": "alloy", "response_format": "pcm" })
    );
    assert_eq!(server.asked().path, "/v1/audio/speech");
}

#[tokio::test]
async fn a_wav_file_says_its_own_rate() {
    let (samples, bytes) = sound();
    let mut file =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\xff\xff\xff\xff"
            .to_vec();
    file.extend(bytes);
    let server = Server::start(Script::ok("audio/wav", file.chunks(31).map(<[u8]>::to_vec))).await;
    let asking = OpenAiProvider::new(OpenAiConfig {
        speech_format: SpeechFormat::Wav,
        ..config(&server.base_url)
    })
    .unwrap();
    assert_eq!(speak(&asking).await.unwrap(), (samples.clone(), 16_000));
    assert_eq!(
        speak(&server.provider()).await.unwrap(),
        (samples, 16_000),
        "sent although PCM was asked for"
    );
}

#[tokio::test]
async fn speech_that_breaks_off_or_is_none_is_a_failure() {
    let (_, bytes) = sound();
    let half = || Script::ok("audio/pcm", [bytes.clone()]);
    for (at, (script, fault)) in [
        (half().then(Piece::Stall), ProviderFault::Timeout),
        (half().then(Piece::Cut), ProviderFault::Unreachable),
        (Script::ok("audio/pcm", [""]), ProviderFault::BadResponse),
        (
            Script::ok("application/json", ["{\"error\": 1}"]),
            ProviderFault::BadResponse,
        ),
        (Script::ok("audio/mpeg", ["ID3"]), ProviderFault::BadResponse),
    ]
    .into_iter()
    .enumerate()
    {
        let server = Server::start(script).await;
        let failure = speak(&server.provider()).await.unwrap_err();
        assert_eq!(
            (failure.fault, failure.operation),
            (fault, "speak"),
            "case {at}: {failure:?}"
        );
    }
}
