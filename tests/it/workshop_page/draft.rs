//! A draft on its way: completed, kept, shared, saved, sent; at both sizes, because people write on both.

use std::fs;

use super::{Desk, ENTER, ESCAPE};
use crate::app::firing;
use crate::support::patience::until;

/// The sizes at which the page has to work, in CSS pixels.
pub(super) const SIZES: [(u32, u32); 2] = [(1400, 900), (390, 844)];

impl Desk {
    /// At this size, with the editor in sight.
    pub(super) async fn at_size(&self, (width, height): (u32, u32)) {
        self.browser.resize(width, height).await;
        self.until(&format!("innerWidth === {width}")).await;
        self.run("if (el('side-edit').offsetParent) el('side-edit').click()")
            .await;
        assert_eq!(
            self.run("return document.documentElement.scrollWidth <= innerWidth")
                .await,
            true,
            "a screen of {width} pixels has to scroll sideways"
        );
    }
}

#[tokio::test]
async fn draft_survives_a_reload_and_a_link_shows_the_same_to_somebody_else() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.go_to_end_of_text().await;
        desk.keys("kept").await;
        desk.until("shows('kept') && el('saved').textContent.includes('kept in this browser')")
            .await;
        desk.reopen(&desk.app.url("/")).await;
        desk.until("shows('kept') && lineOf('kept') && el('saved').dataset.edited === 'true'")
            .await;
        desk.run("el('revert').click()").await;
        desk.until("!shows('kept')").await;
        desk.reopen(&desk.app.url("/")).await;
        desk.until("el('saved').textContent === 'As on disk' && !lineOf('kept')")
            .await;

        // Template, file, sequence and mode are in the address.
        desk.run("choose('template', 'compact'); choose('file', 'partials/header.md.j2'); choose('notification', 'sequence:short'); choose('mode', 'thread')")
            .await;
        desk.until("location.hash.includes('mode=thread')").await;
        let shared = desk.run("return location.href").await;
        desk.run("choose('template', 'alert'); choose('notification', 'sample:firing')")
            .await;
        desk.reopen(shared.as_str().unwrap()).await;
        desk.until("el('template').value === 'compact' && el('file').value === 'partials/header.md.j2'")
            .await;
        desk.until("el('notification').value === 'sequence:short' && el('mode').value === 'thread'")
            .await;
        // A sequence of one's own, too.
        desk.run("choose('notification', 'sample:mixed'); el('add').click(); choose('notification', 'sample:resolved'); el('add').click()")
            .await;
        desk.until("[...el('notification').options].some((one) => one.value === 'sequence:own')")
            .await;
        desk.run("choose('notification', 'sequence:own')").await;
        desk.until("location.hash.includes('steps=mixed,resolved')").await;
        let shared = desk.run("return location.href").await;
        desk.reopen(shared.as_str().unwrap()).await;
        desk.until("el('notification').value === 'sequence:own' && el('notification').selectedOptions[0].text === 'mine: mixed, resolved'")
            .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn draft_is_saved_by_a_key_or_a_button_and_never_over_another_one() {
    for size in SIZES {
        let desk = Desk::editable().await;
        desk.at_size(size).await;
        desk.until("!el('save').hidden && el('save').ariaDisabled === 'true'")
            .await;
        desk.go_to_end_of_text().await;
        desk.keys("one").await;
        desk.until("el('save').ariaDisabled !== 'true'").await;
        desk.run("el('save').click()").await;
        desk.until("el('saved').textContent === 'Saved' && el('save').ariaDisabled === 'true'")
            .await;
        assert!(fs::read_to_string(desk.file()).unwrap().ends_with("second line\none"));
        // By the keyboard alone.
        desk.go_to_end_of_text().await;
        desk.keys(" two").await;
        let chain = desk.browser.driver.action_chain();
        let chain = chain
            .key_down(thirtyfour::Key::Control)
            .send_keys("s")
            .key_up(thirtyfour::Key::Control);
        chain.perform().await.unwrap();
        desk.until("el('saved').textContent === 'Saved'").await;
        assert!(fs::read_to_string(desk.file()).unwrap().ends_with("one two"));
        // The relay uses it, once it has seen it.
        until("the relay has read the file", async || {
            let (_, state) = desk.app.get_json("/workshop/state").await;
            state.to_string().contains("one two")
        })
        .await;
        desk.app.accept(&firing("Used")).await;
        desk.app.room_says("one two").await;

        desk.go_to_end_of_text().await;
        desk.keys(" mine").await;
        desk.save("theirs\n");
        desk.until("!el('changed').hidden && el('save').ariaDisabled === 'true'")
            .await;
        assert_eq!(fs::read_to_string(desk.file()).unwrap(), "theirs\n");
        desk.run("el('keep').click()").await;
        desk.until("el('save').ariaDisabled !== 'true' && lineOf('mine')").await;
        desk.run("el('save').click()").await;
        desk.until("el('saved').textContent === 'Saved'").await;
        assert!(fs::read_to_string(desk.file()).unwrap().ends_with("two mine"));
        desk.leave().await;
    }
}

