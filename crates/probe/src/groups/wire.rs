//! What no HTTP library would send, byte for byte over a socket.

use std::time::Duration;

use futures_util::StreamExt as _;

use crate::{
    Settings,
    answer::Answer,
    document::PUBLIC,
    session::{NoAnswer, Session, Verdict},
    wire::Exchange,
};

const GROUP: &str = "wire";

/// How long to listen when the server might not close.
const LISTEN: Duration = Duration::from_secs(2);

/// Connections at once: listening to what does not come takes its time.
const AT_ONCE: usize = 8;

/// Rounds in which limits let none of the cases through, before we stop.
const ROUNDS_IN_VAIN_MAX: usize = 3;

/// What a server may do with such bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    /// Refuse, in the contract's words or by closing without any.
    Refuse,
    /// Refuse, or answer what it understood, once.
    RefuseOrServe,
    /// Answer so many times.
    Serve(usize),
}

struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    may: May,
    /// Whether we say that nothing more will come.
    finishes: bool,
    /// Whether the connection must be closed after the answer, since nobody knows where the next request begins.
    must_close: bool,
}

impl Case {
    fn new(name: &'static str, may: May, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name,
            bytes: bytes.into(),
            may,
            finishes: false,
            must_close: false,
        }
    }

    fn finishing(mut self) -> Self {
        self.finishes = true;
        self
    }

    fn closing(mut self) -> Self {
        self.must_close = true;
        self
    }
}

/// Pieces that all cases are put together from.
struct Parts {
    /// A request line for something that is there, its `Host`, and credentials.
    get: String,
    /// The same for a body that makes nothing.
    post: String,
    host: String,
    path: String,
}

pub(crate) async fn run(session: &mut Session) {
    let (target, key) = (session.settings.target.clone(), session.settings.key.clone());
    let list = session.example.as_ref();
    let list = list.map_or_else(|| format!("{PUBLIC}/agents"), |list| list.path(""));
    let path = format!("{}{list}", target.prefix());
    let host = target.authority();
    let head = format!("Host: {host}\r\nAuthorization: Bearer {key}\r\n");
    let parts = Parts {
        get: format!("GET {path}?limit=1 HTTP/1.1\r\n{head}"),
        post: format!("POST {path} HTTP/1.1\r\n{head}Content-Type: application/json\r\n"),
        host,
        path,
    };
    let mut cases = heads(&parts);
    cases.extend(values(&parts));
    cases.extend(sizes(&parts));
    cases.extend(framing(&parts));
    cases.extend(chunks(&parts));
    cases.extend(conversations(&parts));
    let mut rounds_in_vain = 0;
    while !cases.is_empty() && rounds_in_vain < ROUNDS_IN_VAIN_MAX {
        let count = cases.len();
        let Ok((limited, wait)) = round(session, cases).await else {
            return;
        };
        cases = limited;
        rounds_in_vain = if cases.len() < count { 0 } else { rounds_in_vain + 1 };
        if let Some(answer) = wait
            && session.obey_over_a_socket(&answer).await.is_err()
        {
            break;
        }
    }
    for case in cases {
        session.skip_for_limits(GROUP, case.name);
    }
}

/// Sends all of them and judges what came. Gives those that a limit kept from being served, which tells nothing about
/// them, and the answer that asks for the longest wait.
async fn round(session: &mut Session, cases: Vec<Case>) -> Result<(Vec<Case>, Option<Answer>), NoAnswer> {
    if let Err(error) = session.spend(cases.len()) {
        for case in cases {
            session.skip(GROUP, case.name, &error.to_string());
        }
        return Err(error);
    }
    let asked: Vec<_> = cases.iter().map(|case| exchange(&session.settings, case)).collect();
    let asking = futures_util::stream::iter(asked).buffered(AT_ONCE).collect();
    let came: Option<Vec<_>> = session.settings.stop.run_until_cancelled(asking).await;
    let Some(came) = came else {
        session.cut(&NoAnswer::Stopped.to_string());
        return Err(NoAnswer::Stopped);
    };
    let (mut limited, mut waits) = (Vec::new(), Vec::new());
    for (case, came) in cases.into_iter().zip(came) {
        match came.as_ref().and_then(Exchange::limit).cloned() {
            Some(answer) => {
                waits.push(answer);
                limited.push(case);
            }
            None => one(session, &case, came),
        }
    }
    Ok((limited, waits.into_iter().max_by_key(Answer::retry_after)))
}

