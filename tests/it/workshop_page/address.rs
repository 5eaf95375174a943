//! The address: a link is followed in a page that is open, the way back works, and what a link does not carry is said.

use std::fs;
use std::path::PathBuf;

use super::Desk;
use super::draft::SIZES;
use crate::app::App;

#[tokio::test]
async fn address_is_followed_in_an_open_page_and_back_again_with_the_edit() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.go_to_end_of_text().await;
        desk.keys("of mine").await;
        desk.until("shows('of mine')").await;
        desk.run("location.hash = 'template=compact&show=sequence:short&mode=thread&step=1&language=de&scheme=dark&width=phone'")
            .await;
        desk.until("el('template').value === 'compact' && el('file').value === 'compact.md.j2' && el('language').value === 'de'")
            .await;
        desk.until("el('notification').value === 'sequence:short' && el('mode').value === 'thread'")
            .await;
        desk.until("document.querySelectorAll('.frame').length === 1 && document.querySelector('.frame.phone.dark')")
            .await;
        desk.until(
            "document.querySelector('#steps input[value=\"1\"]').checked && messages().length && !shows('Thread')",
        )
        .await;
        desk.run("history.back()").await;
        desk.until("el('template').value === 'alert' && lineOf('of mine') && shows('of mine')")
            .await;
        desk.until("el('saved').dataset.edited === 'true' && el('notification').value === 'sample:firing'")
            .await;
        // What is chosen by hand is a place to come back to as well.
        desk.run("choose('template', 'detailed')").await;
        desk.until("location.hash.includes('template=detailed')").await;
        desk.run("el('tab-deliveries').click()").await;
        desk.until("location.hash.includes('part=deliveries')").await;
        desk.run("history.back()").await;
        desk.until("el('deliveries').hidden && el('template').value === 'detailed'")
            .await;
        desk.run("history.back()").await;
        desk.until("el('template').value === 'alert' && lineOf('of mine')")
            .await;
        desk.run("history.forward()").await;
        desk.until("el('template').value === 'detailed'").await;
        // An address that names what is not there is put right, and does not keep anybody from going back.
        desk.run("location.hash = 'template=nosuch&part=deliveries'").await;
        desk.until("!el('deliveries').hidden && location.hash.includes('template=alert') && location.hash.includes('part=deliveries')")
            .await;
        desk.run("el('tab-templates').click()").await;
        desk.until("!el('templates').hidden && shows('of mine')").await;
        desk.run("history.go(-2)").await;
        desk.until("el('template').value === 'detailed' && el('deliveries').hidden")
            .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn link_carries_how_it_is_looked_at_and_says_what_it_leaves_out() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
            .await;
        desk.run("choose('notification', 'sequence:short')").await;
        desk.until("!el('steps').hidden").await;
        desk.run("document.querySelector('#steps input[value=\"1\"]').click(); document.querySelector('#scheme input[value=dark]').click(); \
            document.querySelector('#width input[value=phone]').click(); el('share').click()")
            .await;
        desk.until("['step=1', 'scheme=dark', 'width=phone', 'template=alert', 'show=sequence:short'].every((part) => window.copied?.includes(part))")
            .await;
        assert_eq!(desk.run("return el('saved').textContent").await, "As on disk");
        let shared = desk.run("return window.copied").await;

        desk.go_to_end_of_text().await;
        desk.keys("of mine").await;
        let body = crate::app::firing("Pasted").to_string();
        desk.run(&format!(
            "el('paste-text').value = {body:?}; el('paste-form').requestSubmit(); window.copied = null"
        ))
        .await;
        desk.until("shows('Pasted') && shows('of mine')").await;
        desk.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }; el('share').click()")
            .await;
        desk.until(
            "el('saved').textContent === 'Copied. Not in the link: your unsaved edit of alert.md.j2, the pasted body.'",
        )
        .await;

        desk.reopen(shared.as_str().unwrap()).await;
        desk.until("document.querySelectorAll('.frame').length === 1 && document.querySelector('.frame.phone.dark')")
            .await;
        desk.until("document.querySelector('#steps input[value=\"1\"]').checked")
            .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn lines_of_a_thread_lead_to_the_template_that_writes_them() {
    let desk = Desk::open().await;
    desk.until("el('lines-note').hidden && el('mentions-note').hidden")
        .await;
    desk.run("choose('notification', 'sequence:short')").await;
    desk.until("!el('lines-note').hidden").await;
    desk.run("el('lines-edit').click()").await;
    desk.until("el('template').value === 'update' && lineOf('change.starting')")
        .await;
    desk.leave().await;
}

#[tokio::test]
async fn mentions_that_a_route_adds_are_spoken_of_where_they_are_not_shown() {
    let routes = "[routes.default]\nrooms = '{room}'\n[routes.oncall]\nrooms = '{room}'\nmentions = { room = true }\n";
    let app = App::with(|flags| {
        let folder = PathBuf::from(flags.delivery.data_dir.clone().unwrap());
        let file = folder.parent().unwrap().join("routes.toml");
        let room = flags.default_room.take().unwrap();
        fs::write(&file, routes.replace("{room}", &room)).unwrap();
        flags.routes_file = Some(file.display().to_string());
    })
    .await;
    let desk = Desk::on(app).await;
    desk.until("el('mentions-note').checkVisibility() && el('mentions-note').textContent.startsWith('The route oncall mentions people')")
        .await;
    // What does not notify mentions nobody either.
    desk.run("choose('notification', 'sample:resolved')").await;
    desk.until("shows('RESOLVED') && el('mentions-note').hidden").await;
    desk.leave().await;
}
