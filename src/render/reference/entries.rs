//! What is said of every filter, function and test: its arguments with their defaults, what it does, and an example.

/// One of them. The example is Jinja for the sample `firing`; what it gives is found out by running it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// As it is written.
    pub name: &'static str,
    /// What stands in the brackets, with defaults.
    pub arguments: &'static str,
    /// What goes in, and what comes out.
    pub types: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Code between `{{` and `}}`, or a whole line if it begins with a sign of a tag.
    pub example: &'static str,
}

/// A table of them: the name, the arguments, the types, what it does, the example.
macro_rules! entries {
    ($($name:literal ($arguments:literal): $types:literal, $about:literal, $example:literal;)*) => {
        &[$(Entry {
            name: $name,
            arguments: $arguments,
            types: $types,
            about: $about,
            example: $example,
        }),*]
    };
}

/// Filters, those that write Markdown first.
pub(super) const FILTERS: &[Entry] = entries! {
    "bold" (""): "text → Markdown", "bold; nothing for nothing", "name | bold";
    "code" (""): "text → Markdown", "code, whatever is in it; nothing for nothing", "alert.labels.service | code";
    "colored" ("color"): "text → Markdown", "colored text, where the client shows colors", "word | colored(color)";
    "link" ("text=the address"): "address → Markdown",
        "a link; nothing if there is no address", "alert.panelURL | link(\"Panel\")";
    "links" ("separator=\" · \""): "list of links → Markdown", "links in a row", "alert.links | links";
    "pill" (""): "user ID → Markdown", "a person, without a mention", "\"@ana:example.org\" | pill";
    "labels" ("separator=\" · \", names=true"): "labels → Markdown",
        "labels in a row; `names=false` for the values only", "shared | labels";
    "readings" (""): "list of readings → text", "numbers in a row", "alert.readings | readings";
    "joined" ("separator=\" · \""): "list → Markdown",
        "the parts that are not empty, in a row", "[severity, \"\", folder] | joined";
    "without" ("names or labels, …"): "labels → list",
        "the labels but those, as a list of `name` and `value`",
        "alert.labels | without(\"alertname\", \"severity\") | labels";
    "safe" (""): "text → Markdown", "takes a text as Markdown instead of showing its signs", "\"*x*\" | safe";
    "emoji" (""): "severity or kind → text", "its sign", "\"warning\" | emoji";
    "color" (""): "severity or kind → text", "its color, as `#rrggbb`", "\"resolved\" | color";
    // Times and numbers.
    "time" ("format, tz=the relay's zone, zone=true"): "time → text",
        "the time of day with its zone, with the date if that is not today; or in a format of `strftime`",
        "alert.startsAt | time(\"%d.%m. %H:%M\", tz=\"Europe/Berlin\")";
    "strftime" ("format, tz=the relay's zone, zone=true"): "time → text",
        "as `time`, by the name that Ansible has", "alert.startsAt | strftime(\"%H:%M\")";
    "humanizeTimestamp" ("format, tz=the relay's zone, zone=true"): "time → text",
        "as `time`, by Prometheus' name", "0 | humanizeTimestamp";
    "duration" (""): "seconds → text", "a span of time, rounded to what people say", "alert.duration | duration";
    "humanizeDuration" (""): "seconds → text", "a span of time as Prometheus writes it", "3725 | humanizeDuration";
    "number" ("unit=\"\", decimals=at most two"): "number → text",
        "a number with one of Grafana's units; others stand behind it. With `decimals` exactly so many",
        "91 | number(\"percent\", 2)";
    "humanize" (""): "number → text", "four digits with a prefix, as Prometheus writes them", "1234567 | humanize";
    "humanize1024" (""): "number → text", "as `humanize`, in steps of 1024", "1048576 | humanize1024";
    "humanizePercentage" (""): "number → text", "a part of 1 in percent", "0.1234 | humanizePercentage";
    "filesizeformat" ("binary=false"): "number → text", "bytes as Jinja2 writes them", "1234567 | filesizeformat";
    "round" ("precision=0, method=\"common\""): "number → number",
        "rounds; `method` may be \"ceil\" or \"floor\"", "alert.values.A | round(1)";
    "abs" (""): "number → number", "without its sign", "-5 | abs";
    "int" ("default=nothing, base=10"): "text → number", "a whole number", "\"42\" | int + 1";
    "float" ("default=nothing"): "text → number", "a number", "\"0.5\" | float * 3";
    "format" ("values, …"): "format → text", "fills a format of C's `printf`", "\"%.1f s\" | format(alert.values.A)";
    "sum" ("attribute, start=0"): "list → number", "the sum of what is there", "alerts | sum(attribute=\"values.A\")";
    "max" ("attribute, case_sensitive=false"): "list → value", "the largest of what is there", "[3, 5, 1] | max";
    "min" ("attribute, case_sensitive=false"): "list → value", "the smallest of what is there", "[3, 5, 1] | min";
    // Texts.
    "default" ("other, boolean=false"): "value → value",
        "the other value for a missing or empty one; with `true` also for 0 and false",
        "alert.labels.team | default(\"nobody\")";
    "ternary" ("yes, no, none"): "value → value", "one of the two", "(status == \"firing\") | ternary(\"on\", \"off\")";
    "truncate" ("length=80, killwords=true, end=\"…\", leeway=0"): "text → text",
        "at most so many characters", "alert.summary | truncate(12)";
    "wordwrap" ("width=79, break_long_words=true, break_on_hyphens=true, wrapstring=\"\\n\""): "text → text",
        "in lines of at most so many characters", "\"one two three\" | wordwrap(8)";
    "regex_replace" ("expression, replacement=\"\", ignorecase=false, multiline=false, count=all"): "text → text",
        "replaces what an expression finds; `\\\\1` stands for its first group",
        "\"web-1:9100\" | regex_replace(\":.*\", \"\")";
    "regex_search" ("expression, groups, …, ignorecase=false, multiline=false"): "text → text",
        "what is found first; a list of the groups that are named", "\"web-12\" | regex_search(\"\\\\d+\")";
    "regex_findall" ("expression, ignorecase=false, multiline=false"): "text → list",
        "all that is found", "\"a1b22\" | regex_findall(\"\\\\d+\") | join(\", \")";
    "reReplaceAll" ("expression, replacement"): "text → text",
        "as `regex_replace`, by Prometheus' name; `$1` stands for the first group", "\"a-b\" | reReplaceAll(\"(\\\\w)-(\\\\w)\", \"$2-$1\")";
    "stripPort" (""): "text → text", "an address without its port", "\"web-1.example.org:9100\" | stripPort";
    "stripDomain" (""): "text → text", "an address without its domain", "\"web-1.example.org:9100\" | stripDomain";
    "replace" ("from, to"): "text → text", "replaces a text", "name | replace(\"Slow\", \" is slow\")";
    "upper" (""): "text → text", "in capitals", "severity | upper";
    "toUpper" (""): "text → text", "as `upper`, by Go's name", "severity | toUpper";
    "lower" (""): "text → text", "in small letters", "word | lower";
    "toLower" (""): "text → text", "as `lower`, by Go's name", "word | toLower";
    "title" (""): "text → text", "each word with a capital", "\"disk full\" | title";
    "capitalize" (""): "text → text", "the first letter as a capital", "severity | capitalize";
    "trim" ("signs=spaces"): "text → text", "without spaces at its ends", "\" x \" | trim";
    "trimSpace" (""): "text → text", "the same by Go's name", "\" x \" | trimSpace";
    "split" ("separator=spaces, most"): "text → list", "its parts", "(\"a/b/c\" | split(\"/\") | list)[1]";
    "lines" (""): "text → list", "its lines", "alert.description | lines | first";
    "indent" ("width, first=false, blank=false"): "text → text", "moves lines to the right", "\"a\" | indent(2)";
    "pluralize" ("one=\"\", several=\"s\""): "number → text",
        "the ending for a number", "count.firing ~ \" alert\" ~ (count.firing | pluralize)";
    "string" (""): "value → text", "a text", "5 | string ~ \"!\"";
    "urlencode" (""): "text → text", "as a part of an address", "\"a b\" | urlencode";
    "tojson" ("indent"): "value → text", "JSON, for a look at what is there", "alert.values | tojson";
    // Lists and records.
    "top" ("count"): "list of alerts → list",
        "at most so many; `more()` says how many are left out", "firing | top(10) | length";
    "by_severity" (""): "list of alerts → list",
        "pairs of a severity and its alerts, worst first; also `group.severity`, `group.alerts`, `group.count`, `group.emoji`, `group.color`",
        "{% for severity, alerts in alerts | by_severity %}{{ severity }}: {{ alerts | length }}{% endfor %}";
    "sort_severity" (""): "list of alerts → list", "worst first", "(alerts | sort_severity | first).name";
    "length" (""): "list or text → number", "how many", "firing | length";
    "items" (""): "labels → list",
        "pairs of a name and a value",
        "{% for name, value in alert.values | items %}{{ name }}={{ value }} {% endfor %}";
    "dictsort" ("by=\"key\", case_sensitive=false, reverse=false"): "labels → list",
        "pairs of a name and a value, in the order of the names", "{% for name, value in alert.values | dictsort %}{{ name }} {% endfor %}";
    "combine" ("others, …"): "labels → labels",
        "all of them together; where a name is in several, the last one counts", "(alert.labels | combine({\"team\": \"shop\"})).team";
    "map" ("filter, or attribute=path"): "list → list",
        "what a filter makes of each, or an attribute of each",
        "alerts | map(attribute=\"labels.service\") | join(\", \")";
    "select" ("test, arguments"): "list → list", "those for which a test holds", "[1, 5, 9] | select(\"gt\", 3) | list";
    "reject" ("test, arguments"): "list → list", "those for which a test does not hold", "[1, 5, 9] | reject(\"gt\", 3) | list";
    "selectattr" ("path, test, arguments"): "list → list",
        "those for whose attribute a test holds",
        "alerts | selectattr(\"severity\", \"eq\", \"critical\") | list | length";
    "rejectattr" ("path, test, arguments"): "list → list",
        "those for whose attribute a test does not hold", "alerts | rejectattr(\"status\", \"eq\", \"firing\") | list | length";
    "groupby" ("path, default, case_sensitive=false"): "list → list",
        "pairs of a value and the members that have it",
        "{% for kind, alerts in alerts | groupby(\"kind\") %}{{ kind }} {{ alerts | length }}{% endfor %}";
    "sort" ("reverse=false, case_sensitive=false, attribute"): "list → list",
        "in order; what is missing comes last", "[3, 1, 2] | sort | join(\" \")";
    "unique" ("case_sensitive=false, attribute"): "list → list", "each once", "[1, 1, 2] | unique | list";
    "reverse" (""): "list or text → the same", "the other way round", "[1, 2, 3] | reverse | join(\" \")";
    "join" ("separator=\"\", attribute"): "list → text", "its members in a row", "[1, 2, 3] | join(\"-\")";
    "first" (""): "list → value", "the first member", "names | first";
    "last" (""): "list → value", "the last member", "[1, 2, 3] | last";
    "list" (""): "anything with members → list", "a list", "alert.values | list";
    "batch" ("size, fill"): "list → list", "lists of so many", "[1, 2, 3] | batch(2) | list";
    "slice" ("count, fill"): "list → list", "so many lists", "[1, 2, 3] | slice(2) | list";
    "zip" ("others, …"): "list → list", "pairs of both", "[1, 2] | zip([3, 4]) | list";
};

