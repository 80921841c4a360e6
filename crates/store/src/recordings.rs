//! Recordings as files: `<dir>/<organisation>/<call>.wav`.
//!
//! Each recording has a thread of its own behind a bounded queue, so a slow disk never holds up a call: what does not
//! fit the queue is dropped and later written as silence, so that the rest stays in time. The header is made true
//! about once a second of audio: a file whose writer was killed plays as it lies.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use contract::CallId;
use domain::{
    error::BoxError,
    ports::{RecordingStore, RecordingWriter},
    records::Scope,
};
use futures_util::{StreamExt, stream::BoxStream};
use tokio::{
    io::{AsyncReadExt, AsyncSeekExt},
    sync::oneshot,
};
use tokio_util::{bytes::Bytes, io::ReaderStream};

use crate::wav;

/// Pieces that wait for the disk: 5 s of 20 ms frames.
const QUEUE_PIECES: usize = 250;
/// Bytes of one piece when a recording is read.
const READ_PIECE_BYTES: usize = 64 * 1024;
/// Longest wait for the disk at the end of a call.
const FINISH_PATIENCE: Duration = Duration::from_secs(10);
/// Silence is written in pieces of this size.
const SILENCE: [u8; 4096] = [0; 4096];

/// Recordings in a directory of the local machine.
#[derive(Clone, Debug)]
pub struct FileRecordings {
    directory: PathBuf,
}

/// The disk was too slow, or the file full: part of the recording is silence or missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{samples} samples of the recording were dropped")]
pub struct SamplesDropped {
    /// Counting both channels.
    pub samples: u64,
}

impl FileRecordings {
    /// Recordings under `directory`, which is made when the first one is.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Both names are ids, so no name can lead outside the directory.
    fn path(&self, scope: Scope, call: CallId) -> PathBuf {
        self.directory
            .join(scope.organization.to_string())
            .join(format!("{call}.wav"))
    }
}

#[async_trait]
impl RecordingStore for FileRecordings {
    async fn recording_create(
        &self,
        scope: Scope,
        call: CallId,
        sample_rate: u32,
    ) -> Result<Box<dyn RecordingWriter>, BoxError> {
        let path = self.path(scope, call);
        let file = blocking(move || create(&path, sample_rate)).await?;
        let (pieces, queue) = sync_channel(QUEUE_PIECES);
        let (report, finished) = oneshot::channel();
        thread::Builder::new().name("recording".to_owned()).spawn(move || {
            let outcome = WavFile::new(file, sample_rate).write_all(&queue);
            // Nobody waits when the writer was dropped without finishing.
            let _ = report.send(outcome);
        })?;
        Ok(Box::new(FileWriter {
            pieces,
            finished,
            gap: 0,
            dropped: 0,
        }))
    }

