//! What phones get to read.

use super::*;
use crate::render::markdown::parse;

fn plain(markdown: &str) -> String {
    write(&parse(markdown).events)
}

#[test]
fn links_read_well_without_a_mouse() {
    let [rule, long] = ["https://e.org/rule", &format!("https://e.org/{}", "x".repeat(300))];
    assert_eq!(
        plain(&format!("[Rule]({rule}) · [Silence]({long})")),
        format!("Rule: {rule}")
    );
    assert_eq!(
        plain(&format!("db-2 · 9 min · [Panel]({rule}) · [Silence]({long})")),
        "db-2 · 9 min"
    );
    assert_eq!(plain(&format!("37 more: [open]({rule})")), format!("37 more: {rule}"));
    assert_eq!(
        plain(&format!("see [the runbook]({rule}) first")),
        "see the runbook first"
    );
    assert_eq!(
        plain(&format!(
            "[A]({rule}/a) · [B]({rule}/b) · [C]({rule}/c)\n\n[D]({rule}/d)\n\n{rule}/e"
        )),
        format!("A: {rule}/a\nB: {rule}/b\n{rule}/e"),
        "the text that somebody wrote stays"
    );
    assert_eq!(
        plain("ping · [@a:e.org](https://matrix.to/#/@a:e.org)"),
        "ping · @a:e.org"
    );
}

#[test]
fn blocks_become_lines() {
    assert_eq!(
        plain("# A\n**b** `c`\n\n> d\n\n1. e\n2. f\n   - g"),
        "A\nb c\n> d\n1. e\n2. f\n  • g"
    );
    assert_eq!(plain("| a | b |\n|---|---|\n| c | d |"), "a | b\nc | d");
    assert_eq!(plain("```\nx  y\n z\n```\na<br>b <b>c</b>"), "x  y\n z\na\nb c");
    assert_eq!(plain("<div>a &lt; b</div><script>no</script>"), "a < b");
}

#[test]
fn comments_are_for_the_template_alone() {
    assert_eq!(plain("a\n\n<!-- one -->\n\nb"), "a\nb");
    assert_eq!(plain("a\n\n<!-- one\n two\n\n three -->\n\nb"), "a\nb");
    assert_eq!(plain("a <!-- one\ntwo --> b"), "a  b");
    assert_eq!(plain("<div>\n<!-- one\n<b>two</b> -->\nb</div>"), "b");
    assert_eq!(plain("a <!--> b <!---> c <!-- d --> e"), "a  b  c  e");
    assert_eq!(plain("<!-->\n\nb\n\n<!--->\n\nc"), "b\nc");
    assert_eq!(plain("<div>\n<!-- open\n</div>\n\nb <b>c</b>"), "b c");
    assert!(!parse("a\n\n<!-- one\ntwo -->\n").raw_html);
}
