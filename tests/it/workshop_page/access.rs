//! The pages for everybody: axe-core finds nothing, at both sizes and in both themes, and what is pressed is large enough.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Desk;
use super::draft::SIZES;
use crate::app::firing;
use crate::support::chromium::Browser;
use crate::support::patience::until;
use crate::support::relay::Setup;

/// Runs axe on all that is seen; answers what is wrong, each with its place.
const JUDGE: &str = "
    const [done] = arguments;
    // What a template and an alert wrote is shown in the colours that a room gets.
    // In the dark only colours are others, and only rules about colours can find something else.
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches;
    const all = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const runOnly = isDark ? { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } : all;
    axe.run({ exclude: ['.timeline .body'] }, { runOnly })
        .then(({ violations }) => done(violations.flatMap(({ id, help, nodes }) =>
            nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.html.slice(0, 160)} ${node.any.map((one) => one.message).join('; ')}`))),
            (error) => done([String(error)]));
";

/// What can be pressed and is smaller than a finger; inside of previews nothing is to be pressed.
const SMALL: &str = "
    const pressed = [...document.querySelectorAll('button, select, a, input:not([type=radio]), summary, label:has(input[type=radio])')];
    const seen = pressed.filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest('.timeline, .unseen, .skip'));
    return seen.filter((one) => { const { width, height } = one.getBoundingClientRect(); return width > 1 && (height < 43.5 || width < 24); })
        .map((one) => `${one.id || one.textContent.trim().slice(0, 30)} ${Math.round(one.getBoundingClientRect().width)}x${Math.round(one.getBoundingClientRect().height)}`);
";

/// axe-core, as `tests/stack/setup.sh` installed it.
fn axe() -> String {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/stack/axe-venv/lib");
    let found = std::fs::read_dir(&venv).into_iter().flatten().flatten();
    let files = found.map(|python| python.path().join("site-packages/axe_playwright_python/axe.min.js"));
    let file: Option<PathBuf> = files.into_iter().find(|file| file.is_file());
    let file = file.unwrap_or_else(|| panic!("no axe-core in {}: run tests/stack/setup.sh", venv.display()));
    std::fs::read_to_string(file).unwrap()
}

async fn faults(browser: &Browser, what: &str, is_small_judged: bool) -> Vec<String> {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().unwrap_or_else(|| panic!("{value}"));
        list.iter()
            .map(|one| format!("{what}: {}", one.as_str().unwrap_or_default()))
            .collect()
    };
    let judged = browser.driver.execute_async(JUDGE, Vec::new()).await.unwrap();
    let mut found = texts(judged.json());
    if is_small_judged {
        let small = browser.driver.execute(SMALL, Vec::new()).await.unwrap();
        found.extend(texts(small.json()));
    }
    found
}

#[tokio::test]
async fn nothing_of_the_workshop_keeps_anybody_out() {
    let desk = Desk::editable().await;
    desk.app.accept(&firing("Opened")).await;
    desk.app.settled().await;
    let axe = axe();
    let mut found = Vec::new();
    for (width, height) in SIZES {
        for scheme in ["light", "dark"] {
            desk.browser.resize(width, height).await;
            desk.browser.prefer(scheme).await;
            desk.reopen(&desk.app.url("/")).await;
            desk.run(&axe).await;
            // What is there, how it is brought to sight, and when it is.
            let views = [
                (
                    "text",
                    "if (el('side-edit').offsetParent) el('side-edit').click()",
                    "el('edit').offsetParent",
                ),
                ("message", "el('side-see').click()", "el('see').offsetParent"),
                (
                    "names",
                    "el('side-names').click()",
                    "document.querySelectorAll('.name').length > 100",
                ),
                (
                    "an error",
                    "[...document.querySelectorAll('#names-list section')].find((one) => one.textContent.startsWith('Filters')).querySelector('.name').click(); \
                     el('side-see').click()",
                    "!el('stale').hidden",
                ),
                (
                    "sending",
                    "el('revert').click(); el('send-open').click()",
                    "opened('send')",
                ),
                (
                    "pasting",
                    "el('send').close(); el('paste-open').click()",
                    "opened('paste')",
                ),
                (
                    "gallery",
                    "el('paste').close(); el('gallery-open').click()",
                    "document.querySelector('.pick .message')",
                ),
                (
                    "comparing",
                    "el('gallery').close(); el('compare').showModal()",
                    "opened('compare')",
                ),
                (
                    "saving",
                    "el('compare').close(); el('broken-go').textContent = 'Go to line 1'; el('broken').showModal()",
                    "opened('broken')",
                ),
                ("token", "el('broken').close(); el('ask').showModal()", "opened('ask')"),
                (
                    "deliveries",
                    "el('ask').close(); el('tab-deliveries').click()",
                    "document.querySelector('#rows .badge')",
                ),
                (
                    "delivery",
                    "if (!document.querySelector('.details')) document.querySelector('#rows .open').click()",
                    "document.querySelector('.facts a')",
                ),
            ];
            for (name, act, until) in views {
                desk.run(act).await;
                desk.until(until).await;
                found.extend(faults(&desk.browser, &format!("{name}, {width}, {scheme}"), width < 600).await);
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    desk.leave().await;
}

#[tokio::test]
async fn nothing_of_the_demo_keeps_anybody_out() {
    let relay = Setup::bare().arg("demo").start().await;
    let browser = Browser::start(1400, 900).await;
    let axe = axe();
    let mut found = Vec::new();
    for (width, height) in SIZES {
        for scheme in ["light", "dark"] {
            browser.resize(width, height).await;
            browser.prefer(scheme).await;
            browser.open(&relay.base_url).await;
            browser
                .wait_until("document.querySelectorAll('.sample').length === 5 && document.querySelector('.message')")
                .await;
            browser.driver.execute(&axe, Vec::new()).await.unwrap();
            found.extend(faults(&browser, &format!("room, {width}, {scheme}"), width < 600).await);
            if width < 600 {
                browser
                    .driver
                    .execute("document.getElementById('panel-open').click()", Vec::new())
                    .await
                    .unwrap();
                browser.wait_until("document.querySelector('.panel.open')").await;
                found.extend(faults(&browser, &format!("about, {width}, {scheme}"), true).await);
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    browser.quit().await;
}

#[tokio::test]
async fn previews_are_no_stops_on_the_way_by_keyboard() {
    let desk = Desk::open().await;
    desk.run("choose('template', 'detailed'); choose('notification', 'sequence:incident')")
        .await;
    desk.until("document.querySelectorAll('.frame a').length > 4 && document.querySelector('.frame summary')")
        .await;
    let stops = "return [...document.querySelectorAll('.frame a, .frame summary, .frame [tabindex]')].filter((one) => one.tabIndex >= 0).length";
    assert_eq!(desk.run(stops).await, 0);
    desk.leave().await;
}

#[tokio::test]
async fn swagger_ui_leads_back_to_where_somebody_came_from() {
    let app = crate::app::App::start().await;
    let browser = Browser::start(1400, 900).await;
    let run = async |what: &str| browser.driver.execute(what, Vec::new()).await.unwrap();
    // A script that waits would stay behind with the page that is left.
    let is_back = async || {
        let url = browser.driver.current_url().await.unwrap();
        url.path() == "/"
            && url
                .fragment()
                .is_some_and(|choices| choices.contains("part=deliveries"))
    };
    browser.open(&app.url("/#part=deliveries")).await;
    for leave in ["document.querySelector('#back').click()", "history.back()"] {
        browser.open(&app.url("/docs")).await;
        browser
            .wait_until("document.querySelectorAll('.opblock').length > 15")
            .await;
        for number in 0..3 {
            run(&format!(
                "document.querySelectorAll('.opblock-summary-control')[{number}].click()"
            ))
            .await;
            browser
                .wait_until(&format!(
                    "document.querySelectorAll('.opblock.is-open').length === {}",
                    number + 1
                ))
                .await;
        }
        run(leave).await;
        until("the list of deliveries is back", is_back).await;
    }
    // Whoever came from elsewhere gets to the first page.
    browser.open("about:blank").await;
    browser.open(&app.url("/docs")).await;
    browser.wait_until("document.querySelector('#back')").await;
    run("document.querySelector('#back').click()").await;
    until("the first page", async || {
        browser.driver.current_url().await.unwrap().path() == "/"
    })
    .await;
    browser.quit().await;
}

#[tokio::test]
async fn swagger_ui_works_on_a_phone_and_asks_for_the_token_first() {
    let app = crate::app::App::start().await;
    let browser = Browser::start(390, 844).await;
    for scheme in ["light", "dark"] {
        browser.resize(390, 844).await;
        browser.prefer(scheme).await;
        browser.open(&app.url("/docs")).await;
        browser
            .wait_until("document.querySelectorAll('.opblock').length > 15")
            .await;
        let is_so = async |what: &str| {
            let answer = browser
                .driver
                .execute(format!("return Boolean({what})"), Vec::new())
                .await;
            assert_eq!(answer.unwrap().json(), true, "{scheme}: {what}");
        };
        is_so("document.documentElement.scrollWidth <= innerWidth").await;
        is_so("document.querySelector('link[rel=icon]').href.startsWith('data:image/svg+xml,')").await;
        is_so("document.querySelector('.relay-top a').href === location.origin + '/'").await;
        let free = "document.querySelector('.scheme-container').innerText.includes('asks for no credential')";
        browser.wait_until(free).await;
        is_so("document.documentElement.lang === 'en' && document.querySelector('main')").await;
        browser
            .driver
            .execute("document.querySelector('.authorize').click()", Vec::new())
            .await
            .unwrap();
        browser
            .wait_until("document.activeElement.id === 'auth-bearer-value'")
            .await;
        // The dialog is in sight, wherever the page was.
        browser
            .wait_until("(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(document.activeElement.getBoundingClientRect())")
            .await;
    }
    // Chromium's own advice on Swagger UI's fields is no fault.
    let mut console = browser.console().await;
    console.retain(|line| !line.contains("[DOM]"));
    assert_eq!(console, Vec::<String>::new());
    browser.quit().await;
}
