//! Pictures of every template with every sample, for people to look at: `make gallery`.
//!
//! Guarantees: what is pictured is what the relay would send, drawn by the code that the workshop and the demo draw
//! messages with. It judges nothing; it only sees to it that there is something in each picture.

mod languages;

use std::fs;
use std::path::Path;

use grafana_matrix_relay::samples;
use serde_json::{Value, json};
use thirtyfour::{By, WebElement};

use crate::app::App;
use crate::support::chromium::Browser;

/// How a sheet is drawn.
#[derive(Clone, Copy)]
struct Look {
    name: &'static str,
    /// CSS pixels of a room.
    width: u32,
    columns: u32,
    scheme: &'static str,
    titled: bool,
    /// As by a client that knows neither edits nor threads.
    flat: bool,
}

const DESK: Look = Look {
    name: "desk",
    width: 780,
    columns: 2,
    scheme: "light",
    titled: true,
    flat: false,
};
const PHONE: Look = Look {
    name: "phone",
    width: 360,
    columns: 4,
    ..DESK
};
const LOOKS: [Look; 4] = [
    DESK,
    PHONE,
    Look {
        name: "desk-dark",
        scheme: "dark",
        ..DESK
    },
    Look {
        name: "phone-dark",
        scheme: "dark",
        ..PHONE
    },
];
const FLAT: Look = Look {
    name: "phone-flat",
    flat: true,
    ..PHONE
};
/// The pictures of the README.
const README: Look = Look {
    columns: 1,
    titled: false,
    ..DESK
};

/// The pictures of the modes.
const MODE: Look = Look { width: 600, ..README };

/// What the README shows of each template.
const SHOWN: [&str; 3] = ["firing", "mixed", "resolved"];

/// What the documentation shows of bodies of any shape.
const WEBHOOKS: [(&str, &str); 6] = [
    ("uptime-kuma", "uptime-kuma"),
    ("gitea", "gitea-push"),
    ("proxmox", "proxmox"),
    ("healthchecks", "healthchecks"),
    ("grafana-legacy", "grafana-legacy"),
    ("webhook", "job"),
];

/// Higher messages are cut off, since there is one that fills a whole event.
const HIGHEST: u32 = 1_400;

/// Draws the answers of `/preview` for these requests, each below its title, in columns of this width.
const DRAW: &str = "
    const [requests, width, columns, highest, titled, scheme, flat, done] = arguments;
    const draw = async () => {
        const root = location.origin + '/workshop/static/';
        const { messageItem, element } = await import(root + 'message.js');
        const { Conversation } = await import(root + 'conversation.js');
        const sheet = element('div', 'sheet');
        Object.assign(sheet.style, { columns: columns, columnWidth: width + 'px', columnGap: '16px', padding: titled ? '12px' : '0',
            width: (width + 16) * columns + (titled ? 24 : -16) + 'px', background: 'var(--surface)' });
        const once = element('ol', 'timeline');
        for (const { title, request } of requests) {
            const answer = await fetch('/preview', { method: 'POST', body: JSON.stringify(request),
                headers: { 'Content-Type': 'application/json' } });
            const { messages } = await answer.json();
            const list = titled ? element('ol', 'timeline') : once;
            let any = list.childElementCount > 0;
            const room = new Conversation({ place: (item) => { list.append(item); any = true; }, continues: () => any });
            messages.forEach((message, index) => {
                const sender = '@grafana:example.org';
                const at = message.place ? Date.parse(message.place.at) : Date.parse('2026-11-20T09:14:20Z');
                const content = message.place && !flat ? message.event : { ...message.event };
                // What a client shows that knows neither edits nor threads.
                if (flat) { delete content['m.relates_to']; delete content['m.new_content']; }
                const event = { type: 'm.room.message', event_id: message.place?.event_id ?? '$' + index, sender,
                    origin_server_ts: at, content };
                if (message.place && !flat) room.add({ event, name: 'Grafana' });
                else list.append(messageItem(event, 'Grafana', list.childElementCount > 0));
            });
            if (!titled) continue;
            const box = element('section', '');
            Object.assign(box.style, { breakInside: 'avoid', border: '1px solid var(--line)', borderRadius: '9px',
                marginBottom: '12px', maxHeight: highest + 'px', overflow: 'hidden' });
            const head = element('h2', '', title);
            Object.assign(head.style, { fontSize: '12px', padding: '4px 12px', background: 'var(--raised)' });
            const push = element('div', 'push');
            push.append(element('p', 'push-body', messages.at(-1).body));
            const lock = element('div', 'lock');
            Object.assign(lock.style, { margin: '12px' });
            lock.append(push);
            box.append(head, list, lock);
            sheet.append(box);
        }
        if (!titled) sheet.append(once);
        // Only what comes while somebody looks on is worth a flash.
        for (const item of sheet.querySelectorAll('.changed')) item.classList.remove('changed');
        for (const details of sheet.querySelectorAll('details')) details.open = true;
        document.body.replaceChildren(sheet);
        document.documentElement.style.colorScheme = scheme;
        await document.fonts.ready;
        done(Math.ceil(sheet.getBoundingClientRect().height));
    };
    draw().catch((error) => done(String(error)));