#[tokio::test]
async fn template_is_begun_from_the_gallery_and_saved_as_a_file_of_its_own() {
    for size in SIZES {
        let desk = Desk::editable().await;
        desk.at_size(size).await;
        desk.run("el('gallery-open').click()").await;
        // The relay's own, and those of the cookbook, each with what it makes of a notification.
        desk.until("document.querySelectorAll('.pick').length >= 23").await;
        desk.until("document.querySelector('.pick .timeline').innerText.includes('second line')")
            .await;
        // A template for a program is shown with a body of that program.
        desk.run("window.git = [...document.querySelectorAll('.pick')].find((pick) => pick.querySelector('h3').innerText === 'gitea'); window.git.scrollIntoView()")
            .await;
        desk.until("window.git.innerText.includes('pushed 2 commits')").await;
        desk.run("const last = [...document.querySelectorAll('.pick')].find((pick) => pick.innerText.includes('All hosts in one line')); \
            last.scrollIntoView(); el('new-name').value = 'hosts'; window.pick = last")
            .await;
        desk.until("window.pick.querySelector('.message')").await;
        desk.run("el('new-name').value = 'alert'; window.pick.querySelector('.does button').click()")
            .await;
        desk.until("el('gallery-wrong').textContent.includes('already')").await;
        desk.run("el('new-name').value = 'hosts'; window.pick.querySelector('.does button').click()")
            .await;
        desk.until("!opened('gallery') && el('template').value === 'hosts' && el('saved').dataset.edited === 'true'")
            .await;
        // It survives a reload before it is a file.
        desk.reopen(&desk.app.url("/#template=hosts")).await;
        desk.until("el('template').value === 'hosts' && el('save').ariaDisabled !== 'true'")
            .await;
        desk.run("el('save').click()").await;
        desk.until("el('saved').textContent === 'Saved'").await;
        let file = desk.file().with_file_name("hosts.md.j2");
        assert!(fs::read_to_string(file).unwrap().contains("join"));
        desk.leave().await;
    }
}

#[tokio::test]
async fn draft_is_compared_with_the_built_in_one_and_with_the_file() {
    let desk = Desk::open().await;
    desk.go_to_end_of_text().await;
    desk.keys("added").await;
    desk.until("!el('compare-open').disabled").await;
    desk.run("el('compare-open').click()").await;
    desk.until("[...document.querySelectorAll('#diff ins')].some((line) => line.textContent === '+ added')")
        .await;
    desk.until("document.querySelectorAll('#diff del').length > 5").await;
    desk.run("document.querySelector('input[name=against][value=disk]').click()")
        .await;
    desk.until(
        "document.querySelectorAll('#diff ins').length === 1 && document.querySelectorAll('#diff del').length === 1",
    )
    .await;
    desk.keys(ESCAPE).await;
    desk.until("!opened('compare')").await;
    desk.leave().await;
}

#[tokio::test]
async fn draft_is_sent_to_a_room_as_a_test() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.go_to_end_of_text().await;
        desk.keys("sent by hand").await;
        desk.until("shows('sent by hand')").await;
        desk.run("el('send-open').click()").await;
        desk.until(
            "opened('send') && el('send-room').options.length === 1 && el('send-what').textContent.includes('firing')",
        )
        .await;
        desk.run("el('send-go').click()").await;
        desk.until(
            "!opened('send') && el('saved').textContent === 'Test sent to ops' && el('saved').dataset.said === 'good'",
        )
        .await;
        let text = desk.app.messages(1).await.remove(0);
        assert!(text.starts_with("🧪 TEST") && text.contains("sent by hand"), "{text}");
        // One that does not work is not sent, and says so where it was to be sent.
        desk.go_to_end_of_text().await;
        desk.keys("{{ nmae }}").await;
        desk.until("el('verdict').dataset.state === 'error'").await;
        desk.run("el('send-open').click(); el('send-go').click()").await;
        desk.until("el('send-wrong').textContent.includes('does not work')")
            .await;
        desk.keys(ESCAPE).await;
        desk.until("!opened('send')").await;
        assert_eq!(desk.app.texts().len(), 1);
        // The browser itself notes the refusal that this is about.
        let console = desk.browser.console().await;
        assert!(console.iter().all(|line| line.contains("422")), "{console:#?}");
        desk.leave().await;
    }
}

