// In a block of its own: names of a script are names of the page.
{
  // Swagger UI gives the focus to the last of its fields; the first is the token.
  const ui = document.getElementById('ui');
  new MutationObserver((changes) => {
    const added = changes.flatMap(({ addedNodes }) => [...addedNodes]);
    const dialog = added.find((node) => node.querySelector?.('.auth-container'));
    if (!dialog) return;
    dialog.querySelector('.auth-container input')?.focus();
    dialog.querySelector('.modal-ux-content')?.scrollTo(0, 0);
  }).observe(ui, { childList: true, subtree: true });

  // Where nobody is asked for a credential, this is said beside the button that asks for one.
  const free = document.getElementById('open');
  if (free) {
    new MutationObserver((_, observer) => {
      const button = ui.querySelector('.auth-wrapper');
      if (!button) return;
      observer.disconnect();
      button.before(free.content);
    }).observe(ui, { childList: true, subtree: true });
  }

  // Swagger UI makes an entry of the history of each operation that is opened, so that Back would not leave the page.
  history.pushState = history.replaceState.bind(history);

  // Back to where somebody came from, as it was, where that was a page of this relay; else to the first page.
  document.getElementById('back')?.addEventListener('click', (event) => {
    const { navigation } = window;
    const before = navigation?.entries().filter(({ index, sameDocument }) => index < navigation.currentEntry.index && !sameDocument);
    if (!before?.length) return;
    event.preventDefault();
    navigation.traverseTo(before.at(-1).key);
  });
}