/// Request lines and hosts.
fn heads(parts: &Parts) -> Vec<Case> {
    let Parts { get, host, path, .. } = parts;
    let after = get
        .split_once("\r\n")
        .map(|(_, after)| after.to_owned())
        .unwrap_or_default();
    let line = |line: &str| format!("{line}\r\n{after}\r\n");
    vec![
        Case::new("no Host", May::Refuse, format!("GET {path} HTTP/1.1\r\n\r\n")),
        Case::new(
            "two Hosts",
            May::Refuse,
            format!("{get}Host: elsewhere.example\r\n\r\n"),
        ),
        Case::new(
            "an empty Host",
            May::RefuseOrServe,
            format!("GET {path} HTTP/1.1\r\nHost:\r\n\r\n"),
        ),
        Case::new(
            "HTTP/1.0",
            May::Serve(1),
            format!("GET {path}?limit=1 HTTP/1.0\r\n\r\n"),
        ),
        Case::new("HTTP/0.9", May::Refuse, format!("GET {path}\r\n")).finishing(),
        Case::new("HTTP/3.7", May::Refuse, line(&format!("GET {path} HTTP/3.7"))),
        Case::new(
            "the preface of HTTP/2",
            May::Refuse,
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
        Case::new(
            "no HTTP at all",
            May::Refuse,
            *b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
        ),
        Case::new(
            "a lower-case method",
            May::RefuseOrServe,
            line(&format!("get {path} HTTP/1.1")),
        ),
        Case::new(
            "a method with a space",
            May::Refuse,
            line(&format!("GE T {path} HTTP/1.1")),
        ),
        Case::new(
            "a method of 10 kB",
            May::RefuseOrServe,
            line(&format!("{} {path} HTTP/1.1", "M".repeat(10_000))),
        ),
        Case::new("a path without its slash", May::RefuseOrServe, line("GET api HTTP/1.1")),
        Case::new(
            "a whole address as target",
            May::RefuseOrServe,
            line(&format!("GET http://{host}{path} HTTP/1.1")),
        ),
        Case::new(
            "the address of another host as target",
            May::RefuseOrServe,
            line(&format!("GET http://elsewhere.example{path} HTTP/1.1")),
        ),
        Case::new("a star as target", May::RefuseOrServe, line("GET * HTTP/1.1")),
        Case::new(
            "CONNECT",
            May::RefuseOrServe,
            line("CONNECT elsewhere.example:443 HTTP/1.1"),
        ),
        Case::new(
            "a NUL in the path",
            May::Refuse,
            line(&format!("GET {path}\0x HTTP/1.1")),
        ),
        Case::new(
            "bytes above 127 in the path",
            May::RefuseOrServe,
            [b"GET /\xff\xfe HTTP/1.1\r\n", after.as_bytes(), b"\r\n"].concat(),
        ),
        Case::new(
            "a fragment in the path",
            May::RefuseOrServe,
            line(&format!("GET {path}#x HTTP/1.1")),
        ),
        Case::new(
            "empty lines before the request",
            May::RefuseOrServe,
            format!("\r\n\r\n{get}\r\n"),
        ),
        Case::new(
            "lines that end with LF alone",
            May::RefuseOrServe,
            format!("{get}\r\n").replace("\r\n", "\n"),
        ),
        Case::new(
            "lines that end with CR alone",
            May::Refuse,
            format!("{get}\r\n").replace("\r\n", "\r"),
        )
        .finishing(),
    ]
}

/// Names and values of headers.
fn values(parts: &Parts) -> Vec<Case> {
    let get = &parts.get;
    let with = |line: &[u8]| [get.as_bytes(), line, b"\r\n\r\n"].concat();
    vec![
        Case::new("a header without a colon", May::Refuse, with(b"X-Broken")),
        Case::new("a header without a name", May::Refuse, with(b": x")),
        Case::new("a space before the colon", May::Refuse, with(b"X-Broken : x")),
        Case::new(
            "a header folded over two lines",
            May::RefuseOrServe,
            with(b"X-Folded: a\r\n b"),
        ),
        Case::new("a NUL in a header", May::Refuse, with(b"X-Broken: a\0b")),
        Case::new("a CR in a header", May::Refuse, with(b"X-Broken: a\rb")),
        Case::new(
            "bytes above 127 in a header",
            May::RefuseOrServe,
            with(b"X-Latin: \xe9\xff"),
        ),
        Case::new("bytes above 127 in a name", May::Refuse, with(b"X-\xc3\xa9: x")),
        Case::new(
            "bytes above 127 in the credentials",
            May::RefuseOrServe,
            format!(
                "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \u{e9}\r\n\r\n",
                parts.path
            ),
        ),
        Case::new(
            "a wish nobody knows (Expect)",
            May::RefuseOrServe,
            with(b"Expect: the-unexpected"),
        ),
        Case::new(
            "an upgrade nobody asked for",
            May::RefuseOrServe,
            with(b"Connection: Upgrade\r\nUpgrade: h2c"),
        ),
    ]
}

/// Too long, too many.
fn sizes(parts: &Parts) -> Vec<Case> {
    let Parts { get, path, host, .. } = parts;
    let many = |count: usize| {
        let lines: Vec<_> = (0..count).map(|number| format!("X-{number}: y\r\n")).collect();
        lines.concat()
    };
    vec![
        Case::new(
            "an address of 70 kB",
            May::Refuse,
            format!("GET {path}?{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "x".repeat(70_000)),
        ),
        Case::new(
            "an address of 1 MB",
            May::Refuse,
            format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "x".repeat(1_000_000)),
        ),
        Case::new(
            "a header of 1 MB",
            May::Refuse,
            format!("{get}X: {}\r\n\r\n", "x".repeat(1_000_000)),
        ),
        Case::new("1 000 headers", May::Refuse, format!("{get}{}\r\n", many(1000))),
        Case::new("10 000 headers", May::Refuse, format!("{get}{}\r\n", many(10_000))),
        Case::new(
            "a name of 70 kB",
            May::Refuse,
            format!("{get}{}: x\r\n\r\n", "x".repeat(70_000)),
        ),
    ]
}

/// Where a body ends, told in ways that don't agree. Whoever guesses wrong lets a second request be smuggled in.
fn framing(parts: &Parts) -> Vec<Case> {
    let Parts { post, get, .. } = parts;
    let body = "{\"zzz_unknown\":1}";
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let smuggled = format!("0\r\n\r\n{get}\r\n");
    let length = |said: &str| format!("{post}Content-Length: {said}\r\n\r\n{body}");
    vec![
        Case::new(
            "two lengths that differ",
            May::Refuse,
            format!("{post}Content-Length: 17\r\nContent-Length: 5\r\n\r\n{body}"),
        )
        .closing(),
        Case::new("two lengths in one header", May::Refuse, length("17, 5")).closing(),
        Case::new(
            "the same length twice",
            May::RefuseOrServe,
            format!("{post}Content-Length: 17\r\nContent-Length: 17\r\n\r\n{body}"),
        ),
        Case::new("a length below nothing", May::Refuse, length("-1")).closing(),
        Case::new("a length with a sign", May::Refuse, length("+17")).closing(),
        Case::new("a length in hexadecimal", May::Refuse, length("0x11")).closing(),
        Case::new("a length that is a word", May::Refuse, length("many")).closing(),
        Case::new("an empty length", May::Refuse, length("")).closing(),
        Case::new("a length past 64 bits", May::Refuse, length("99999999999999999999999")).closing(),
        Case::new(
            "length and chunks, with a request smuggled in",
            May::RefuseOrServe,
            format!(
                "{post}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{smuggled}",
                smuggled.len()
            ),
        )
        .closing(),
        Case::new(
            "chunks and length, with a request smuggled in",
            May::RefuseOrServe,
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{smuggled}"),
        )
        .closing(),
        Case::new(
            "chunks by an unknown name",
            May::Refuse,
            format!("{post}Transfer-Encoding: xchunked\r\n\r\n{chunked}"),
        )
        .closing(),
        Case::new(
            "chunks, and then something else",
            May::Refuse,
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n{chunked}"),
        )
        .closing(),
        Case::new(
            "chunks within gzip",
            May::RefuseOrServe,
            format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n{chunked}"),
        ),
        Case::new(
            "chunks twice",
            May::RefuseOrServe,
            format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        ),
        Case::new(
            "chunks to HTTP/1.0",
            May::RefuseOrServe,
            format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunked}").replace("HTTP/1.1", "HTTP/1.0"),
        ),
        Case::new(
            "less body than announced, then the end",
            May::RefuseOrServe,
            format!("{post}Content-Length: 100\r\n\r\n{body}"),
        )
        .finishing(),
        Case::new("a POST without any length", May::RefuseOrServe, format!("{post}\r\n")),
        Case::new(
            "a GET with a body",
            May::RefuseOrServe,
            format!("{get}Content-Length: {}\r\n\r\n{body}", body.len()),
        ),
    ]
}

