//! Nothing is lost by one press: a broken text is saved only after a question, an edit that was discarded comes back, and so does the
//! built-in text.

use std::fs;

use super::draft::SIZES;
use super::{Desk, FIRST};

#[tokio::test]
async fn text_with_an_error_is_saved_only_after_a_question() {
    for size in SIZES {
        let desk = Desk::editable().await;
        desk.at_size(size).await;
        desk.go_to_end_of_text().await;
        // Asked is about the text as it is now, not about the one that was judged last.
        desk.keys("{{ nmae }}").await;
        desk.run("el('save').click()").await;
        desk.until("opened('broken') && el('broken-title').textContent === 'This has 1 error'")
            .await;
        desk.until("el('broken-go').textContent === 'Go to line 4' && el('broken-then').textContent.includes('goes on with what it uses now')")
            .await;
        desk.run("el('broken-go').click()").await;
        desk.until("!opened('broken') && document.activeElement.id === 'editor'")
            .await;
        assert_eq!(fs::read_to_string(desk.file()).unwrap(), FIRST);
        desk.until("el('save').ariaDisabled !== 'true'").await;
        desk.run("el('save').click()").await;
        desk.until("opened('broken')").await;
        desk.run("el('broken-save').click()").await;
        desk.until("el('saved').textContent.startsWith('Saved with 1 error: the relay goes on') && el('saved').dataset.said === 'error'")
            .await;
        assert!(fs::read_to_string(desk.file()).unwrap().contains("nmae"));
        desk.leave().await;
    }
}

#[tokio::test]
async fn focus_stays_on_save() {
    let desk = Desk::editable().await;
    desk.go_to_end_of_text().await;
    desk.keys("mine").await;
    desk.until("el('save').ariaDisabled !== 'true'").await;
    desk.run("el('save').focus(); el('save').click()").await;
    desk.until("el('saved').textContent === 'Saved' && el('saved').dataset.said === 'good'")
        .await;
    assert_eq!(desk.run("return document.activeElement.id").await, "save");
    desk.leave().await;
}

#[tokio::test]
async fn discarded_edit_comes_back_and_no_button_moves() {
    let places = "return JSON.stringify([...document.querySelectorAll('#edit .foot button')].slice(0, 6).map((one) => \
        [one.id, one.getBoundingClientRect().x, one.getBoundingClientRect().y]))";
    for size in SIZES {
        let desk = Desk::editable().await;
        desk.at_size(size).await;
        desk.until("el('revert').disabled").await;
        desk.run("scrollTo(0, 0)").await;
        let before = desk.run(places).await;
        desk.go_to_end_of_text().await;
        desk.keys("mine").await;
        desk.until("shows('mine') && !el('revert').disabled").await;
        desk.run("el('revert').click()").await;
        desk.until("!lineOf('mine') && !shows('mine') && el('revert').textContent === 'Undo discarding'")
            .await;
        desk.run("scrollTo(0, 0)").await;
        assert_eq!(desk.run(places).await, before);
        desk.run("el('revert').click()").await;
        desk.until("lineOf('mine') && shows('mine') && el('revert').textContent === 'Discard my edit'")
            .await;
        // A template that no file holds comes back as well.
        desk.run("el('gallery-open').click()").await;
        desk.until("document.querySelectorAll('.pick').length > 10").await;
        desk.run("document.querySelectorAll('.pick')[1].querySelectorAll('.does button')[1].click()")
            .await;
        desk.until("el('template').value === 'mine'").await;
        desk.run("el('revert').click()").await;
        desk.until("el('template').value !== 'mine'").await;
        desk.run("el('revert').click()").await;
        desk.until("el('template').value === 'mine' && el('saved').dataset.edited === 'true'")
            .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn built_in_text_comes_back_as_a_draft() {
    for size in SIZES {
        let desk = Desk::editable().await;
        desk.at_size(size).await;
        desk.until("!el('compare-open').disabled").await;
        desk.run("el('compare-open').click()").await;
        desk.until("opened('compare') && el('compare-said').textContent.includes(' added, ')")
            .await;
        desk.run("el('take-builtin').click()").await;
        desk.until("!opened('compare') && lineOf('partials/header.md.j2') && el('saved').dataset.edited === 'true' && shows('CheckoutSlow') && !shows('second line')")
            .await;
        assert_eq!(
            fs::read_to_string(desk.file()).unwrap(),
            FIRST,
            "it is a draft until somebody saves it"
        );
        desk.leave().await;
    }
}
