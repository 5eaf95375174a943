//! The editor under the hands: tags that close themselves, and the list of names on a screen of any width.

use super::draft::SIZES;
use super::{BACKSPACE, Desk, ENTER, ESCAPE};

/// The text of the last line, as it is.
const LAST: &str = "[...code().querySelectorAll('.cm-line')].at(-1).textContent";

#[tokio::test]
async fn tag_closes_itself_and_its_end_is_typed_over() {
    let desk = Desk::open().await;
    desk.go_to_end_of_text().await;
    desk.keys("{{").await;
    desk.until(&format!("{LAST} === '{{{{  }}}}'")).await;
    // It goes as it came.
    desk.keys(BACKSPACE).await;
    desk.until(&format!("{LAST} === ''")).await;
    // Whoever knows nothing of it types on as always.
    for text in [
        "{{ name }}",
        "{% if name %}",
        "{%- endif -%}",
        "{{ {'a': 1} }}",
        "{# a #}",
    ] {
        desk.keys(text).await;
        desk.until(&format!("{LAST} === {text:?}")).await;
        desk.keys(format!("{ESCAPE}{ENTER}")).await;
        desk.until(&format!("{LAST} === ''")).await;
    }
    // Without blanks and without the end.
    desk.keys("{{name | upper").await;
    desk.until(&format!("{LAST} === '{{{{ name | upper }}}}'")).await;
    desk.leave().await;
}

#[tokio::test]
async fn help_stands_beside_the_names_or_among_them_and_never_on_them() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        let is_phone = size.0 < 600;
        if is_phone {
            desk.browser.touches().await;
        }
        desk.run("window.offered = () => [...code().querySelectorAll('.cm-tooltip-autocomplete li')]; \
            window.at = (one) => { const { x, y, width, height } = one.getBoundingClientRect(); return [x + width / 2, y + height / 2]; }; \
            window.isSeen = (one) => one.contains(code().elementFromPoint(...at(one)))")
            .await;
        desk.go_to_end_of_text().await;
        desk.keys("{{ severit").await;
        desk.until("offered().length === 2 && offered().every(isSeen)").await;
        if is_phone {
            desk.until("offered().every((one) => one.querySelector('.help').textContent.length > 5) && !code().querySelector('.cm-completionInfo')")
                .await;
            let point = desk.run("return at(offered()[1])").await;
            desk.browser
                .tap(point[0].as_f64().unwrap(), point[1].as_f64().unwrap())
                .await;
        } else {
            desk.until(
                "code().querySelector('.cm-completionInfo') && isSeen(code().querySelector('.cm-completionInfo'))",
            )
            .await;
            let press = "const [x, y] = at(offered()[1]); \
                offered()[1].dispatchEvent(new MouseEvent('mousedown', { bubbles: true, cancelable: true, clientX: x, clientY: y }))";
            desk.run(press).await;
        }
        desk.until(&format!("{LAST} === '{{{{ severity }}}}' && shows('critical')"))
            .await;
        // Keys are spoken of where there are some.
        let keys = desk
            .run("return getComputedStyle(document.querySelector('.keys')).display !== 'none'")
            .await;
        assert_eq!(keys, !is_phone);
        desk.leave().await;
    }
}

#[tokio::test]
async fn filters_are_one_press_away() {
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        desk.run("el('side-names').click()").await;
        desk.until("el('names').offsetParent && document.querySelectorAll('.name').length > 100")
            .await;
        desk.run(
            "[...document.querySelectorAll('#names-jump button')].find((one) => one.textContent === 'Filters').click()",
        )
        .await;
        desk.until("document.activeElement.closest('section > ul')?.previousSibling.textContent.startsWith('Filters')")
            .await;
        desk.until(
            "(({ top }) => top > 0 && top < innerHeight)(document.activeElement.getBoundingClientRect()) && \
             document.activeElement.contains(document.elementFromPoint(...(({ x, y, width, height }) => [x + width / 2, y + height / 2])(document.activeElement.getBoundingClientRect())))",
        )
        .await;
        desk.leave().await;
    }
}

#[tokio::test]
async fn way_by_keyboard_goes_as_it_is_seen() {
    let follows = "return Boolean(el('edit').compareDocumentPosition(document.querySelector('.sides')) & Node.DOCUMENT_POSITION_FOLLOWING)";
    for size in SIZES {
        let desk = Desk::open().await;
        desk.at_size(size).await;
        assert_eq!(desk.run(follows).await, size.0 > 600);
        // What does not scroll is no stop.
        assert_eq!(
            desk.run("return document.querySelector('.remarks').hasAttribute('tabindex')")
                .await,
            false
        );
        desk.leave().await;
    }
}