/// Functions.
pub(super) const FUNCTIONS: &[Entry] = entries! {
    "mention" ("user ID"): "→ Markdown",
        "mentions this person and shows the name. The ID has to be written out in a template: one that comes only from a label is shown and not mentioned",
        "mention(\"@oncall:example.org\")";
    "mention_room" (""): "→ text",
        "mentions everybody, if the bot's power suffices; `check --rooms` and the start warn where it does not",
        "mention_room()";
    "msgtype" ("type"): "→ nothing",
        "`m.text` notifies, `m.notice` never does. Without it, a notification in which nothing fires is a notice",
        "msgtype(\"m.text\") ~ \"loud\"";
    "more" (""): "→ Markdown",
        "one line about the alerts that are not shown; if a template does not call it, the line comes last",
        "more() or \"all are shown\"";
    "say" ("word, names=values, …"): "→ Markdown",
        "a word of `words.toml` in the language of the message, with what it needs filled in",
        "say(\"since\", time=\"10:02\")";
    "range" ("start=0, stop, step=1"): "→ list", "whole numbers", "range(3) | list";
    "dict" ("labels, names=values, …"): "→ record", "a record", "dict(team=\"shop\").team";
    "namespace" ("names=values, …"): "→ record",
        "what a loop can change: `{% set ns.count = ns.count + 1 %}`", "namespace(count=5).count";
    "debug" ("values, …"): "→ text",
        "everything that the template sees, or these values, while you write a template", "debug(status)";
};