/// Chunks that are none.
fn chunks(parts: &Parts) -> Vec<Case> {
    let post = format!("{}Transfer-Encoding: chunked\r\n\r\n", parts.post);
    vec![
        Case::new(
            "a chunk of no size",
            May::RefuseOrServe,
            format!("{post}zz\r\n{{}}\r\n0\r\n\r\n"),
        )
        .closing(),
        Case::new(
            "a chunk of negative size",
            May::RefuseOrServe,
            format!("{post}-1\r\n{{}}\r\n0\r\n\r\n"),
        )
        .closing(),
        Case::new(
            "a chunk past 64 bits",
            May::RefuseOrServe,
            format!("{post}ffffffffffffffffff\r\n{{}}\r\n0\r\n\r\n"),
        )
        .closing(),
        Case::new(
            "a chunk shorter than it says",
            May::RefuseOrServe,
            format!("{post}ff\r\n{{\"zzz_unknown\":1}}\r\n0\r\n\r\n"),
        )
        .finishing(),
        Case::new(
            "a chunk longer than it says",
            May::RefuseOrServe,
            format!("{post}2\r\n{{\"zzz_unknown\":1}}\r\n0\r\n\r\n"),
        )
        .closing(),
        Case::new(
            "no last chunk",
            May::RefuseOrServe,
            format!("{post}11\r\n{{\"zzz_unknown\":1}}\r\n"),
        )
        .finishing(),
        Case::new(
            "a chunk extension of 100 kB",
            May::RefuseOrServe,
            format!("{post}11;{}\r\n{{\"zzz_unknown\":1}}\r\n0\r\n\r\n", "x".repeat(100_000)),
        ),
        Case::new(
            "a trailer of 100 kB",
            May::RefuseOrServe,
            format!(
                "{post}11\r\n{{\"zzz_unknown\":1}}\r\n0\r\nX: {}\r\n\r\n",
                "x".repeat(100_000)
            ),
        ),
        Case::new("a chunk for each byte", May::Serve(1), {
            let body = "{\"zzz_unknown\":1}";
            let chunks: Vec<_> = body.chars().map(|char| format!("1\r\n{char}\r\n")).collect();
            let chunks = chunks.concat();
            format!("{post}{chunks}0\r\n\r\n")
        }),
    ]
}

