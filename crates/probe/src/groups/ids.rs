//! Ids that name nothing, whatever they look like.

use crate::{groups::nobody, session::Session};

const GROUP: &str = "ids";

pub(crate) async fn run(session: &mut Session) {
    let fresh = nobody();
    let long = "a".repeat(2000);
    let all = [
        ("nobody's", fresh.as_str()),
        ("the nil UUID", "00000000-0000-0000-0000-000000000000"),
        ("one letter", "x"),
        ("a number", "-1"),
        ("a NUL", "%00"),
        ("no UTF-8", "%FF%FE"),
        ("a path", "..%2F..%2Fetc%2Fpasswd"),
        ("SQL", "1%27%20OR%20%271%27%3D%271"),
        ("a template", "%7B%7B7*7%7D%7D"),
        ("an emoji", "%F0%9F%98%80"),
        ("a line break", "a%0D%0AX-Injected:%201"),
        ("a very long one", long.as_str()),
    ];
    for operation in session.document.with_id() {
        // Bodies and the like come first in the order; those operations are asked elsewhere.
        if operation.body.is_some() {
            continue;
        }
        let some = if operation.method == "GET" { &all[..] } else { &all[..3] };
        for (what, id) in some {
            let name = format!("{}: {what}", operation.shown());
            session
                .check(GROUP, name, operation.ask(id), |answer, verdict| {
                    verdict.pair(answer, &["not_found.resource_not_found"]);
                    let rule = "nothing that was sent becomes a header";
                    verdict.want(
                        rule,
                        answer.header("x-injected").is_none(),
                        "no such header",
                        "X-Injected",
                    );
                })
                .await;
        }
    }
}
