//! The workshop's page in a real Chromium, before the real relay: what a template's author does and sees.

mod access;
mod address;
mod draft;
mod instead;
mod list;
mod safety;
mod typing;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use grafana_matrix_relay::standin::{Fault, Scope, When};
use grafana_matrix_relay::workshop::page;
use poem::Server;
use poem::listener::TcpAcceptor;
use reqwest::StatusCode;
use serde_json::Value;
use thirtyfour::Key;
use tokio::net::TcpListener;

use crate::app::{App, firing};
use crate::support::chromium::Browser;

/// Everything that the tests ask the page, so that they read as sentences.
const HELPERS: &str = "
    window.el = (id) => document.getElementById(id);
    window.code = () => el('editor').shadowRoot;
    window.lineOf = (text) => [...code().querySelectorAll('.cm-line')].find((line) => line.textContent.includes(text));
    window.messages = () => [...document.querySelectorAll('.frame')].map((frame) => frame.innerText);
    window.shows = (text) => messages().length > 0 && messages().every((message) => message.includes(text));
    window.opened = (id) => el(id).open;
    window.choose = (id, value) => { el(id).value = value; el(id).dispatchEvent(new Event('change')); };
";

// Keys, as WebDriver writes them into a text.
const BACKSPACE: &str = "\u{E003}";
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";

const FIRST: &str = "**{{ name }}** is {{ word }}\n\nsecond line\n";

/// The page before a relay with one template of its own.
struct Desk {
    app: App,
    browser: Browser,
}

impl Desk {
    async fn open() -> Self {
        Self::on(App::start().await).await
    }

    /// The page of a relay that may save templates.
    async fn editable() -> Self {
        Self::on(App::with(|flags| flags.auth.workshop = Some("edit".to_owned())).await).await
    }

    async fn on(app: App) -> Self {
        let desk = Self {
            browser: Browser::start(1400, 900).await,
            app,
        };
        desk.save(FIRST);
        desk.browser.open(&desk.app.url("/")).await;
        desk.help().await;
        desk.until("shows('second line')").await;
        desk.run("choose('notification', 'sample:firing')").await;
        desk
    }

    fn file(&self) -> PathBuf {
        self.app.data.path().join("templates/alert.md.j2")
    }