/// Several requests at once, in their order.
fn conversations(parts: &Parts) -> Vec<Case> {
    let Parts { get, post, .. } = parts;
    let faulty = format!("{post}Content-Length: 17\r\n\r\n{{\"zzz_unknown\":1}}");
    vec![
        Case::new(
            "three requests in one breath",
            May::Serve(3),
            format!("{get}\r\n{faulty}{get}\r\n"),
        ),
        Case::new(
            "thirty requests in one breath",
            May::Serve(30),
            format!("{get}\r\n").repeat(30),
        ),
        Case::new(
            "100-continue and the body at once",
            May::Serve(1),
            format!("{post}Expect: 100-continue\r\nContent-Length: 17\r\n\r\n{{\"zzz_unknown\":1}}"),
        ),
        Case::new(
            "noise after a whole request",
            May::RefuseOrServe,
            format!("{get}\r\n\u{1}\u{2}\u{3}garbage\r\n\r\n"),
        ),
    ]
}

/// Sends the bytes and listens.
async fn exchange(settings: &Settings, case: &Case) -> Option<Exchange> {
    let mut connection = settings.target.connect(settings.patience).await.ok()?;
    // The server may answer and close before it has read everything.
    let _ = connection.send(&case.bytes, settings.patience).await;
    if case.finishes {
        connection.finish().await;
    }
    let (most, patience) = match case.may {
        May::Serve(count) if count > 1 => (count, settings.patience),
        // More than there may be, to see whether they come.
        _ => (4, LISTEN),
    };
    Some(connection.everything(most, patience).await)
}

