//! Recordings: what is written can be played, whole or after a crash.

use std::path::PathBuf;

use contract::{CallId, OrganizationId};
use domain::{
    ports::{RecordingStore, RecordingWriter},
    records::Scope,
};
use futures_util::StreamExt;
use store::{FileRecordings, recordings::SamplesDropped};
use tempfile::TempDir;

const RATE: u32 = 8_000;

struct Shelf {
    directory: TempDir,
    recordings: FileRecordings,
    scope: Scope,
    call: CallId,
}

impl Shelf {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let recordings = FileRecordings::new(directory.path().join("recordings"));
        let scope = Scope {
            organization: OrganizationId::new(),
        };
        Self {
            directory,
            recordings,
            scope,
            call: CallId::new(),
        }
    }

    fn path(&self) -> PathBuf {
        let name = format!("recordings/{}/{}.wav", self.scope.organization, self.call);
        self.directory.path().join(name)
    }

    async fn writer(&self) -> Box<dyn RecordingWriter> {
        self.recordings
            .recording_create(self.scope, self.call, RATE)
            .await
            .unwrap()
    }

    async fn read(&self, start: u64, end: u64) -> Vec<u8> {
        let mut pieces = self
            .recordings
            .recording_read(self.scope, self.call, start, end)
            .await
            .unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= 64 * 1024);
            bytes.extend(piece);
        }
        bytes
    }

    fn samples(&self) -> Vec<i16> {
        let mut wav = hound::WavReader::open(self.path()).unwrap();
        let spec = wav.spec();
        assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, RATE, 16));
        wav.samples::<i16>().map(Result::unwrap).collect()
    }
}

#[tokio::test]
async fn a_finished_recording_plays_what_was_written() {
    let shelf = Shelf::new();
    let mut writer = shelf.writer().await;
    let samples: Vec<i16> = (0..RATE as i16 / 10).collect();
    for frame in samples.chunks(320) {
        writer.write(frame);
    }
    writer.finish().await.unwrap();
    assert_eq!(shelf.samples(), samples);
    let size = shelf.recordings.recording_size(shelf.scope, shelf.call).await.unwrap();
    assert_eq!(size, Some(44 + samples.len() as u64 * 2));
}

#[tokio::test]
async fn a_range_is_read_in_pieces_and_ends_with_the_file() {
    let shelf = Shelf::new();
    let mut writer = shelf.writer().await;
    for _ in 0..100 {
        writer.write(&[7; 2_000]);
    }
    writer.finish().await.unwrap();
    let whole = std::fs::read(shelf.path()).unwrap();
    assert_eq!(shelf.read(0, u64::MAX).await, whole);
    assert_eq!(shelf.read(10, 200_000).await, whole[10..200_000]);
    assert_eq!(shelf.read(whole.len() as u64 - 3, u64::MAX).await.len(), 3);
    assert_eq!(shelf.read(5, 5).await.len(), 0);
}

#[tokio::test]
async fn a_recording_cut_off_by_a_crash_is_repaired_to_its_last_whole_frame() {
    let shelf = Shelf::new();
    let mut writer = shelf.writer().await;
    writer.write(&[1, -1, 2, -2]);
    writer.finish().await.unwrap();
    // As a killed process leaves it: lengths of a second ago, and half a frame at the end.
    let mut bytes = std::fs::read(shelf.path()).unwrap();
    bytes[4..8].copy_from_slice(&36u32.to_le_bytes());
    bytes[40..44].copy_from_slice(&0u32.to_le_bytes());
    bytes.extend([9, 9, 9]);
    std::fs::write(shelf.path(), bytes).unwrap();
    assert_eq!(shelf.samples(), Vec::<i16>::new());
    assert!(
        shelf
            .recordings
            .recording_repair(shelf.scope, shelf.call)
            .await
            .unwrap()
    );
    assert_eq!(shelf.samples(), [1, -1, 2, -2]);
}

#[tokio::test]
async fn a_recording_in_progress_is_playable_within_a_second() {
    let shelf = Shelf::new();
    let mut writer = shelf.writer().await;
    let seconds = 3;
    for _ in 0..seconds * 50 {
        writer.write(&[5; 320]);
    }
    let enough = 44 + u64::from(RATE) * 4 * seconds;
    let written = async {
        while std::fs::metadata(shelf.path()).unwrap().len() < enough {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), written)
        .await
        .unwrap();
    assert!(shelf.samples().len() as u64 >= u64::from(RATE) * 2 * (seconds - 1));
    writer.finish().await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_the_queue_is_dropped_and_reported_and_leaves_silence() {
    let shelf = Shelf::new();
    let mut writer = shelf.writer().await;
    // Faster than any disk: the queue must overflow, and never make the caller wait or grow.
    let frame = vec![5; 32_000];
    let frames = 2_000;
    for _ in 0..frames {
        writer.write(&frame);
    }
    let outcome = writer.finish().await;
    let played = shelf.samples();
    let silent = played.iter().filter(|sample| **sample == 0).count() as u64;
    let heard = played.len() as u64 - silent;
    let dropped = match outcome {
        Ok(()) => 0,
        Err(error) => error.downcast_ref::<SamplesDropped>().unwrap().samples,
    };
    assert!(dropped > 0);
    assert_eq!(heard + dropped, frames * frame.len() as u64);
    assert!(silent <= dropped);
}

#[tokio::test]
async fn a_recording_is_never_written_over() {
    let shelf = Shelf::new();
    shelf.writer().await.finish().await.unwrap();
    assert!(
        shelf
            .recordings
            .recording_create(shelf.scope, shelf.call, RATE)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_recording_that_is_not_there_is_nothing_to_size_repair_or_delete() {
    let shelf = Shelf::new();
    let (scope, call, recordings) = (shelf.scope, shelf.call, &shelf.recordings);
    assert_eq!(recordings.recording_size(scope, call).await.unwrap(), None);
    assert!(!recordings.recording_repair(scope, call).await.unwrap());
    recordings.recording_delete(scope, call).await.unwrap();
    assert!(recordings.recording_read(scope, call, 0, 1).await.is_err());
    shelf.writer().await.finish().await.unwrap();
    let stranger = Scope {
        organization: OrganizationId::new(),
    };
    assert_eq!(recordings.recording_size(stranger, call).await.unwrap(), None);
    recordings.recording_delete(scope, call).await.unwrap();
    assert_eq!(recordings.recording_size(scope, call).await.unwrap(), None);
}
