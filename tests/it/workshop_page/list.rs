//! The list of deliveries in the browser: a row opens, a search finds, and what waits is given up.

use grafana_matrix_relay::standin::{Fault, Scope, When};

use super::Desk;
use super::draft::SIZES;
use crate::app::firing;

#[tokio::test]
async fn row_opens_to_its_text_and_its_event_and_is_found_by_a_search() {
    for (width, height) in SIZES {
        let desk = Desk::open().await;
        desk.browser.resize(width, height).await;
        for name in ["Alpha", "Beta"] {
            desk.app.accept(&firing(name)).await;
        }
        desk.app.settled().await;
        desk.run("el('tab-deliveries').click()").await;
        desk.until("document.querySelectorAll('#rows .badge.delivered').length === 2 && el('templates').hidden")
            .await;
        // The room by its name.
        desk.until("[...document.querySelectorAll('#rows .room')].every((one) => one.textContent === 'ops')")
            .await;
        desk.run("el('deliveries-search').value = 'alpha'; el('deliveries-search').dispatchEvent(new Event('input'))")
            .await;
        desk.until("document.querySelectorAll('#rows > tr').length === 1 && el('rows').innerText.includes('Alpha')")
            .await;
        desk.run("document.querySelector('#rows .open').click()").await;
        desk.until("document.querySelector('.delivery-text')?.textContent.includes('Alpha is FIRING')")
            .await;
        desk.until("document.querySelector('.facts a')?.href.startsWith('https://matrix.to/#/!')")
            .await;
        // Neither of the two things that can be done is possible here, and that is said.
        desk.until("document.querySelector('.details .do').textContent.startsWith('It is delivered')")
            .await;
        desk.until("location.hash.includes('part=deliveries') && location.hash.includes('search=alpha')")
            .await;
        assert_eq!(
            desk.run("return document.documentElement.scrollWidth <= innerWidth && el('rows-box').scrollWidth <= el('rows-box').clientWidth")
                .await,
            true
        );
        // It stays open while the list is kept current.
        desk.app.accept(&firing("AlphaAgain")).await;
        desk.until("el('rows').innerText.includes('AlphaAgain') && document.querySelector('.delivery-text')")
            .await;
        desk.run("document.querySelector('#rows [aria-expanded=true]').click()")
            .await;
        desk.until("!document.querySelector('.delivery-text')").await;
        // The search is a place of its own: a link leads to it.
        let shared = desk.run("return location.href").await;
        desk.browser.open("about:blank").await;
        desk.browser.open(shared.as_str().unwrap()).await;
        desk.help().await;
        desk.until("document.querySelectorAll('#rows > tr').length === 2 && el('deliveries-search').value === 'alpha'")
            .await;
        desk.run("choose('state', 'dead')").await;
        desk.until("el('no-rows').textContent === 'No delivery matches.' && location.hash.includes('state=dead')")
            .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn delivery_that_waits_is_given_up_after_a_second_press() {
    let desk = Desk::open().await;
    let homeserver = &desk.app.homeserver.homeserver;
    homeserver.plan(Scope::Sends, When::Always, Fault::Refused(503, "M_UNKNOWN"));
    desk.app.accept(&firing("First")).await;
    desk.app.accept(&firing("Second")).await;
    desk.run("el('tab-deliveries').click(); choose('state', 'pending')")
        .await;
    desk.until("el('rows').innerText.includes('Second')").await;
    desk.run("[...document.querySelectorAll('#rows .open')].find((one) => one.textContent.includes('Second')).click()")
        .await;
    desk.until("document.querySelector('.details .do button')").await;
    desk.run("document.querySelector('.details .do button').click()").await;
    desk.until("document.querySelector('.details .do button').textContent.startsWith('Press again')")
        .await;
    desk.run("document.querySelector('.details .do button').click()").await;
    desk.until("el('deliveries-said').textContent.includes('is given up')")
        .await;
    desk.run("choose('state', 'dead')").await;
    desk.until(
        "document.querySelector('#rows .badge.dead')?.textContent === 'given up' && el('rows').innerText.includes('Second')",
    )
    .await;
    desk.leave().await;
}
