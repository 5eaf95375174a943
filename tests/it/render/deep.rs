//! Templates that are nested as deeply as a file allows: they cost themselves and nothing else.

use super::{body_of, folder, render};

/// A text of so many bytes: as many repetitions as fit between its ends.
fn filled(length: usize, begin: &str, again: &str, end: &str) -> String {
    let times = (length - begin.len() - end.len()) / again.len();
    format!("{begin}{}{end}", again.repeat(times))
}

#[test]
fn no_template_is_too_deep_for_the_stack() {
    const LARGEST: usize = 64 * 1024;
    // What the engine takes time for that grows with the square of the length; it would be given up, not be too deep.
    const SLOW: usize = 6 * 1024;
    let nested = "{% set ns = namespace(x=[]) %}{% for i in range(30000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    let mut texts = vec![
        filled(SLOW, "{{ 1", " ~ 1", " }}"),
        filled(SLOW, "{{ name", "~1", " }}"),
        filled(SLOW, "{{ name", "+1", " }}"),
        filled(SLOW, "{{ name", " and 1", " }}"),
        filled(SLOW, "{{ name", "**1", " }}"),
        filled(SLOW, "{{ ", "-", "1 }}"),
        filled(SLOW, "{{ ", "not ", "name }}"),
        filled(LARGEST, "{{ name", ".a", " }}"),
        filled(LARGEST, "{{ name", "[0]", " }}"),
        filled(LARGEST, "{{ name", "()", " }}"),
        filled(LARGEST, "{{ name", "|string", " }}"),
        filled(LARGEST, "{{ name", " is not odd", " }}"),
        filled(LARGEST, "{{ name", "<1", " }}"),
        filled(LARGEST, "{{ ", "1 if 0 else ", "1 }}"),
        filled(LARGEST, "{{ ", "[", "1 }}"),
        filled(LARGEST, "{% if 0 %}", "{%elif 0%}", "{% endif %}"),
        filled(LARGEST, "", "{%if 1%}", ""),
        filled(LARGEST, "{% set x = [1] %}", "{%set x=[x]%}", "{{ x == [x] }}{{ x.a }}"),
    ];
    let ends = [
        "",
        "{{ ns.x }}",
        "{{ ns.x == [ns.x] }}",
        "{{ ns.x | tojson }}",
        "{{ ns.x.a }}",
    ];
    texts.extend(ends.map(|end| format!("{nested}{end}")));
    texts.push(nested.replace("30000", "90000").replace("[ns.x]", "{'a': ns.x}"));
    for text in texts {
        let (_dir, renderer) = folder(&[("t.md.j2", &text)]);
        let seen = render(&renderer, "t", &body_of("firing"));
        assert!(!seen.messages[0].body.is_empty(), "{text:.40}");
        // Longer ones are not read, so none is deeper.
        let (_dir, renderer) = folder(&[("t.md.j2", &text.repeat(LARGEST / text.len() + 1))]);
        assert_eq!(renderer.problems()[0].message, "larger than 64 KiB");
    }
}