    async fn recording_size(&self, scope: Scope, call: CallId) -> Result<Option<u64>, BoxError> {
        match tokio::fs::metadata(self.path(scope, call)).await {
            Ok(metadata) => Ok(Some(metadata.len()).filter(|size| *size >= wav::HEADER_BYTES)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn recording_read(
        &self,
        scope: Scope,
        call: CallId,
        start: u64,
        end: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, io::Error>>, BoxError> {
        let mut file = tokio::fs::File::open(self.path(scope, call)).await?;
        file.seek(SeekFrom::Start(start)).await?;
        let part = file.take(end.saturating_sub(start));
        Ok(ReaderStream::with_capacity(part, READ_PIECE_BYTES).boxed())
    }

    async fn recording_repair(&self, scope: Scope, call: CallId) -> Result<bool, BoxError> {
        let path = self.path(scope, call);
        Ok(blocking(move || repair(&path)).await?)
    }

    async fn recording_delete(&self, scope: Scope, call: CallId) -> Result<(), BoxError> {
        match tokio::fs::remove_file(self.path(scope, call)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

/// Samples on their way to the disk, after so many that were dropped.
struct Piece {
    gap: u64,
    samples: Vec<i16>,
}

/// The session's end of a recording.
struct FileWriter {
    pieces: SyncSender<Piece>,
    finished: oneshot::Receiver<io::Result<u64>>,
    gap: u64,
    dropped: u64,
}

#[async_trait]
impl RecordingWriter for FileWriter {
    fn write(&mut self, interleaved: &[i16]) {
        let piece = Piece {
            gap: self.gap,
            samples: interleaved.to_vec(),
        };
        match self.pieces.try_send(piece) {
            Ok(()) => self.gap = 0,
            // Disconnected: the file broke; `finish` will say how.
            Err(TrySendError::Full(piece) | TrySendError::Disconnected(piece)) => {
                self.gap += piece.samples.len() as u64;
                self.dropped += piece.samples.len() as u64;
            }
        }
    }

    async fn finish(self: Box<Self>) -> Result<(), BoxError> {
        let Self {
            pieces,
            finished,
            dropped,
            ..
        } = *self;
        // The thread ends when the queue is empty and nobody can fill it.
        drop(pieces);
        let refused = tokio::time::timeout(FINISH_PATIENCE, finished).await???;
        match dropped + refused {
            0 => Ok(()),
            samples => Err(SamplesDropped { samples }.into()),
        }
    }
}

/// The file's end of a recording.
struct WavFile {
    file: File,
    sample_rate: u32,
    /// Bytes of audio in the file.
    written: u64,
    /// Bytes of audio that the header speaks of.
    declared: u64,
    /// Samples for which a WAV file has no room.
    refused: u64,
}

impl WavFile {
    fn new(file: File, sample_rate: u32) -> Self {
        Self {
            file,
            sample_rate,
            written: 0,
            declared: 0,
            refused: 0,
        }
    }

    /// Writes what comes until the queue closes; the number of samples that did not fit the file.
    fn write_all(mut self, queue: &Receiver<Piece>) -> io::Result<u64> {
        let a_second = u64::from(self.sample_rate) * wav::FRAME_BYTES;
        let mut bytes = Vec::new();
        while let Ok(piece) = queue.recv() {
            self.silence(piece.gap * 2)?;
            bytes.clear();
            bytes.extend(piece.samples.iter().flat_map(|sample| sample.to_le_bytes()));
            self.append(&bytes)?;
            if self.written - self.declared >= a_second {
                self.declare()?;
            }
        }
        self.declare()?;
        self.file.sync_data()?;
        Ok(self.refused)
    }

    fn silence(&mut self, bytes: u64) -> io::Result<()> {
        let mut left = bytes.min(wav::AUDIO_BYTES_MAX - self.written);
        while left > 0 {
            let piece = left.min(SILENCE.len() as u64);
            self.append(&SILENCE[..piece as usize])?;
            left -= piece;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written + bytes.len() as u64 > wav::AUDIO_BYTES_MAX {
            self.refused += bytes.len() as u64 / 2;
            return Ok(());
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Makes the header true.
    fn declare(&mut self) -> io::Result<()> {
        declare(&mut self.file, self.written)?;
        self.declared = self.written;
        Ok(())
    }
}

fn create(path: &Path, sample_rate: u32) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&wav::header(sample_rate))?;
    Ok(file)
}

fn declare(file: &mut File, audio_bytes: u64) -> io::Result<()> {
    for (at, value) in wav::lengths(audio_bytes) {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&value.to_le_bytes())?;
    }
    file.seek(SeekFrom::End(0)).map(drop)
}

fn repair(path: &Path) -> io::Result<bool> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let Some(audio) = file.metadata()?.len().checked_sub(wav::HEADER_BYTES) else {
        return Ok(false);
    };
    // The last frame may be there in part.
    let whole = (audio - audio % wav::FRAME_BYTES).min(wav::AUDIO_BYTES_MAX);
    file.set_len(wav::HEADER_BYTES + whole)?;
    declare(&mut file, whole)?;
    file.sync_data()?;
    Ok(true)
}