    /// Saves the template as an editor does, by replacing the file.
    fn save(&self, text: &str) {
        let file = self.file();
        let folder = file.parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        let new = folder.join("alert.md.j2.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    /// Opens the page anew at an address; drafts are those of the browser.
    async fn reopen(&self, address: &str) {
        // Another document first: a change of the fragment alone loads nothing.
        self.browser.open("about:blank").await;
        self.browser.open(address).await;
        self.help().await;
        self.until("(messages().length > 0 || !el('stale').hidden) && el('template').value !== ''")
            .await;
    }

    async fn help(&self) {
        self.run(HELPERS).await;
    }

    async fn run(&self, script: &str) -> Value {
        let answer = self.browser.driver.execute(script, Vec::new()).await.unwrap();
        answer.json().clone()
    }

    async fn until(&self, condition: &str) {
        self.browser.wait_until(condition).await;
    }

    async fn keys(&self, keys: impl AsRef<str>) {
        let chain = self.browser.driver.action_chain().send_keys(keys.as_ref());
        chain.perform().await.unwrap();
    }

    /// Puts the cursor to the end of the text.
    async fn go_to_end_of_text(&self) {
        self.run("code().querySelector('.cm-content').focus()").await;
        let chain = self.browser.driver.action_chain();
        let chain = chain.key_down(Key::Control).send_keys(Key::End).key_up(Key::Control);
        chain.perform().await.unwrap();
    }

    /// Nothing was refused by the page's policy, nothing failed.
    async fn leave(self) {
        let console = self.browser.console().await;
        assert!(console.is_empty(), "{console:#?}");
        self.browser.quit().await;
    }
}

#[tokio::test]
async fn error_is_marked_on_its_line_while_typing_and_gone_when_it_is_mended() {
    let desk = Desk::open().await;
    desk.go_to_end_of_text().await;
    desk.keys("{{ nmae }}").await;
    desk.until("lineOf('nmae')?.classList.contains('line-error')").await;
    desk.until("lineOf('nmae').querySelector('.remark-error').textContent.includes('did you mean `name`?')")
        .await;
    desk.until("code().querySelector('.sign-error')").await;
    desk.until("el('verdict').textContent.startsWith('1 error') && el('remarks').innerText.includes('line 4')")
        .await;
    // What the relay would send then: the file as it is.
    desk.until("shows('second line')").await;

    desk.keys(BACKSPACE.repeat("nmae }}".len())).await;
    desk.keys("name }} again").await;
    desk.until("shows(' again')").await;
    desk.until("!code().querySelector('.remark-error') && el('verdict').textContent.startsWith('No errors')")
        .await;
    // What works for this notification and not for all.
    desk.keys("{% if kind == 'test' %}{{ alerts[1].name }}{% endif %}")
        .await;
    desk.until("el('remarks').innerText.includes('the built-in template is used instead') && shows(' again') && el('stale').hidden")
        .await;
    assert_eq!(
        std::fs::read_to_string(desk.file()).unwrap(),
        FIRST,
        "the page saved something"
    );
    desk.leave().await;
}

#[tokio::test]
async fn message_changes_with_the_text_and_with_the_sample() {
    let desk = Desk::open().await;
    desk.until("el('language').options.length === 3").await;
    desk.run("choose('language', 'de')").await;
    desk.until("shows('is ALARM')").await;
    desk.run("choose('language', '')").await;
    desk.until("shows('is FIRING')").await;
    desk.until("shows('FIRING')").await;
    desk.go_to_end_of_text().await;
    desk.keys("**{{ count.total }}** in all").await;
    desk.until("shows('1 in all')").await;
    desk.run("choose('notification', 'sample:resolved')").await;
    desk.until("shows('RESOLVED') && shows('1 in all')").await;
    desk.run("choose('notification', 'sample:many')").await;
    desk.until("shows('20 in all')").await;

    // Light and dark, wide and on a phone, at once on a screen of this size.
    assert_eq!(desk.run("return document.querySelectorAll('.frame').length").await, 4);
    desk.run("document.querySelector('#scheme input[value=dark]').click()")
        .await;
    desk.until("document.querySelectorAll('.frame').length === 2").await;
    let dark = "return getComputedStyle(document.querySelector('.frame .timeline')).backgroundColor";
    assert_eq!(desk.run(dark).await, "rgb(20, 23, 27)");

    // Beside it the plain body, the bytes, and the event as it would be sent.
    desk.until("el('push-body').textContent.includes('20 in all')").await;
    desk.until("document.querySelector('[role=meter]').ariaValueText.includes(' bytes (')")
        .await;
    let event = desk.run("return JSON.parse(el('source-text').textContent)").await;
    assert_eq!(event["format"], "org.matrix.custom.html");
    assert!(
        event["formatted_body"]
            .as_str()
            .unwrap()
            .contains("<strong>20</strong> in all")
    );
    desk.leave().await;
}

#[tokio::test]
async fn sequence_is_shown_as_a_conversation_with_the_drafts_of_root_and_line() {
    let desk = Desk::open().await;
    desk.go_to_end_of_text().await;
    desk.keys("{{ count.firing }} burn").await;
    desk.until("shows('1 burn')").await;

    // With the template of the lines a sequence comes by itself, and the edit of the root stays.
    desk.run("choose('template', 'update')").await;
    desk.until("lineOf('change.starting') && el('notification').value === 'sequence:incident'")
        .await;
    desk.until("shows('Thread · 3 lines') && shows('0 burn') && shows('edited 3 times')")
        .await;
    desk.go_to_end_of_text().await;
    desk.keys("a line of mine").await;
    desk.until("shows('a line of mine')").await;
    assert_eq!(
        desk.run("return document.querySelectorAll('.frame:first-child .lines .message').length")
            .await,
        3
    );

    // What is quiet is not marked like a mention or a trouble of the page.
    let marks = "return getComputedStyle(document.querySelector('.lines .message.notice')).borderLeftWidth";
    assert_eq!(desk.run(marks).await, "0px");

    // After each of its notifications.
    desk.run("document.querySelector('#steps input[value=\"1\"]').click()")
        .await;
    desk.until("shows('1 burn') && !shows('Thread')").await;
    desk.run("document.querySelector('#steps input[value=\"2\"]').click()")
        .await;
    desk.until("shows('2 burn') && shows('Thread · 1 line')").await;

    // What was looked at before comes back with the other template.
    desk.run("choose('template', 'alert')").await;
    desk.until(
        "el('notification').value === 'sample:firing' && el('steps').hidden && shows('1 burn') && !shows('Thread')",
    )
    .await;
    desk.run("choose('notification', 'sequence:short')").await;
    desk.until("shows('Thread · 1 line') && shows('a line of mine') && shows('0 burn')")
        .await;

    // In the other modes.
    desk.until("!el('mode-label').hidden && el('add').hidden").await;
    desk.run("choose('mode', 'thread')").await;
    desk.until("shows('1 burn') && shows('a line of mine') && !shows('edited')")
        .await;
    desk.run("choose('mode', 'new')").await;
    desk.until("shows('1 burn') && shows('0 burn') && !shows('a line of mine')")
        .await;
    desk.leave().await;
}

#[tokio::test]
async fn sequence_of_ones_own_is_built_of_samples_and_of_what_was_received() {
    let desk = Desk::open().await;
    let mut body = firing("Received");
    desk.app.accept(&body).await;
    body["alerts"][0]["status"] = "resolved".into();
    body["alerts"][0]["endsAt"] = "2026-11-20T09:20:00Z".into();
    desk.app.accept(&body).await;
    // The newest comes first, so the second one is the older.
    desk.until("[...el('notification').options].filter((one) => one.value.startsWith('recorded:')).length === 2")
        .await;
    desk.run("const [over, fires] = [...el('notification').options].map((one) => one.value).filter((one) => one.startsWith('recorded:')); \
        choose('notification', fires); el('add').click(); choose('notification', over); el('add').click(); \
        choose('notification', 'sample:mixed'); el('add').click();")
        .await;
    desk.until("el('own').textContent === '3 in your sequence'").await;
    desk.until("[...el('notification').options].some((one) => one.text.startsWith('mine: received '))")
        .await;
    desk.run("choose('notification', 'sequence:own')").await;
    // Each group has a root of its own.
    desk.until("shows('Received is RESOLVED') && shows('DiskFilling is FIRING') && shows('Thread · 1 line')")
        .await;
    desk.until("document.querySelectorAll('.frame:first-child .timeline > .message').length === 2")
        .await;
    desk.run("choose('notification', 'sample:firing'); el('clear').click()")
        .await;
    desk.until("![...el('notification').options].some((one) => one.value === 'sequence:own') && el('clear').hidden")
        .await;
    desk.leave().await;
}

#[tokio::test]
async fn template_for_a_program_is_seen_with_a_body_of_that_program() {
    let desk = Desk::open().await;
    desk.run("choose('notification', 'sample:mixed'); choose('template', 'gitea')")
        .await;
    desk.until("el('notification').value === 'sample:gitea-push' && shows('ada pushed 2 commits')")
        .await;
    desk.run("choose('language', 'de')").await;
    desk.until("shows('ada hat 2 Commits gepusht')").await;
    // What somebody chose stays, and with a template of alerts what was seen before comes back.
    desk.run("choose('notification', 'sample:gitea-release'); choose('file', 'partials/header.md.j2'); choose('file', 'gitea.md.j2')")
        .await;
    desk.until("el('notification').value === 'sample:gitea-release' && shows('veröffentlicht')")
        .await;
    desk.run("choose('template', 'uptime-kuma')").await;
    desk.until("el('notification').value === 'sample:uptime-kuma' && shows('ALARM')")
        .await;
    desk.run("choose('template', 'alert')").await;
    desk.until("el('notification').value === 'sample:mixed'").await;
    // A link shows what it says.
    desk.reopen(&desk.app.url("/#template=gitea&show=sample:firing")).await;
    desk.until("el('template').value === 'gitea' && el('notification').value === 'sample:firing'")
        .await;
    desk.leave().await;
}

#[tokio::test]
async fn file_on_disk_is_followed_but_never_over_an_edit() {
    let desk = Desk::open().await;
    desk.save("changed on disk: {{ name }}\n");
    desk.until("shows('changed on disk') && lineOf('changed on disk')")
        .await;

    desk.go_to_end_of_text().await;
    desk.keys("mine").await;
    desk.until("shows('mine')").await;
    desk.save("changed again: {{ name }}\n");
    desk.until("!el('changed').hidden").await;
    desk.until("lineOf('mine') && shows('mine')").await;
    desk.run("el('take').click()").await;
    desk.until("lineOf('changed again') && !lineOf('mine') && shows('changed again')")
        .await;
    desk.until("el('changed').hidden && el('saved').textContent === 'As on disk'")
        .await;
    desk.leave().await;
}

#[tokio::test]
async fn partial_and_template_are_edited_together_on_a_notification_that_really_came() {
    let desk = Desk::open().await;
    desk.save("{% include 'partials/header.md.j2' %}\n");
    desk.until("lineOf('include')").await;
    desk.app.accept(&firing("ThatReallyCame")).await;
    desk.until("[...el('notification').options].some((option) => option.value.startsWith('recorded:'))")
        .await;
    desk.run("choose('notification', [...el('notification').options].find((one) => one.value.startsWith('recorded:')).value)")
        .await;
    desk.until("shows('ThatReallyCame')").await;

    desk.run("choose('file', 'partials/header.md.j2')").await;
    desk.until("lineOf('count.total')").await;
    desk.go_to_end_of_text().await;
    desk.keys("from the partial").await;
    desk.until("shows('from the partial')").await;

    // The edit of the partial goes with what is shown of the template that includes it.
    desk.run("choose('file', 'alert.md.j2')").await;
    desk.until("lineOf('include')").await;
    desk.go_to_end_of_text().await;
    desk.keys("and from the template").await;
    desk.until("shows('and from the template')").await;
    desk.until("shows('from the partial')").await;
    desk.leave().await;
}

#[tokio::test]
async fn dead_delivery_is_sent_again_from_the_list() {
    let desk = Desk::open().await;
    let homeserver = &desk.app.homeserver.homeserver;
    homeserver.plan(Scope::Sends, When::Next(2), Fault::Refused(400, "M_BAD_JSON"));
    desk.app.accept(&firing("Refused")).await;
    desk.run("el('tab-deliveries').click()").await;
    desk.until("document.querySelector('#rows .badge.dead')").await;
    let row = desk.run("return el('rows').innerText").await;
    assert!(row.as_str().unwrap().contains("M_BAD_JSON"), "{row}");
    desk.run("choose('state', 'delivered')").await;
    desk.until("!el('no-rows').hidden").await;
    desk.run("choose('state', 'dead')").await;
    desk.until("document.querySelectorAll('#rows .open').length === 1")
        .await;
    desk.run("document.querySelector('#rows .open').click()").await;
    desk.until("document.querySelector('.details .do button')").await;
    desk.until("document.querySelector('.failures li').innerText.includes('Attempt 1') && document.querySelector('.failures').innerText.includes('M_BAD_JSON')")
        .await;
    desk.run("document.querySelector('.details .do button').click()").await;
    desk.until("el('deliveries-said').textContent.includes('waits to be sent again')")
        .await;
    assert!(desk.app.messages(1).await[0].contains("Refused"));
    desk.run("choose('state', '')").await;
    desk.until("document.querySelector('#rows .badge.delivered')").await;
    desk.leave().await;
}

#[tokio::test]
async fn token_is_asked_for_where_one_is_set_and_kept_for_the_tab_only() {
    let app = App::with(|flags| flags.http.relay_token = Some("s3cret".to_owned().into())).await;
    let browser = Browser::start(390, 844).await;
    browser.open(&app.url("/")).await;
    let desk = Desk { app, browser };
    desk.help().await;
    desk.until("el('ask').open").await;
    desk.keys(format!("wrong{ENTER}")).await;
    desk.until("el('ask').open && el('ask-wrong').textContent !== ''").await;
    desk.keys(format!("s3cret{ENTER}")).await;
    desk.until("!el('ask').open && messages().length > 0").await;
    assert_eq!(
        desk.run("return [localStorage.length, document.cookie]")
            .await
            .to_string(),
        "[0,\"\"]"
    );
    assert_eq!(
        desk.run("return document.documentElement.scrollWidth <= innerWidth")
            .await,
        true,
        "a phone has to scroll sideways"
    );
    // The browser itself notes the refusals that this is about.
    let console = desk.browser.console().await;
    assert!(console.iter().all(|line| line.contains("401")), "{console:#?}");
    desk.browser.quit().await;
}

#[tokio::test]
async fn keyboard_leaves_the_editor_by_escape_and_tab() {
    let desk = Desk::open().await;
    desk.go_to_end_of_text().await;
    desk.keys(format!("{TAB}x")).await;
    desk.until("lineOf('  x')").await;
    // In one go, so that the editor still looks for what to offer when Escape comes.
    desk.keys(format!("y{ESCAPE}{TAB}")).await;
    desk.until("document.activeElement.id !== 'editor'").await;
    desk.leave().await;
}

#[tokio::test]
async fn edited_text_can_be_taken_out_of_the_page() {
    let desk = Desk::open().await;
    desk.go_to_end_of_text().await;
    desk.keys("mine").await;
    desk.until("el('saved').textContent === 'Edited, kept in this browser'")
        .await;
    desk.run(
        "const make = URL.createObjectURL;
        URL.createObjectURL = (blob) => {
            blob.text().then((text) => { window.taken = text; });
            return make.call(URL, blob);
        };
        el('download').click();",
    )
    .await;
    desk.until("window.taken === '**{{ name }}** is {{ word }}\\n\\nsecond line\\nmine'")
        .await;
    // Where the browser gives no clipboard to scripts, as on plain http, the old way is taken.
    desk.run("navigator.clipboard.writeText = () => Promise.reject(new Error('none')); el('copy').click()")
        .await;
    desk.until("el('copy').textContent === 'Copied'").await;
    desk.run("el('revert').click()").await;
    desk.until("el('saved').textContent === 'As on disk' && !lineOf('mine')")
        .await;
    desk.leave().await;
}

#[tokio::test]
async fn page_loads_only_what_is_its_own_and_allows_nothing_inline() {
    let app = App::start().await;
    let policy = app.get("/").await.headers()["content-security-policy"].clone();
    let policy = policy.to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(loads(&app.url("/")).await >= 15);
}

#[tokio::test]
async fn page_beside_the_room_of_the_demo_finds_the_same_files() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap());
    tokio::spawn(server.run(page::routes_beside_room()));
    // Without the slash at the end it leads there as well.
    assert!(loads(&format!("{origin}/workshop")).await >= 15);
}

/// Gets a page and everything that it and its scripts name; returns how many files that were.
async fn loads(page: &str) -> usize {
    let http = crate::support::matrix::http_client();
    let answer = http.get(page).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let address = answer.url().clone();
    let html = answer.text().await.unwrap();
    for inline in ["onclick", "style=", "<style", "<script>", "http://", "https://", "{"] {
        assert!(!html.contains(inline), "{inline}");
    }
    let named = html.split('"').filter(|text| text.contains("workshop/static/"));
    let mut left: Vec<_> = named.map(|name| address.join(name).unwrap()).collect();
    let mut seen = BTreeSet::new();
    while let Some(file) = left.pop() {
        if !seen.insert(file.to_string()) {
            continue;
        }
        let answer = http.get(file.clone()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
        let script = answer.headers()["content-type"]
            .as_bytes()
            .starts_with(b"text/javascript");
        let text = answer.text().await.unwrap();
        if script && !file.path().ends_with("/editor.js") {
            assert!(!text.contains("innerHTML"), "{file} inserts markup as it came");
            let imports = text
                .lines()
                .filter_map(|line| line.split_once(" from './")?.1.split_once('\''));
            left.extend(imports.map(|(name, _)| file.join(name).unwrap()));
        }
    }
    seen.len()
}
