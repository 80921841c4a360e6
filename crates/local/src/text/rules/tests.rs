use super::*;

#[test]
fn every_rule_compiles() {
    assert_eq!(RULES.len(), 23);
}

#[test]
fn written_english_becomes_spoken_english() {
    for (written, expected) in [
        ("It costs $12.50.", "It costs twelve dollars and fifty cents."),
        ("$1", "one dollar"),
        ("$0.99 each", "ninety nine cents each"),
        ("$1,200", "one thousand two hundred dollars"),
        ("$2.5 million", "two point five million dollars"),
        ("£5.01", "five pounds and one penny"),
        ("at 9:30 am.", "at nine thirty A.M."),
        ("at 9:30 a.m. sharp", "at nine thirty A.M. sharp"),
        ("5pm", "five P.M."),
        ("at 17:00, then", "at seventeen o'clock, then"),
        ("12:05", "twelve oh five"),
        ("on 2026-11-22", "on November twenty second, twenty twenty six"),
        ("3/4/24", "March fourth, twenty twenty four"),
        ("Nov. 3rd, 2025", "November third, twenty twenty five"),
        ("May 1", "May first"),
        ("I may 1 day", "I may one day"),
        ("15% off", "fifteen percent off"),
        ("99.9%", "ninety nine point nine percent"),
        ("the 21st floor", "the twenty first floor"),
        ("Dr. Smith lives on Elm St.", "Doctor Smith lives on Elm Street"),
        ("St. Mary", "Saint Mary"),
        ("Mr. and Mrs. Jones", "Mr. and Missus Jones"),
        (
            "call 415-555-0134 now",
            "call four one five, five five five, zero one three four now",
        ),
        ("(415) 555-0134", "four one five, five five five, zero one three four"),
        (
            "+14155550134",
            "plus one four one five five five five zero one three four",
        ),
        ("order 48213", "order four eight two one three"),
        ("in 1984", "in nineteen eighty four"),
        ("open 9-5", "open nine to five"),
        ("24/7 & more", "twenty four seven and more"),
        ("room A12", "room A twelve"),
        ("-3 or 72°F", "minus three or seventy two degrees Fahrenheit"),
        ("see acme.com.", "see acme dot com."),
        ("jo.lee@acme.com", "jo dot lee at acme dot com"),
        ("**Bold** _text_", "Bold text"),
        ("#5", "number five"),
        ("", ""),
    ] {
        assert_eq!(spoken(written), expected, "{written}");
    }
}
