// What all dialogs have in common: they close by their own button, by Escape, and by a click beside them.

/** A dialog that opens by a button; `opened` is called each time before it is shown. */
export function dialog(name, opened) {
  const box = document.getElementById(name);
  box.addEventListener('click', (event) => {
    if (event.target === box || event.target.closest('[data-close]')) box.close();
  });
  document.getElementById(`${name}-open`)?.addEventListener('click', () => {
    opened();
    box.showModal();
  });
  return box;
}
