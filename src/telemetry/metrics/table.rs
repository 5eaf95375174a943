//! What is counted and measured: each metric with its name, its help and its labels, once.

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// How it is read.
    pub kind: Kind,
    /// Its name in Prometheus.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub help: &'static str,
    /// The labels that divide it, each with all of its values, or with none where only a running relay knows them.
    pub labels: &'static [(&'static str, &'static [&'static str])],
}

/// How a metric is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It is what it is now.
    Gauge,
    /// It counts in buckets.
    Histogram,
}

impl Kind {
    /// Prometheus' word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

pub(super) const OF_REQUESTS: &str = "grafana_matrix_relay_http_request_duration_seconds";
pub(super) const BUILD: &str = "grafana_matrix_relay_build_info";
pub(super) const FREE: &str = "grafana_matrix_relay_data_dir_free_bytes";

/// All of them, but for those of the process.
pub const ALL: [Metric; 37] = [
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_notifications_total",
        help: "Notifications by route and outcome: accepted, or recognised as a repetition.",
        labels: &[("route", &[]), ("outcome", &["accepted", "recognised"])],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_refused_total",
        help: "Requests that were refused, by HTTP status.",
        labels: &[(
            "status",
            &[
                "400", "401", "403", "404", "405", "408", "413", "415", "422", "429", "500", "503",
            ],
        )],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_failed_credentials_total",
        help: "Requests without the right credential, by reason.",
        labels: &[(
            "reason",
            &[
                "missing",
                "malformed",
                "wrong",
                "unsigned",
                "signature_malformed",
                "signature_wrong",
                "signature_stale",
            ],
        )],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_connections_closed_total",
        help: "Connections without a credential that were closed to make room for others.",
        labels: &[],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_attempts_total",
        help: "Attempts to send a message, by verdict.",
        labels: &[(
            "verdict",
            &[
                "delivered",
                "rate_limited",
                "transient",
                "bridge",
                "room",
                "token",
                "message",
                "relation",
                "other_relay",
            ],
        )],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_group_news_total",
        help: "Notifications for a group in a room, by what they changed: it begins, has changed, or nothing is new.",
        labels: &[("news", &["begins", "changed", "nothing"])],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_deliveries_delivered_total",
        help: "Deliveries that reached their room since the start.",
        labels: &[],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_deliveries_dead_total",
        help: "Deliveries given up since the start; they stay in the outbox.",
        labels: &[],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_template_errors_total",
        help: "Renderings that fell back to a built-in template.",
        labels: &[],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_budget_steps_total",
        help: "Renderings that needed a step to fit into a message, by step.",
        labels: &[("step", &["labels_truncated", "alerts_hidden", "split", "cut"])],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_routes_reloads_total",
        help: "Changes of the routes file since the start, by outcome: taken or refused.",
        labels: &[("outcome", &["taken", "refused"])],
    },
    Metric {
        kind: Kind::Histogram,
        name: "grafana_matrix_relay_acceptance_to_delivery_seconds",
        help: "From acceptance to the event in the room.",
        labels: &[],
    },
    Metric {
        kind: Kind::Histogram,
        name: "grafana_matrix_relay_start_to_delivery_seconds",
        help: "From the alert's startsAt to the event in the room.",
        labels: &[],
    },
    Metric {
        kind: Kind::Histogram,
        name: "grafana_matrix_relay_render_seconds",
        help: "Comparing a notification with what is known of its groups, and rendering its messages.",
        labels: &[],
    },
    Metric {
        kind: Kind::Histogram,
        name: OF_REQUESTS,
        help: "From the headers of a request to the headers of its answer, by path and status.",
        labels: &[("path", &[]), ("status", &[])],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_deliveries_waiting",
        help: "Deliveries that wait for their room.",
        labels: &[("room", &[])],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_deliveries_dead",
        help: "Deliveries that were given up and are kept in the outbox.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_room_blocked",
        help: "Whether something waits for a room that refused the last attempt (1) or not (0).",
        labels: &[("room", &[])],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_last_delivery_timestamp_seconds",
        help: "When the relay last delivered something, 0 if it has not since its start.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_homeserver_reachable",
        help: "Whether the homeserver answers (1) or not (0).",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_devices_without_keys",
        help: "Devices of the members of an encrypted room that got no key to read it; `check --rooms` names them.",
        labels: &[("room", &[])],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_encrypted_rooms",
        help: "Rooms that were ever seen encrypted, which counts for ever.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_encryption_active",
        help: "Whether this relay sends into encrypted rooms (1) or not (0): there is none, another relay does, or it cannot.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_encryption_device_signed",
        help: "Whether the account's identity vouches for the device that encrypts (1) or not (0); 0 where this relay does not encrypt.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_outbox_writable",
        help: "Whether the outbox can be written (1) or not (0); while it cannot, notifications are refused with 503.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: FREE,
        help: "What can still be written to the disk of the outbox; not there with PostgreSQL.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_routes_last_reload_successful",
        help: "Whether the last change of the routes file was taken (1) or refused (0).",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_routes_last_reload_success_timestamp_seconds",
        help: "When the routes that are in use were read.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_oldest_waiting_seconds",
        help: "Age of the oldest waiting delivery, 0 if none waits.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_templates_broken",
        help: "Template files that are invalid now.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_routes_broken",
        help: "Problems of the routes file as it is now; while there are any, older routes or a built-in template are in use.",
        labels: &[],
    },
    Metric {
        kind: Kind::Counter,
        name: "grafana_matrix_relay_heartbeats_total",
        help: "Heartbeats by outcome: sent, failed, or withheld because the relay was not well.",
        labels: &[("outcome", &["sent", "failed", "withheld"])],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_dead_man_configured",
        help: "Whether a room is set that the homeserver has to tell (1) or not (0): RELAY_DEAD_MAN_ROOM.",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_dead_man_armed",
        help: "Whether the homeserver tells a room if the relay gives no sign of life (1) or not (0).",
        labels: &[],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_watchdog_last_sign_timestamp_seconds",
        help: "When the last sign of life came, 0 if none ever has; there where the routes expect one.",
        labels: &[("watchdog", &[])],
    },
    Metric {
        kind: Kind::Gauge,
        name: "grafana_matrix_relay_watchdog_silent",
        help: "Whether a sign of life is overdue (1) or not (0); there where the routes expect one.",
        labels: &[("watchdog", &[])],
    },
    Metric {
        kind: Kind::Gauge,
        name: BUILD,
        help: "The running version, and the commit it was built from.",
        labels: &[("version", &[]), ("revision", &[])],
    },
];
