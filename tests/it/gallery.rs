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

/// Names and widths, in CSS pixels, of a room on a desk and on a phone; how many columns of them a sheet has.
const WIDTHS: [(&str, u32, u32); 2] = [("desk", 780, 2), ("phone", 360, 4)];

/// What the README shows of each template.
const SHOWN: [&str; 3] = ["firing", "mixed", "resolved"];

/// Higher messages are cut off, since there is one that fills a whole event.
const HIGHEST: u32 = 1_400;

/// Draws the answers of `/preview` for these requests, each below its title, in columns of this width.
const DRAW: &str = "
    const [requests, width, columns, highest, titled, done] = arguments;
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
                const content = message.place ? message.event : { ...message.event };
                const event = { type: 'm.room.message', event_id: message.place?.event_id ?? '$' + index, sender,
                    origin_server_ts: at, content };
                if (message.place) room.add({ event, name: 'Grafana' });
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
        document.documentElement.style.colorScheme = 'light';
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
    for template in ["alert", "compact", "detailed"] {
        let all: Vec<Value> = samples::all()
            .iter()
            .map(|sample| of_sample(template, sample.name))
            .collect();
        for (name, width, columns) in WIDTHS {
            let picture = drawn(&browser, &all, (width, columns), true).await;
            save(&sheets.join(format!("{template}-{name}.png")), &picture).await;
        }
        let shown = SHOWN.map(|sample| of_sample(template, sample));
        let picture = drawn(&browser, &shown, (780, 1), false).await;
        save(&project.join(format!("tests/screenshots/{template}.png")), &picture).await;
    }
    let sequences: Vec<Value> = samples::SEQUENCES
        .iter()
        .map(
            |sequence| json!({"title": format!("sequence {}", sequence.name), "request": {"sequence": sequence.steps}}),
        )
        .collect();
    for (name, width, columns) in WIDTHS {
        let picture = drawn(&browser, &sequences, (width, columns), true).await;
        save(&sheets.join(format!("sequences-{name}.png")), &picture).await;
    }
    browser.quit().await;
}

fn of_sample(template: &str, sample: &str) -> Value {
    json!({"title": format!("{template}: {sample}"), "request": {"template": template, "sample": sample}})
}

/// A sheet with what the relay would send for these requests, in a window that holds all of it.
async fn drawn(browser: &Browser, requests: &[Value], (width, columns): (u32, u32), titled: bool) -> WebElement {
    let window = (width + 16) * columns + 60;
    browser.driver.set_window_rect(0, 0, window, 1_200).await.unwrap();
    let arguments = vec![
        json!(requests),
        json!(width),
        json!(columns),
        json!(HIGHEST),
        json!(titled),
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