fn one(session: &mut Session, case: &Case, came: Option<Exchange>) {
    let mut verdict = Verdict::default();
    let shown = session
        .secrets
        .redact(&String::from_utf8_lossy(&case.bytes[..case.bytes.len().min(1000)]));
    let shown: String = shown.escape_debug().take(200).collect();
    let sent = format!("over a socket: {shown}");
    let Some(exchange) = came else {
        verdict.want("every request is answered", false, "a connection", "none");
        return session.record(GROUP, case.name, verdict, sent, None);
    };
    let answers = &exchange.answers;
    let lines: Vec<_> = answers.iter().map(Answer::line).collect();
    let came = if lines.is_empty() {
        format!("nothing, closed: {}", exchange.is_closed)
    } else {
        lines.join(" | ")
    };
    for answer in answers {
        crate::rules::any(session, answer, false, &mut verdict);
        let is_fine = answer.status < 500 || answer.status == 502;
        verdict.want(
            "nothing that is sent breaks the server",
            is_fine,
            "no 5xx",
            &answer.line(),
        );
    }
    judge(case, answers, exchange.is_closed, &came, &mut verdict);
    if !exchange.rest.is_empty() {
        let rest = String::from_utf8_lossy(&exchange.rest)
            .chars()
            .take(100)
            .collect::<String>();
        verdict.want("nothing comes that is no answer", false, "HTTP/1.1 answers", &rest);
    }
    let id = answers.first().and_then(Answer::request_id);
    session.record(GROUP, case.name, verdict, sent, id);
}

fn judge(case: &Case, answers: &[Answer], is_closed: bool, came: &str, verdict: &mut Verdict) {
    let served = answers.iter().filter(|answer| answer.status < 400).count();
    let hangs = answers.is_empty() && !is_closed;
    match case.may {
        May::Refuse => {
            let holds = served == 0 && answers.len() <= 1 && !hangs;
            verdict.want(
                "what is no request is refused, once, and does not hang",
                holds,
                "400 or an end",
                came,
            );
            let refusals = answers.iter().all(|answer| matches!(answer.status, 400 | 404));
            verdict.want("what is no request is refused as such", refusals, "bad_request", came);
        }
        May::RefuseOrServe => {
            let most = if case.name.starts_with("noise") { 2 } else { 1 };
            let holds = answers.len() <= most && (case.finishes || !hangs);
            verdict.want(
                "one request gets one answer: nothing is smuggled in",
                holds,
                &format!("at most {most}"),
                came,
            );
        }
        May::Serve(count) => {
            let rule = "each request gets its answer, in order";
            verdict.want(rule, answers.len() == count, &format!("{count} answers"), came);
            if count == 3 {
                let is_ordered = answers.len() < 3
                    || answers[0].status == answers[2].status && answers[0].status != answers[1].status;
                verdict.want(rule, is_ordered, "the second is refused", came);
            }
        }
    }
    if case.must_close && !answers.is_empty() {
        let rule = "where nobody knows where the next request begins, the connection ends";
        verdict.want(rule, is_closed, "closed", came);
    }
}
