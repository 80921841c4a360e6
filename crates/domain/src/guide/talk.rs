//! Small talk that every phone user expects, whether a script covers it or not. The owner's own answers win.

use super::words::without_noise;

/// What a caller may say to any agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    Greeting,
    Thanks,
    Repeat,
    Goodbye,
    Cancel,
    Yes,
    No,
}

const GREETINGS: [&str; 15] = [
    "hello",
    "hi",
    "hey",
    "hello there",
    "hi there",
    "hey there",
    "good morning",
    "good afternoon",
    "good evening",
    "hello hello",
    "good day",
    "hello good morning",
    "hello good afternoon",
    "is anyone there",
    "are you there",
];
const THANKS: [&str; 10] = [
    "thank you",
    "thanks",
    "thank you very much",
    "thank you so much",
    "thanks a lot",
    "many thanks",
    "cheers",
    "great thanks",
    "great thank you",
    "perfect thank you",
];
const REPEATS: [&str; 30] = [
    "can you repeat that",
    "could you repeat that",
    "can you repeat",
    "repeat that",
    "repeat",
    "please repeat",
    "say that again",
    "can you say that again",
    "could you say that again",
    "say again",
    "pardon",
    "pardon me",
    "sorry",
    "excuse me",
    "what",
    "what did you say",
    "what was that",
    "come again",
    "one more time",
    "once more",
    "again",
    "i didn't catch that",
    "i didn't hear that",
    "i didn't hear you",
    "i didn't get that",
    "i did not catch that",
    "i didn't understand",
    "i can't hear you",
    "could you repeat that again",
    "can you repeat that again",
];
const GOODBYES: [&str; 25] = [
    "goodbye",
    "bye",
    "bye bye",
    "good bye",
    "see you",
    "see you later",
    "have a nice day",
    "have a good day",
    "good night",
    "that's all",
    "that is all",
    "that's it",
    "that was all",
    "that'll be all",
    "that will be all",
    "nothing else",
    "no that's all",
    "no that's it",
    "no nothing else",
    "i'm done",
    "that's everything",
    "no that's everything",
    "hang up",
    "no bye",
    "i have to go",
];
const CANCELS: [&str; 14] = [
    "never mind",
    "nevermind",
    "forget it",
    "forget about it",
    "cancel",
    "cancel that",
    "stop",
    "leave it",
    "skip it",
    "go back",
    "no never mind",
    "start over",
    "i don't want to",
    "i changed my mind",
];
const YES: [&str; 6] = ["yes", "yeah", "yep", "sure", "yes i do", "i do"];
const NO: [&str; 5] = ["no", "nope", "nah", "not really", "no i don't"];

/// Words round small talk that leave its meaning alone.
const EDGES: [&str; 14] = [
    "ok", "okay", "oh", "well", "so", "alright", "and", "then", "now", "great", "perfect", "just", "sorry", "very",
];

/// The small talk that the whole of `text` is, if it is.
pub(super) fn talk(text: &str) -> Option<Talk> {
    let whole = without_noise(text);
    exact(&whole).or_else(|| {
        let words: Vec<&str> = whole.split(' ').collect();
        let from = words.iter().position(|word| !EDGES.contains(word))?;
        let to = words.iter().rposition(|word| !EDGES.contains(word))?;
        let core = words[from..=to].join(" ");
        exact(&core).or_else(|| without_thanks(&core))
    })
}

fn exact(text: &str) -> Option<Talk> {
    let lists: [(&[&str], Talk); 7] = [
        (&GREETINGS, Talk::Greeting),
        (&THANKS, Talk::Thanks),
        (&REPEATS, Talk::Repeat),
        (&GOODBYES, Talk::Goodbye),
        (&CANCELS, Talk::Cancel),
        (&YES, Talk::Yes),
        (&NO, Talk::No),
    ];
    lists
        .into_iter()
        .find(|(list, _)| list.contains(&text))
        .map(|(_, talk)| talk)
}

/// "That's all, thank you", "thanks, bye", "no thank you": the thanks are the lesser part.
fn without_thanks(text: &str) -> Option<Talk> {
    let mut rest = text.to_owned();
    for thanks in [
        "thank you very much",
        "thank you so much",
        "thank you",
        "thanks a lot",
        "thanks",
    ] {
        rest = rest.replace(thanks, " ");
    }
    let rest = rest
        .split_whitespace()
        .filter(|word| !EDGES.contains(word))
        .collect::<Vec<_>>()
        .join(" ");
    if rest.len() == text.len() {
        // No thanks in it, but perhaps two goodbyes: "that's all bye".
        return goodbye_twice(text);
    }
    if rest.is_empty() {
        Some(Talk::Thanks)
    } else {
        exact(&rest).or_else(|| goodbye_twice(&rest))
    }
}

fn goodbye_twice(text: &str) -> Option<Talk> {
    let (first, last) = text.rsplit_once(' ')?;
    let parting = matches!(last, "bye" | "goodbye");
    (parting && matches!(exact(first), Some(Talk::Goodbye | Talk::Thanks | Talk::No))).then_some(Talk::Goodbye)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_talk_is_known_however_it_is_written() {
        for (said, expected) in [
            ("Hello?", Some(Talk::Greeting)),
            ("Um, hi there!", Some(Talk::Greeting)),
            ("Thank you very much.", Some(Talk::Thanks)),
            ("Okay, great, thanks!", Some(Talk::Thanks)),
            ("Sorry, can you repeat that please?", Some(Talk::Repeat)),
            ("Can you repeat that, please?", Some(Talk::Repeat)),
            ("Pardon?", Some(Talk::Repeat)),
            ("No, that's all, thank you. Bye!", Some(Talk::Goodbye)),
            ("Okay, thanks, bye.", Some(Talk::Goodbye)),
            ("That's all. Thank you.", Some(Talk::Goodbye)),
            ("No, thank you.", Some(Talk::No)),
            ("Never mind.", Some(Talk::Cancel)),
            ("What are your opening hours?", None),
            ("", None),
        ] {
            assert_eq!(talk(said), expected, "{said}");
        }
    }
}
