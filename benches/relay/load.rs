//! A load over HTTP/1.1 with as little cost of its own as possible: the generator shares the machine with the relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a run of requests took.
pub(crate) struct Load {
    pub(crate) requests: u64,
    pub(crate) took: Duration,
    times: Vec<Duration>,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.requests).unwrap()) / self.took.as_secs_f64()
    }

    /// The time below which this share of the answers came.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let last = f64::from(u32::try_from(self.times.len() - 1).unwrap());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let at = (last * share) as usize;
        self.times[at]
    }
}

/// What is posted, by its number.
pub(crate) type Body = fn(u64) -> String;

/// A group of its own of three of Grafana's alerts, one of them resolved, as Grafana sent it.
pub(crate) fn three(number: u64) -> String {
    include_str!("three.json").replacen("{}/{severity", &format!("{{}}/{number}/{{severity"), 1)
}

/// A notification with one alert in a group of its own, about as large as Grafana's.
pub(crate) fn one(number: u64) -> String {
    format!(
        r#"{{"receiver":"matrix","status":"firing","alerts":[{{"status":"firing","labels":{{"alertname":"Alert{number}","grafana_folder":"Production","instance":"web-{number}:9100","job":"node","severity":"critical"}},"annotations":{{"summary":"CPU above 90% on web-{number}","description":"CPU has been above 90% for 5 minutes.","runbook_url":"https://runbooks.example.com/cpu"}},"startsAt":"2026-11-20T09:14:10Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"https://grafana.example.com/alerting/grafana/x{number}/view?orgId=1","fingerprint":"{number:016x}","silenceURL":"https://grafana.example.com/alerting/silence/new?alertmanager=grafana&matcher=__alert_rule_uid__%3Dx{number}&matcher=instance%3Dweb-{number}%3A9100&matcher=job%3Dnode&matcher=severity%3Dcritical&orgId=1","dashboardURL":"https://grafana.example.com/d/aeb1?from=1795162450000&orgId=1&to=1795166081123","panelURL":"https://grafana.example.com/d/aeb1?from=1795162450000&orgId=1&to=1795166081123&viewPanel=7","values":{{"A":96.4375,"C":1}},"valueString":"[ var='A' value=96.4375 ]","orgId":1}}],"groupLabels":{{"alertname":"Alert{number}"}},"commonLabels":{{"alertname":"Alert{number}","severity":"critical"}},"commonAnnotations":{{}},"externalURL":"https://grafana.example.com/","version":"1","groupKey":"{{}}:{{alertname=\"Alert{number}\"}}","truncatedAlerts":0,"orgId":1,"title":"[FIRING:1] Alert{number}","state":"alerting","message":""}}"#
    )
}

/// One of twenty groups, with three alerts that it never had before, instead of those that it had.
pub(crate) fn of_twenty_groups(number: u64) -> String {
    in_group(number, 0)
}

/// The same beside those that it had, which the sender has cut off: all of them fire.
pub(crate) fn of_twenty_large_groups(number: u64) -> String {
    in_group(number, 1_000)
}

fn in_group(number: u64, cut_off: u64) -> String {
    let group = number % 20;
    let alert = |n: u64| {
        format!(
            r#"{{"status":"firing","labels":{{"alertname":"PodNotReady","pod":"web-{number}-{n}"}},"annotations":{{"summary":"Pod web-{number}-{n} is not ready"}},"startsAt":"2026-11-20T09:14:10Z"}}"#
        )
    };
    format!(
        r#"{{"status":"firing","groupKey":"pods-{group}","truncatedAlerts":{cut_off},"alerts":[{},{},{}]}}"#,
        alert(1),
        alert(2),
        alert(3)
    )
}

fn request(body: &str) -> Vec<u8> {
    format!(
        "POST /alert HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Posts `count` notifications over `connections` connections, each waiting for its answer before the next.
pub(crate) async fn post(address: &str, body: Body, connections: usize, count: u64, first: u64) -> Load {
    let next = Arc::new(AtomicU64::new(first));
    let end = first + count;
    let began = Instant::now();
    let clients = (0..connections).map(|_| {
        let (address, next) = (address.to_owned(), Arc::clone(&next));
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut times, mut answer) = (Vec::new(), Vec::new());
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return times;
                }
                let request = request(&body(number));
                let began = Instant::now();
                stream.write_all(&request).await.unwrap();
                read_answer(&mut stream, &mut answer).await;
                times.push(began.elapsed());
                assert!(
                    answer.starts_with(b"HTTP/1.1 202"),
                    "{}",
                    String::from_utf8_lossy(&answer)
                );
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.unwrap());
    }
    let took = began.elapsed();
    times.sort_unstable();
    Load {
        requests: count,
        took,
        times,
    }
}

async fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        assert!(stream.read_buf(answer).await.unwrap() > 0, "the connection ended");
        let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if body.len() >= length {
            return;
        }
    }
}
