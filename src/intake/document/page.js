// Swagger UI gives the focus to the last of its fields; the first is the token.
new MutationObserver((changes) => {
  const added = changes.flatMap(({ addedNodes }) => [...addedNodes]);
  const dialog = added.find((node) => node.querySelector?.('.auth-container'));
  if (!dialog) return;
  dialog.querySelector('.auth-container input')?.focus();
  dialog.querySelector('.modal-ux-content')?.scrollTo(0, 0);
}).observe(document.getElementById('ui'), { childList: true, subtree: true });
