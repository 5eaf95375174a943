//! The README's picture of an English room and a German one side by side, and sheets of every sample in German.
//!
//! The rules' own texts are in the language of the room as well: whoever runs the relay writes them.

use std::fs;
use std::path::Path;

use grafana_matrix_relay::samples;
use serde_json::{Value, json};
use thirtyfour::By;

use super::save;
use crate::app::App;
use crate::support::chromium::Browser;

/// What both rooms are told. The first step only sets the clock, and is not drawn.
const STORY: [&str; 6] = ["test", "firing", "mixed", "resolved", "no-data", "not-recovered"];

/// What the rules of the samples say, in German.
const GERMAN: [(&str, &str); 8] = [
    ("Checkout answers in 2.4 s (p99)", "Die Kasse antwortet in 2,4 s (p99)"),
    (
        "The 99th percentile of checkout requests has been above 1.5 s for 10 minutes.\\nCustomers see spinning carts.",
        "Das 99. Perzentil der Kasse liegt seit 10 Minuten über 1,5 s.\\nKunden sehen nur das drehende Rad.",
    ),
    ("71.2 % of the disk of pg-1 is used", "Platte von pg-1 zu 71,2 % belegt"),
    ("97.9 % of the disk of pg-2 is used", "Platte von pg-2 zu 97,9 % belegt"),
    ("91 % of the disk of pg-3 is used", "Platte von pg-3 zu 91 % belegt"),
    (
        "Only [no value] imports in the last hour",
        "Nur [no value] Importe in der letzten Stunde",
    ),
    (
        "Fewer than 100 imports in an hour.",
        "Weniger als 100 Importe in einer Stunde.",
    ),
    ("Worker queue-7 is down", "Worker queue-7 ist ausgefallen"),
];

/// Draws the rooms beside each other, each as the conversation that `/preview` answers with.
const DRAW: &str = "
    const [rooms, width, done] = arguments;
    const draw = async () => {
        const root = location.origin + '/workshop/static/';
        const { element } = await import(root + 'message.js');
        const { Conversation } = await import(root + 'conversation.js');
        const sheet = element('div', 'sheet');
        Object.assign(sheet.style, { display: 'grid', gridTemplateColumns: `repeat(${rooms.length}, ${width}px)`, gap: '16px',
            alignItems: 'start', background: 'var(--surface)', width: (width + 16) * rooms.length - 16 + 'px' });
        for (const { title, request } of rooms) {
            const answer = await fetch('/preview', { method: 'POST', body: JSON.stringify(request),
                headers: { 'Content-Type': 'application/json' } });
            const { messages, diagnostics } = await answer.json();
            if (diagnostics.length) throw new Error(diagnostics[0].message);
            const list = element('ol', 'timeline');
            let any = false;
            const room = new Conversation({ place: (item) => { list.append(item); any = true; }, continues: () => any });
            for (const { event, place } of messages.filter((message) => !message.place.event_id.startsWith('$1-'))) {
                room.add({ name: 'Grafana', event: { type: 'm.room.message', event_id: place.event_id,
                    sender: '@grafana:example.org', origin_server_ts: Date.parse(place.at), content: event } });
            }
            const box = element('section', '');
            Object.assign(box.style, { border: '1px solid var(--line)', borderRadius: '9px', overflow: 'hidden' });
            const head = element('h2', '', title);
            Object.assign(head.style, { fontSize: '13px', padding: '6px 12px', margin: '0', background: 'var(--raised)' });
            box.append(head, list);
            sheet.append(box);
        }
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
async fn an_english_and_a_german_room_are_pictured_side_by_side() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sheets = project.join("target/gallery");
    fs::create_dir_all(&sheets).unwrap();
    let app = App::start().await;
    let browser = Browser::start(1700, 1200).await;
    browser.open(&app.url("/")).await;
    let rooms = [
        room("#alerts · language = \"en\"", "en", "Europe/London", &STORY),
        room("#alarme · language = \"de\"", "de", "Europe/Berlin", &STORY),
    ];
    draw(&browser, &rooms, &project.join("tests/screenshots/languages.png")).await;
    let all: Vec<&str> = samples::all().iter().map(|sample| sample.name).collect();
    for template in ["alert", "compact", "detailed"] {
        let rooms: Vec<Value> = all
            .iter()
            .map(|sample| {
                let mut room = room(
                    &format!("{template}: {sample}"),
                    "de",
                    "Europe/Berlin",
                    &["test", sample],
                );
                room["request"]["template"] = template.into();
                room["request"]["mode"] = "new".into();
                room
            })
            .collect();
        for (number, rooms) in rooms.chunks(4).enumerate() {
            draw(&browser, rooms, &sheets.join(format!("{template}-german-{number}.png"))).await;
        }
    }
    browser.quit().await;
}

/// A room in which this is told, with the rules' texts in its language.
fn room(title: &str, language: &str, time_zone: &str, story: &[&str]) -> Value {
    let steps = story.iter().enumerate().map(|(step, name)| match samples::find(name) {
        Some(sample) if step > 0 => serde_json::from_str(&told_in(language, &sample.body)).unwrap(),
        _ => json!(name),
    });
    let steps: Vec<Value> = steps.collect();
    json!({"title": title, "request": {"sequence": steps, "language": language, "timezone": time_zone}})
}

fn told_in(language: &str, body: &str) -> String {
    let german = GERMAN.iter().filter(|_| language == "de");
    german.fold(body.to_owned(), |body, (english, german)| body.replace(english, german))
}

async fn draw(browser: &Browser, rooms: &[Value], path: &Path) {
    const WIDTH: u32 = 410;
    let window = (WIDTH + 16) * u32::try_from(rooms.len()).unwrap() + 60;
    browser.driver.set_window_rect(0, 0, window, 1_200).await.unwrap();
    let drawn = browser
        .driver
        .execute_async(DRAW, vec![json!(rooms), json!(WIDTH)])
        .await
        .unwrap();
    let height = drawn
        .json()
        .as_u64()
        .unwrap_or_else(|| panic!("not drawn: {}", drawn.json()));
    assert!(height > 100, "{height} pixels");
    let height = u32::try_from(height).unwrap();
    browser
        .driver
        .set_window_rect(0, 0, window, height + 300)
        .await
        .unwrap();
    save(path, &browser.driver.find(By::Css(".sheet")).await.unwrap()).await;
}