";

#[tokio::test]
#[ignore = "writes pictures for people to look at: `make gallery`"]
async fn every_template_is_pictured_with_every_sample() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sheets = project.join("target/gallery");
    fs::create_dir_all(&sheets).unwrap();
    let app = App::start().await;
    let browser = Browser::start(1700, 1200).await;
    browser.open(&app.url("/")).await;
    for template in ["alert", "compact", "detailed", "digest"] {
        let mut all: Vec<Value> = samples::all()
            .iter()
            .map(|sample| of_sample(template, sample.name))
            .collect();
        if template == "digest" {
            all = vec![of_sample(template, "firing"), of_sample(template, "storm")];
            all.extend(sequences(|steps| json!({"template": template, "sequence": steps})));
        }
        for look in LOOKS {
            let picture = drawn(&browser, &all, look).await;
            save(&sheets.join(format!("{template}-{}.png", look.name)), &picture).await;
        }
    }
    let bodies = samples::webhooks();
    let bodies: Vec<Value> = bodies
        .iter()
        .filter_map(|sample| Some(of_sample(sample.template?, sample.name)))
        .collect();
    for look in LOOKS {
        let picture = drawn(&browser, &bodies, look).await;
        save(&sheets.join(format!("webhooks-{}.png", look.name)), &picture).await;
    }
    let shown = WEBHOOKS.map(|(template, sample)| of_sample(template, sample));
    let picture = drawn(&browser, &shown, README).await;
    save(&project.join("tests/screenshots/webhooks.png"), &picture).await;
    for template in ["alert", "compact", "detailed"] {
        let shown = SHOWN.map(|sample| of_sample(template, sample));
        let picture = drawn(&browser, &shown, README).await;
        save(&project.join(format!("tests/screenshots/{template}.png")), &picture).await;
    }
    for mode in ["live", "thread", "new"] {
        let incident = samples::sequence("incident").unwrap().steps;
        let incident = json!({"title": mode, "request": {"sequence": incident, "mode": mode}});
        let picture = drawn(&browser, &[incident], MODE).await;
        save(&project.join(format!("tests/screenshots/mode-{mode}.png")), &picture).await;
        let all: Vec<Value> = sequences(|steps| json!({"sequence": steps, "mode": mode})).collect();
        for look in LOOKS.into_iter().chain([FLAT]) {
            let picture = drawn(&browser, &all, look).await;
            save(&sheets.join(format!("mode-{mode}-{}.png", look.name)), &picture).await;
        }
    }
    browser.quit().await;
}

/// Every sequence, asked for in this way.
fn sequences(request: impl Fn(&[&str]) -> Value) -> impl Iterator<Item = Value> {
    samples::SEQUENCES.iter().map(
        move |sequence| json!({"title": format!("sequence {}", sequence.name), "request": request(sequence.steps)}),
    )
}

fn of_sample(template: &str, sample: &str) -> Value {
    json!({"title": format!("{template}: {sample}"), "request": {"template": template, "sample": sample}})
}

/// A sheet with what the relay would send for these requests, in a window that holds all of it.
async fn drawn(browser: &Browser, requests: &[Value], look: Look) -> WebElement {
    let Look { width, columns, .. } = look;
    let window = (width + 16) * columns + 60;
    browser.driver.set_window_rect(0, 0, window, 1_200).await.unwrap();
    let arguments = vec![
        json!(requests),
        json!(width),
        json!(columns),
        json!(HIGHEST),
        json!(look.titled),
        json!(look.scheme),
        json!(look.flat),
    ];
    let drawn = browser.driver.execute_async(DRAW, arguments).await.unwrap();
    let height = drawn
        .json()
        .as_u64()
        .unwrap_or_else(|| panic!("not drawn: {}", drawn.json()));
    let height = u32::try_from(height).unwrap();
    assert!(height > 100, "{height} pixels");
    browser
        .driver
        .set_window_rect(0, 0, window, height + 300)
        .await
        .unwrap();
    browser.driver.find(By::Css(".sheet")).await.unwrap()
}

async fn save(path: &Path, picture: &WebElement) {
    fs::write(path, picture.screenshot_as_png().await.unwrap()).unwrap();
}
