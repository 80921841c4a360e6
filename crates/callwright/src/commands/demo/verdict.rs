//! Whether the agent understood and answered: judged by its record and by what was heard at the caller's end.

use contract::{Speaker, TranscriptTurn};
use telephony::softphone::SoftphoneReport;

use crate::commands::{call::Heard, line};

/// Share of a line's words that must be recognised.
const UNDERSTOOD: f64 = 0.5;
/// Lines that must be understood and answered.
const ANSWERED_MIN: usize = 3;

/// Judges every line and prints what went wrong. All lines must have been answered fittingly.
pub(super) fn judge(
    lines: &[(&str, &[&str])],
    turns: &[TranscriptTurn],
    report: &SoftphoneReport,
    heard: &[(Heard, String)],
) -> bool {
    let exchanges = exchanges(turns);
    let mut good = 0;
    for (index, (said, wanted)) in lines.iter().enumerate() {
        let Some((recognised, answer)) = exchanges.get(index) else {
            line(&format!("NOT ANSWERED    {said}"));
            continue;
        };
        let share = share_of_words(said, recognised);
        if share < UNDERSTOOD {
            line(&format!("NOT UNDERSTOOD  {said}"));
        } else if !names_one(answer, wanted) {
            line(&format!("WRONG ANSWER    {said} -> {answer}"));
        } else if !names_one(&heard_after(index, report, heard), wanted) {
            line(&format!("NOT HEARD       {said} -> {answer}"));
        } else {
            good += 1;
        }
    }
    let passed = good == lines.len() && good >= ANSWERED_MIN;
    line(&format!(
        "{good} of {} lines were understood, answered, and the answer heard.",
        lines.len()
    ));
    passed
}

/// What the caller said with what the agent said next. A caller who pauses within a line and goes on before the agent
/// has answered, even into the answer's first words, makes two turns of it, with one answer to both.
fn exchanges(turns: &[TranscriptTurn]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut was_cut = false;
    for turn in turns {
        match (turn.speaker, all.last_mut()) {
            (Speaker::User, Some((said, answer))) if answer.is_empty() || was_cut => {
                said.push(' ');
                said.push_str(&turn.text);
                answer.clear();
                was_cut = false;
            }
            (Speaker::User, _) => all.push((turn.text.clone(), String::new())),
            (Speaker::Agent, Some((_, answer))) => {
                answer.push_str(&turn.text);
                was_cut = turn.interrupted;
            }
            // The greeting answers nobody.
            (Speaker::Agent, None) => {}
        }
    }
    all
}

/// What the caller heard between the end of a clip and the end of the next.
fn heard_after(index: usize, report: &SoftphoneReport, heard: &[(Heard, String)]) -> String {
    let Some(turn) = report.turns.get(index) else {
        return String::new();
    };
    let until = report.turns.get(index + 1).map(|next| next.clip_ended);
    let pieces = heard
        .iter()
        .filter(|(piece, _)| piece.ended > turn.clip_ended && until.is_none_or(|until| piece.started < until));
    pieces.map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(" ")
}

fn names_one(text: &str, wanted: &[&str]) -> bool {
    let text = text.to_lowercase();
    wanted.iter().any(|word| text.contains(word))
}

fn share_of_words(said: &str, recognised: &str) -> f64 {
    let recognised = words(recognised);
    let said = words(said);
    let found = said.iter().filter(|word| recognised.contains(word)).count();
    found as f64 / said.len().max(1) as f64
}

fn words(text: &str) -> Vec<String> {
    let clean: String = text
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '\'' { c } else { ' ' })
        .collect();
    clean.split_whitespace().map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use contract::Timestamp;

    use super::*;

    fn turn(speaker: Speaker, text: &str) -> TranscriptTurn {
        TranscriptTurn {
            speaker,
            text: text.into(),
            started_at: Timestamp::from_millis(0),
            ended_at: Timestamp::from_millis(0),
            interrupted: false,
        }
    }

    #[test]
    fn a_line_with_a_pause_in_it_is_one_exchange() {
        let turns = [
            turn(Speaker::Agent, "Good day."),
            turn(Speaker::User, "Tomorrow, please."),
            turn(Speaker::Agent, "At what time?"),
            turn(Speaker::User, "Thank you,"),
            turn(Speaker::User, "that's all."),
            TranscriptTurn {
                interrupted: true,
                ..turn(Speaker::Agent, "Thank")
            },
            turn(Speaker::User, "Goodbye."),
            turn(Speaker::Agent, "Thank you for calling. Goodbye!"),
        ];
        let expected = [
            ("Tomorrow, please.", "At what time?"),
            ("Thank you, that's all. Goodbye.", "Thank you for calling. Goodbye!"),
        ];
        assert_eq!(
            exchanges(&turns),
            expected.map(|(said, answer)| (said.to_owned(), answer.to_owned()))
        );
    }
}
