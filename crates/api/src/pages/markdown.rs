//! The little Markdown that our own pages use: headings, paragraphs, lists, tables, fences, code, bold, links.

use super::html::escape;

/// `text` as HTML. For our own pages only; everything is escaped all the same.
pub(super) fn to_html(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            out.push_str(&format_args!("<pre><code>{}</code></pre>", escape(&code.join("\n"))).to_string());
        } else if let Some((level, title)) = heading(line) {
            out.push_str(&format_args!("<h{level}>{}</h{level}>", inline(title)).to_string());
        } else if !line.trim().is_empty() {
            let mut block = vec![line];
            while let Some(next) = lines.next_if(|next| continues(next)) {
                block.push(next);
            }
            out.push_str(&self::block(&block));
        }
    }
    out
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?;
    (1..=6).contains(&level).then_some((level, title))
}

fn continues(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("```") && heading(line).is_none()
}

fn block(lines: &[&str]) -> String {
    let first = lines.first().copied().unwrap_or_default();
    if first.starts_with("- ") {
        list(lines)
    } else if first.starts_with('|') {
        table(lines)
    } else {
        format!("<p>{}</p>", inline(&lines.join(" ")))
    }
}

fn list(lines: &[&str]) -> String {
    let items: Vec<_> = lines
        .iter()
        .map(|line| format!("<li>{}</li>", inline(line.trim_start_matches("- "))))
        .collect();
    format!("<ul>{}</ul>", items.concat())
}

fn table(lines: &[&str]) -> String {
    let is_rule = |line: &&&str| !line.bytes().all(|byte| b"|-: ".contains(&byte));
    let rows = lines.iter().filter(is_rule).enumerate().map(|(index, line)| {
        let tag = if index == 0 { "th" } else { "td" };
        let cells = line.trim().trim_matches('|').split('|');
        let cells: Vec<_> = cells
            .map(|cell| format!("<{tag}>{}</{tag}>", inline(cell.trim())))
            .collect();
        format!("<tr>{}</tr>", cells.concat())
    });
    format!("<table>{}</table>", rows.collect::<String>())
}

/// One line as HTML. Code first: nothing inside it is markup.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            out.push_str("<code>");
            out.push_str(&escape(part));
            out.push_str("</code>");
        } else {
            out.push_str(&links(&bold(&escape(part))));
        }
    }
    out
}

fn bold(text: &str) -> String {
    let parts = text.split("**").enumerate();
    parts
        .map(|(index, part)| {
            if index % 2 == 1 {
                format!("<strong>{part}</strong>")
            } else {
                part.to_owned()
            }
        })
        .collect()
}

/// Only to places on this server or over https, so a page can't carry a script in a link.
fn links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after
            .split_once("](")
            .and_then(|(label, tail)| Some((label, tail.split_once(')')?)));
        let Some((label, (target, tail))) = link.filter(|(_, (target, _))| is_safe(target)) else {
            out.push_str(before);
            out.push('[');
            rest = after;
            continue;
        };
        out.push_str(before);
        out.extend(["<a href=\"", target, "\">", label, "</a>"]);
        rest = tail;
    }
    out + rest
}

fn is_safe(target: &str) -> bool {
    target.starts_with('/') || target.starts_with("https://") || target.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_markdown_becomes_html() {
        for (markdown, html) in [
            ("# A `b`", "<h1>A <code>b</code></h1>"),
            ("One\ntwo **three**.", "<p>One two <strong>three</strong>.</p>"),
            ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
            ("```json\n{\"a\": 1}\n```", "<pre><code>{&quot;a&quot;: 1}</code></pre>"),
            (
                "| a | b |\n|---|---|\n| 1 | 2 |",
                "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
            ),
            (
                "[x](/docs) [y](javascript:1)",
                "<p><a href=\"/docs\">x</a> [y](javascript:1)</p>",
            ),
            ("<script>", "<p>&lt;script&gt;</p>"),
        ] {
            assert_eq!(to_html(markdown), html);
        }
    }
}