/// Tests, which stand behind `is`.
pub(super) const TESTS: &[Entry] = entries! {
    "defined" (""): "", "the name exists", "name is defined";
    "undefined" (""): "", "there is no such name", "name is undefined";
    "none" (""): "", "it is `none`", "none is none";
    "eq" ("other"): "", "equal; also `equalto`", "5 is eq 5";
    "equalto" ("other"): "", "as `eq`", "5 is equalto 5";
    "ne" ("other"): "", "not equal", "5 is ne 4";
    "lt" ("other"): "", "less; also `lessthan`", "5 is lt 9";
    "lessthan" ("other"): "", "as `lt`", "5 is lessthan 9";
    "le" ("other"): "", "less or equal", "5 is le 5";
    "gt" ("other"): "", "greater; also `greaterthan`", "5 is gt 3";
    "greaterthan" ("other"): "", "as `gt`", "5 is greaterthan 3";
    "ge" ("other"): "", "greater or equal", "5 is ge 5";
    "in" ("container"): "", "a member, a name of labels, a part of a text", "\"service\" is in(alert.labels)";
    "match" ("expression"): "", "a regular expression finds something at the beginning", "\"web-12\" is match(\"web\")";
    "search" ("expression"): "", "a regular expression finds something anywhere", "\"web-12\" is search(\"12\")";
    "regex" ("expression"): "", "as `search`", "\"web-12\" is regex(\"^web\")";
    "startingwith" ("text"): "", "begins with it", "name is startingwith(\"Check\")";
    "endingwith" ("text"): "", "ends with it", "name is endingwith(\"Slow\")";
    "divisibleby" ("number"): "", "can be divided by it without a rest", "9 is divisibleby 3";
    "even" (""): "", "an even number", "4 is even";
    "odd" (""): "", "an odd number", "5 is odd";
    "number" (""): "", "a number", "alert.values.A is number";
    "string" (""): "", "a text", "name is string";
    "lower" (""): "", "in small letters", "severity is lower";
    "upper" (""): "", "in capitals", "word is upper";
    "mapping" (""): "", "names with values", "alert.labels is mapping";
    "sequence" (""): "", "a list", "alerts is sequence";
    "iterable" (""): "", "it has members", "alerts is iterable";
    "sameas" ("other"): "", "the very same", "none is sameas(none)";
    "true" (""): "", "it is `true`", "true is true";
    "false" (""): "", "it is `false`", "false is false";
    "filter" (""): "", "there is a filter of this name", "\"bold\" is filter";
    "test" (""): "", "there is a test of this name", "\"odd\" is test";
};
