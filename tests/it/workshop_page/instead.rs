//! What stands on the message where it is not the draft's: an error, or a body that is not for the template.

use super::draft::SIZES;
use super::{BACKSPACE, Desk};
use crate::app::firing;

/// Whether the note is in sight.
const NOTE_IS_SEEN: &str = "(({ top, bottom, height }) => height > 0 && top >= 0 && bottom <= innerHeight)(el('stale').getBoundingClientRect())";

#[tokio::test]
async fn draft_with_an_error_keeps_the_draft_before_it_in_sight() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.go_to_end_of_text().await;
        desk.keys("worked before ").await;
        desk.until("shows('worked before')").await;
        desk.keys("{{ nmae }}").await;
        desk.until("el('stale-text').textContent === 'Your text has an error in line 4. Shown: your draft before it.'")
            .await;
        desk.until("el('frames').dataset.stale === 'true' && shows('worked before') && !shows('nmae')")
            .await;
        if size.0 < 600 {
            // On a phone the result is one tab away, and the tab says that something is wrong.
            desk.until("el('side-see').dataset.state === 'error' && !el('see').offsetParent")
                .await;
            desk.run("el('side-see').click()").await;
            desk.until("el('see').offsetParent && !el('edit').offsetParent").await;
        }
        // It stays in sight while one reads on.
        desk.run("el('result').scrollTop = 400; scrollTo(0, 400)").await;
        desk.until(&format!(
            "Math.max(el('result').scrollTop, scrollY) > 100 && {NOTE_IS_SEEN}"
        ))
        .await;
        desk.run("scrollTo(0, 0); if (el('side-edit').offsetParent) el('side-edit').click()")
            .await;
        // Another notification was never shown with this draft.
        desk.run("choose('notification', 'sample:mixed')").await;
        desk.until("el('stale-text').textContent.endsWith('Shown: what the relay sends now, without your changes.')")
            .await;
        desk.until("shows('second line') && !shows('worked before')").await;
        desk.run("choose('notification', 'sample:firing')").await;
        desk.until("shows('worked before')").await;

        // Nor does the page know a draft that worked after it was loaded.
        desk.reopen(&desk.app.url("/")).await;
        desk.until("el('stale-text').textContent.endsWith('Shown: what the relay sends now, without your changes.')")
            .await;
        desk.until("shows('second line') && !shows('worked before')").await;
        desk.at_size(size).await;
        desk.go_to_end_of_text().await;
        desk.keys(BACKSPACE.repeat("nmae }}".len())).await;
        desk.keys("name }}").await;
        desk.until("el('stale').hidden && el('frames').dataset.stale === 'false' && shows('worked before')")
            .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn error_in_the_file_itself_is_not_laid_to_the_reader() {
    let desk = Desk::open().await;
    desk.save("{{ nmae }}\n");
    desk.until("el('stale-text').textContent === 'The file has an error in line 1. Shown: what the relay sends now.'")
        .await;
    desk.until("shows('second line')").await;
    desk.leave().await;
}

#[tokio::test]
async fn body_and_template_that_do_not_fit_are_named_and_brought_together() {
    let other = r#"{"title": "backup done", "text": "OfAnotherProgram"}"#;
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.run("if (el('side-see').offsetParent) el('side-see').click(); el('paste-open').click()")
            .await;
        desk.run(&format!(
            "el('paste-text').value = {other:?}; el('paste-text').dispatchEvent(new Event('input'))"
        ))
        .await;
        desk.until("el('paste-fit').textContent === 'This body is not from Grafana or Alertmanager. The template alert cannot read it.'")
            .await;
        // Whoever uses it all the same sees no message that is not of it.
        desk.run("el('paste-form').requestSubmit()").await;
        desk.until("!opened('paste') && el('stale-text').textContent.startsWith('This body is not from Grafana') && messages().length === 0")
            .await;
        desk.until("el('verdict').textContent.startsWith('Not tried') && el('trouble').hidden")
            .await;
        desk.run("el('stale-turn').click()").await;
        desk.until("el('template').value === 'webhook' && shows('OfAnotherProgram') && el('stale').hidden")
            .await;
        assert_eq!(desk.run("return document.activeElement.id").await, "result");
        // Or at once, from where it is pasted.
        desk.run("choose('template', 'alert')").await;
        desk.until("!el('stale').hidden").await;
        desk.run("el('paste-open').click(); el('paste-other').click()").await;
        desk.until("el('template').value === 'webhook' && shows('OfAnotherProgram')")
            .await;

        // The other way round the built-in template is not blamed.
        desk.app.accept(&firing("OfAlerts")).await;
        desk.until("!el('newest').hidden").await;
        desk.run("el('newest').click()").await;
        desk.until("el('stale-text').textContent.startsWith('This is a notification of Grafana or Alertmanager.') && messages().length === 0")
            .await;
        desk.until("!el('remarks').children.length && !code().querySelector('.line-error')")
            .await;
        desk.run("el('stale-turn').click()").await;
        desk.until("el('template').value === 'alert' && shows('OfAlerts')")
            .await;
        // The browser itself notes the refusals that this is about.
        let console = desk.browser.console().await;
        assert!(console.iter().all(|line| line.contains("422")), "{console:#?}");
        desk.leave().await;
    }
}

#[tokio::test]
async fn new_template_that_reads_any_body_is_seen_with_one_before_it_is_saved() {
    let desk = Desk::editable().await;
    let other = r#"{"text": "OfAnotherProgram"}"#;
    desk.run("el('gallery-open').click()").await;
    desk.until("document.querySelectorAll('.pick').length > 10").await;
    desk.run(
        "const pick = [...document.querySelectorAll('.pick')].find((one) => one.querySelector('h3').textContent === 'webhook'); \
         [...pick.querySelectorAll('button')].find((one) => one.textContent === 'Use').click()",
    )
    .await;
    desk.until("el('template').value === 'mine'").await;
    desk.run(&format!(
        "el('paste-open').click(); el('paste-text').value = {other:?}; el('paste-form').requestSubmit()"
    ))
    .await;
    desk.until("shows('OfAnotherProgram') && el('stale').hidden").await;
    desk.leave().await;
}
