//! What is said of every name that a template sees. What each holds is read off contexts that were really built.

/// A name, and what it holds.
pub(super) type About = (&'static str, &'static str);

/// The sender's own names, as in Grafana's documentation of the webhook.
pub(super) const SENT: &[About] = &[
    (
        "receiver",
        "the contact point; `webhook` if Grafana's Test button was pressed",
    ),
    ("status", "`firing` if any alert fires, else `resolved`"),
    ("alerts", "all alerts, firing ones first, worst first"),
    ("groupLabels", "the labels that the group was made by"),
    (
        "commonLabels",
        "labels that all alerts share: `commonLabels.team`, `commonLabels[\"app.name\"]`",
    ),
    ("commonAnnotations", "annotations that all alerts share"),
    ("routeLabels", "labels of the route, from Alertmanager 0.34"),
    ("externalURL", "the address of Grafana or Alertmanager"),
    ("groupKey", "the identity of the group"),
    (
        "truncatedAlerts",
        "how many alerts the sender cut off; their state is unknown",
    ),
    ("orgId", "Grafana's organisation"),
    ("version", "the version of the format"),
    ("appVersion", "the version of Grafana"),
    ("title", "the sender's own text"),
    (
        "state",
        "the sender's own text; of a body of any shape `firing`, `resolved` or nothing",
    ),
    ("message", "the sender's own text"),
    ("notification_reason", "why Alertmanager notifies, from 0.32"),
    (
        "payload",
        "the body as it was sent, of a route with `input = \"json\"`; what it lacks is empty, as deep as one asks",
    ),
];

/// What the relay works out.
pub(super) const COMPUTED: &[About] = &[
    (
        "alert",
        "the alert of a notification with exactly one (only with one alert); with several it is false, and `{% if alert %}` asks",
    ),
    ("source", "`grafana`, `alertmanager` or `json`"),
    ("sender", "\"Grafana\", \"Alertmanager\" or \"Webhook\""),
    (
        "kind",
        "what is really the matter: `firing`, `mixed`, `no-data`, `error`, `resolved`, `not-recovered`, `test`; `unknown` if nothing that was sent fires, but the sender cut off the rest",
    ),
    ("word", "the kind in capitals: \"FIRING\", \"CANNOT EVALUATE\", …"),
    ("template", "the name of the template that was asked for"),
    ("emoji", "for the kind and severity"),
    ("color", "for the kind and severity, as `#rrggbb`"),
    ("headline", "one plain line that names the notification"),
    (
        "name",
        "the rule's name; also for DatasourceError and DatasourceNoData, which hide it",
    ),
    ("names", "the names of all rules in the group"),
    (
        "severity",
        "the worst one, from the label `severity`, `priority` or `level`",
    ),
    ("severities", "per severity of firing alerts, worst first"),
    ("states", "per kind of alert, firing ones first"),
    ("folder", "Grafana's folder"),
    (
        "error",
        "what the data source said, where all rules that cannot be evaluated say the same",
    ),
    (
        "count",
        "how many alerts: of the firing ones `count.error` and `count.no_data` are blind, of the resolved ones `count.not_recovered` did not recover",
    ),
    ("firing", "the alerts that fire, worst and newest first"),
    ("resolved", "the alerts that do not fire any more"),
    ("since", "the earliest start"),
    ("duration", "seconds since `since`"),
    ("now", "the time of rendering"),
    (
        "shared",
        "labels that all alerts share and that are not shown elsewhere",
    ),
    ("links", "links that all alerts share"),
    ("overviewURL", "where the sender shows all alerts"),
    ("change", "what is new, for `update.md.j2`"),
    ("digest", "what waited, for `digest.md.j2`"),
    ("route", "the relay's route that it came by; empty in a preview"),
];

/// What an alert has.
pub(super) const ALERT: &[About] = &[
    ("status", "`firing` or `resolved`"),
    (
        "labels",
        "look up by name: `alert.labels.instance`; names with two underscores on both sides are in no list, but you can look them up",
    ),
    ("annotations", "look up by name: `alert.annotations.wiki`"),
    ("values", "the numbers of the rule's queries: `alert.values.A`"),
    ("startsAt", "when it began"),
    ("endsAt", "when it ended; empty while it fires"),
    ("generatorURL", "the rule; empty if unknown, as all addresses"),
    ("silenceURL", "where it can be silenced"),
    ("dashboardURL", "its dashboard"),
    ("panelURL", "its panel"),
    ("imageURL", "a picture of its panel"),
    ("fingerprint", "its identity"),
    ("ruleUID", "the UID of its rule"),
    ("valueString", "the values as Grafana prints them"),
    ("orgId", "Grafana's organisation"),
    (
        "enrichments",
        "what Grafana Cloud and Enterprise found out, as they write it: `alert.enrichments.assistant.title`",
    ),
    ("name", "the rule's name"),
    (
        "kind",
        "what is really the matter with this alert, as `kind` of the notification",
    ),
    ("word", "its kind in capitals"),
    ("emoji", "for its kind and severity"),
    ("color", "for its kind and severity, as `#rrggbb`"),
    ("severity", "as its label spells it"),
    ("summary", "the annotation `summary` or `title`"),
    ("description", "the annotation `description` or `message`"),
    (
        "error",
        "what the data source said, in short; in full in `alert.annotations.Error`",
    ),
    ("runbookURL", "the annotation `runbook_url` or `runbook`"),
    (
        "text",
        "what is the matter in one line: the first line of the summary, or else of the description",
    ),
    ("details", "what summary and description say beyond `alert.text`"),
    ("reason", "Grafana's `grafana_state_reason`"),
    (
        "note",
        "`alert.reason` in words: \"the series disappeared\"; of an alert that is gone, why it is",
    ),
    ("since", "its start"),
    ("duration", "the seconds it has been or was firing"),
    (
        "readings",
        "its numbers without the threshold's verdict and without those that the text says already; one that is alone is called `value`",
    ),
    (
        "last_values",
        "the values with which a resolved alert was last seen firing; empty if that was never seen",
    ),
    ("last_readings", "as `alert.readings`, of `alert.last_values`"),
    ("differing", "labels that tell it from the other alerts"),
    (
        "links",
        "links that are its own; annotations that are addresses are among them by their names: `logs_url` as \"Logs\"",
    ),
];

/// What waited.
pub(super) const DIGEST: &[About] = &[
    (
        "from",
        "when the first of the messages was accepted; empty in every other template",
    ),
    ("until", "when the digest was written"),
    (
        "count",
        "how many messages waited, how many alerts came and went or are over, and at least how many more the sender cut off",
    ),
    ("rules", "the rules of the alerts that fire, with how many do"),
    (
        "came_and_went",
        "rules of alerts that began and ended meanwhile, with how often they began",
    ),
    (
        "over",
        "rules of alerts that were firing before and are over, with how many",
    ),
    ("others", "one line each for messages of which nothing else is known"),
];

/// What is new.
pub(super) const CHANGE: &[About] = &[
    (
        "kind",
        "`changed`, or `reminder` where nothing is new; empty in every other template",
    ),
    ("starting", "alerts that fire from now on"),
    ("ended", "alerts that are resolved from now on"),
    (
        "gone",
        "alerts that were firing and are not listed any more without a word",
    ),
    ("count", "how many those are, all of them"),
    ("over", "whether nothing fires any more"),
    (
        "recovered",
        "whether, if it is over, all of it has recovered, as opposed to gone away",
    ),
];
