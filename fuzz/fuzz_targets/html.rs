//! Whether HTML is Matrix's subset, read from the specification and not from the code that writes it.
//!
//! Guarantees: shares no code with `render`, so that a mistake in one is not a mistake in both. It is stricter than a
//! browser: whatever is not plainly a tag, an attribute in quotes or text is refused.

const TAGS: &str = "del h1 h2 h3 h4 h5 h6 blockquote p a ul ol sup sub li b i u strong em s code hr br div table thead \
                    tbody tr th td caption pre span img details summary";
const VOID: [&str; 3] = ["br", "hr", "img"];

/// How deep the specification lets tags nest.
const DEEPEST: usize = 100;

/// Panics, with what was found, unless the HTML is well formed and within the subset.
pub(crate) fn check(html: &str) {
    if let Err(why) = walk(html) {
        panic!("{why}\nin: {html}");
    }
}

fn walk(html: &str) -> Result<(), String> {
    let mut open: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '>']) {
        rest = rest[at..].strip_prefix('<').ok_or("a bare `>`")?;
        if let Some(closing) = rest.strip_prefix('/') {
            let (name, after) = closing.split_once('>').ok_or("an unfinished closing tag")?;
            let opened = open.pop().ok_or_else(|| format!("`</{name}>` closes nothing"))?;
            if !name.eq_ignore_ascii_case(&opened) {
                return Err(format!("`</{name}>` closes `<{opened}>`"));
            }
            rest = after;
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .ok_or("an unfinished tag")?;
        let name = rest[..end].to_ascii_lowercase();
        if !TAGS.split(' ').any(|allowed| allowed == name) {
            return Err(format!("the tag `{name}`"));
        }
        rest = attributes(&name, &rest[end..])?;
        if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
        if open.len() > DEEPEST {
            return Err(format!("more than {DEEPEST} levels"));
        }
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("{open:?} stay open"))
    }
}

/// Reads the attributes of a tag up to its `>`; what follows it.
fn attributes<'h>(tag: &str, mut rest: &'h str) -> Result<&'h str, String> {
    loop {
        let trimmed = rest.trim_start_matches(' ');
        if let Some(after) = trimmed.strip_prefix('>').or_else(|| trimmed.strip_prefix("/>")) {
            return Ok(after);
        }
        if trimmed.len() == rest.len() {
            return Err(format!("`<{tag}` without an end"));
        }
        let (name, value) = trimmed
            .split_once("=\"")
            .ok_or_else(|| format!("an attribute of `{tag}` that is not in quotes"))?;
        let (value, after) = value.split_once('"').ok_or("an open attribute")?;
        if !is_allowed(tag, &name.to_ascii_lowercase(), value) {
            return Err(format!("`{name}=\"{value}\"` on `{tag}`"));
        }
        rest = after;
    }
}

fn is_allowed(tag: &str, name: &str, value: &str) -> bool {
    match (tag, name) {
        ("span", "data-mx-color" | "data-mx-bg-color") => {
            value.len() == 7 && value.starts_with('#') && value[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        ("span", "data-mx-spoiler" | "data-mx-maths")
        | ("div", "data-mx-maths")
        | ("a", "target")
        | ("img", "alt" | "title") => true,
        ("a", "href") => ["https:", "http:", "ftp:", "mailto:", "magnet:"].iter().any(|scheme| {
            value
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        }),
        ("img", "src") => value.starts_with("mxc://"),
        ("img", "width" | "height") | ("ol", "start") => value.parse::<u64>().is_ok(),
        ("code", "class") => value.starts_with("language-"),
        _ => false,
    }
}
