//! Secrets at rest: sealed with a key that lies beside the database and never in it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::{SecureRandom, SystemRandom},
};

const KEY_LEN: usize = 32;

/// Why a secret can't be sealed or opened. Says nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the secret was sealed with key {sealed_with}, but secret.key holds {ours}")]
    AnotherKey { sealed_with: String, ours: String },
    #[error("the sealed secret was altered or belongs to another row")]
    Altered,
    #[error("no randomness to seal with")]
    NoRandomness,
    #[error("secret.key must hold {KEY_LEN} bytes in hexadecimal")]
    NotAKey,
}

/// A sealed secret and the key that opens it.
pub(crate) struct Sealed {
    /// The nonce, then the ciphertext with its tag.
    pub(crate) bytes: Vec<u8>,
    /// Names the key; not secret.
    pub(crate) key_id: String,
}

/// Seals and opens secrets.
pub(crate) struct Sealer {
    key: LessSafeKey,
    key_id: String,
    random: SystemRandom,
}

impl Sealer {
    /// With the key in `path`, which is made first if there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if !path.exists() {
            create_key(path)?;
        }
        Self::read(path)
    }

    /// With the key in `path`; where there is none, with one that is kept nowhere and opens nothing that is there.
    pub(crate) fn open_known(path: &Path) -> io::Result<Self> {
        if path.exists() {
            return Self::read(path);
        }
        Self::from_hex(&hex(&fresh_key()?)).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn read(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        // A key that is too long to be one need not be read whole.
        File::open(path)?.take(4096).read_to_string(&mut text)?;
        Self::from_hex(text.trim()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn from_hex(text: &str) -> Result<Self, SealError> {
        let digits = text.as_bytes();
        if digits.len() != KEY_LEN * 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(SealError::NotAKey);
        }
        let byte = |at: usize| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| SealError::NotAKey);
        let bytes = (0..KEY_LEN).map(byte).collect::<Result<Vec<u8>, _>>()?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| SealError::NotAKey)?;
        let key_id = hex(&digest::digest(&digest::SHA256, &bytes).as_ref()[..8]);
        Ok(Self {
            key: LessSafeKey::new(key),
            key_id,
            random: SystemRandom::new(),
        })
    }

    /// Names our key.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Seals `secret` for the row named by `context`; it opens for no other row.
    pub(crate) fn seal(&self, context: &[u8], secret: &str) -> Result<Sealed, SealError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut sealed = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(|_| SealError::NoRandomness)?;
        let bytes = nonce.into_iter().chain(sealed).collect();
        Ok(Sealed {
            bytes,
            key_id: self.key_id.clone(),
        })
    }

    /// Opens what `seal` sealed for `context`.
    pub(crate) fn open_sealed(&self, context: &[u8], sealed: &Sealed) -> Result<String, SealError> {
        if sealed.key_id != self.key_id {
            return Err(SealError::AnotherKey {
                sealed_with: sealed.key_id.clone(),
                ours: self.key_id.clone(),
            });
        }
        let (nonce, text) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Altered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Altered)?;
        let mut text = text.to_vec();
        let secret = self
            .key
            .open_in_place(nonce, Aad::from(context), &mut text)
            .map_err(|_| SealError::Altered)?;
        String::from_utf8(secret.to_vec()).map_err(|_| SealError::Altered)
    }
}

fn fresh_key() -> io::Result<[u8; KEY_LEN]> {
    let mut bytes = [0; KEY_LEN];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other(SealError::NoRandomness))?;
    Ok(bytes)
}

/// Makes a key that appears whole or not at all, and never over one that is there.
fn create_key(path: &Path) -> io::Result<()> {
    let bytes = fresh_key()?;
    let draft = path.with_extension(format!("key.{}", uuid::Uuid::now_v7()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(file, "{}", hex(&bytes))?;
    file.sync_all()?;
    let placed = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match placed {
        // Another process made one in the same moment; that one counts.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        placed => placed,
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sealer(digit: &str) -> Sealer {
        Sealer::from_hex(&digit.repeat(KEY_LEN * 2)).unwrap()
    }

    #[test]
    fn a_secret_opens_only_for_its_row_and_with_its_key() {
        let sealed = sealer("a").seal(b"row 1", "hunter2").unwrap();
        assert_eq!(sealer("a").open_sealed(b"row 1", &sealed).unwrap(), "hunter2");
        assert!(matches!(
            sealer("a").open_sealed(b"row 2", &sealed),
            Err(SealError::Altered)
        ));
        assert!(matches!(
            sealer("b").open_sealed(b"row 1", &sealed),
            Err(SealError::AnotherKey { .. })
        ));
    }

    #[test]
    fn an_altered_secret_does_not_open() {
        let mut sealed = sealer("a").seal(b"row", "hunter2").unwrap();
        *sealed.bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(
            sealer("a").open_sealed(b"row", &sealed),
            Err(SealError::Altered)
        ));
        sealed.bytes.truncate(3);
        assert!(matches!(
            sealer("a").open_sealed(b"row", &sealed),
            Err(SealError::Altered)
        ));
    }

    #[test]
    fn the_same_secret_never_looks_the_same() {
        let [one, two] = [(); 2].map(|()| sealer("a").seal(b"row", "hunter2").unwrap().bytes);
        assert_ne!(one, two);
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        for text in ["", "a", &"g".repeat(64), &"é".repeat(32), &"a".repeat(66)] {
            assert!(matches!(Sealer::from_hex(text), Err(SealError::NotAKey)), "{text}");
        }
    }
}