#[tokio::test]
async fn body_that_is_pasted_is_looked_at_like_a_sample() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.run(
            "el('paste-open').click(); el('paste-text').value = '{\"alerts\": ['; el('paste-form').requestSubmit()",
        )
        .await;
        desk.until("opened('paste') && el('paste-wrong').textContent.startsWith('This is not valid JSON')")
            .await;
        let body = firing("PastedByHand").to_string();
        desk.run(&format!(
            "el('paste-text').value = {body:?}; el('paste-form').requestSubmit()"
        ))
        .await;
        desk.until("!opened('paste') && shows('PastedByHand') && el('notification').selectedOptions[0].text.startsWith('pasted')").await;
        desk.run("document.querySelector('#source input[value=payload]').click()")
            .await;
        desk.until("el('source-text').textContent.includes('PastedByHand')")
            .await;
        // A body of any program, for a template that reads it.
        let other = r#"{"alerts": null, "text": "OfAnyShape"}"#;
        desk.run(&format!(
            "choose('template', 'webhook'); el('paste-text').value = {other:?}; el('paste-form').requestSubmit()"
        ))
        .await;
        desk.until("shows('OfAnyShape') && el('notification').selectedOptions[0].text === 'pasted: OfAnyShape'")
            .await;
        desk.run("choose('notification', 'sample:firing'); choose('template', 'alert')")
            .await;
        // What really came is one button away, and told by its alert.
        desk.app.accept(&firing("ReallyCame")).await;
        desk.until("!el('newest').hidden && el('newest').textContent.includes('ReallyCame')")
            .await;
        desk.run("el('newest').click()").await;
        desk.until("shows('ReallyCame')").await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn editor_completes_names_with_their_values_filters_and_labels() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        let offered = "[...(code().querySelector('.cm-tooltip-autocomplete')?.querySelectorAll('li') ?? [])]";
        desk.go_to_end_of_text().await;
        desk.keys("{{ head").await;
        desk.until(&format!(
            "{offered}.some((one) => one.textContent.includes('headline') && one.textContent.includes('FIRING'))"
        ))
        .await;
        desk.keys(ENTER).await;
        desk.until("lineOf('{{ headline')").await;
        desk.keys(" | bol").await;
        desk.until(&format!("{offered}.some((one) => one.textContent.startsWith('bold'))"))
            .await;
        desk.keys(ENTER).await;
        desk.keys(" }}").await;
        desk.until("lineOf('{{ headline | bold }}') && shows('CheckoutSlow')")
            .await;
        // Labels as the chosen notification has them.
        desk.keys(" {{ alert.labels.").await;
        desk.until(&format!(
            "{offered}.some((one) => one.textContent.startsWith('service') && one.textContent.includes('checkout'))"
        ))
        .await;
        desk.keys(ESCAPE).await;
        desk.until(&format!("{offered}.length === 0")).await;
        desk.keys("service }}").await;
        desk.until("shows('checkout')").await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn names_are_searched_by_value_and_put_into_the_text() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.go_to_end_of_text().await;
        desk.run("el('side-names').click()").await;
        desk.until("el('names').offsetParent && document.querySelectorAll('.name').length > 100")
            .await;
        desk.run("el('names-search').value = 'eu-west'; el('names-search').dispatchEvent(new Event('input'))")
            .await;
        desk.until(
            "[...document.querySelectorAll('.name code')].some((one) => one.textContent === 'alert.labels.cluster')",
        )
        .await;
        desk.run("[...document.querySelectorAll('.name')].find((one) => one.textContent.startsWith('alert.labels.cluster')).click()").await;
        desk.until("lineOf('{{ alert.labels.cluster }}') && shows('eu-west')")
            .await;
        // With another notification the values are those of that one.
        desk.run("choose('notification', 'sample:mixed'); el('names-search').value = ''; el('names-search').dispatchEvent(new Event('input'))").await;
        desk.until("[...document.querySelectorAll('.name')].some((one) => one.textContent.startsWith('name') && one.textContent.includes('DiskFilling'))").await;
        desk.leave().await;
    }
}
