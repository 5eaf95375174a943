//! What cannot be done without: a server that parses, renders and forgets, and a client that sends what it is told.
//!
//! Each is this program in a process of its own, so that its processor time and its processors are its own as well.

use std::process::Command;
use std::time::{Duration, Instant};

use grafana_matrix_relay::matrix::client_builder;
use grafana_matrix_relay::standin::Homeserver;
use minijinja::Environment;
use minijinja::value::Serde;
use poem::http::StatusCode;
use poem::listener::{Acceptor as _, Listener as _, TcpListener};
use poem::{EndpointExt as _, IntoResponse as _, Route, Server, handler, post, web::Data};
use pulldown_cmark::{Parser, html::push_html};
use serde_json::{Value, json};

use crate::process::{Process, cpu_of, on_cores};

/// About as much text as the default template writes.
const TEMPLATE: &str = include_str!("../limit/template.md.j2");

/// What this program does when it is started so.
pub(crate) async fn run(arguments: &[String]) {
    match arguments {
        [mode] if mode == SERVE => serve().await,
        [mode, base, token, room, count] if mode == SEND => send(base, token, room, count.parse().unwrap()).await,
        _ => {}
    }
}

const SERVE: &str = "bare-server";
const SEND: &str = "bare-client";

pub(crate) fn is_asked_for(arguments: &[String]) -> bool {
    arguments.first().is_some_and(|mode| mode == SERVE || mode == SEND)
}

fn this_program(cores: usize) -> Command {
    on_cores(cores, &std::env::current_exe().unwrap().display().to_string())
}

/// Starts the server.
pub(crate) fn server(cores: usize) -> Process {
    Process::of(this_program(cores).arg(SERVE))
}

/// What sending so many messages, one after the other, takes altogether, and of processor time.
pub(crate) async fn client(
    homeserver: &Homeserver,
    token: &str,
    room: &str,
    count: u64,
    cores: usize,
) -> (Duration, Duration) {
    let mut command = this_program(cores);
    command.args([SEND, &homeserver.base_url(), token, room, &count.to_string()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut seconds = printed
        .split_whitespace()
        .map(|number| Duration::from_secs_f64(number.parse().unwrap()));
    (seconds.next().unwrap(), seconds.next().unwrap())
}

#[handler]
#[expect(clippy::needless_pass_by_value, reason = "poem's extractors are values")]
fn forgetful(engine: Data<&Environment<'static>>, body: Vec<u8>) -> poem::Response {
    let notification: Value = serde_json::from_slice(&body).unwrap();
    let markdown = engine
        .get_template("alert")
        .unwrap()
        .render(minijinja::Value::from(Serde(&notification)))
        .unwrap();
    let mut html = String::new();
    push_html(&mut html, Parser::new(&markdown));
    let answer = json!({"deliveries": [{"id": html.len(), "room": "!room"}]}).to_string();
    answer
        .with_content_type("application/json")
        .with_status(StatusCode::ACCEPTED)
        .into_response()
}

async fn serve() {
    let mut engine = Environment::new();
    engine.add_template("alert", TEMPLATE).unwrap();
    let app = Route::new().at("/alert", post(forgetful)).data(engine);
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    eprintln!(
        "listening on http://{} now",
        acceptor.local_addr()[0].as_socket_addr().unwrap()
    );
    Server::new_with_acceptor(acceptor).run(app).await.unwrap();
}

/// Asks whether the room is encrypted and sends, as the promise needs, and does nothing else.
async fn send(base: &str, token: &str, room: &str, count: u64) {
    let http = client_builder().no_proxy().build().unwrap();
    let (began, room) = (Instant::now(), room.replace('!', "%21").replace(':', "%3A"));
    let rooms = format!("{base}/_matrix/client/v3/rooms/{room}");
    for number in 0..count {
        let state = http.get(format!("{rooms}/state/m.room.encryption/")).bearer_auth(token);
        drop(state.send().await.unwrap().bytes().await.unwrap());
        let content = json!({"msgtype": "m.text", "body": "x".repeat(900), "format": "org.matrix.custom.html",
            "formatted_body": "y".repeat(2_500), "m.mentions": {}});
        let event = http.put(format!(
            "{rooms}/send/m.room.message/bare-{}-{number}",
            std::process::id()
        ));
        let answer = event.bearer_auth(token).body(content.to_string()).send().await.unwrap();
        assert!(answer.status().is_success());
        drop(answer.bytes().await.unwrap());
    }
    println!("{} {}", began.elapsed().as_secs_f64(), cpu_of("self").as_secs_f64());
}
