// Errors and warnings: on their line in the editor if they are about the open file, and all of them in a list below it.

import { element } from './message.js';

const verdict = document.getElementById('verdict');
const list = document.getElementById('remarks');
const box = list.parentElement;

let shown = [];

/** The errors that are shown. */
export const errors = () => shown.filter((one) => severity(one) === 'error');

/** Says that nothing was judged, because the notification is not for the template. */
export function showNone(file, editor, open) {
  showRemarks([], file, editor, open);
  verdict.textContent = 'Not tried: this notification is not for this template.';
  verdict.dataset.state = 'none';
}

/** Shows remarks; `open(file, line)` goes to one of them. */
export function showRemarks(diagnostics, file, editor, open) {
  shown = diagnostics;
  editor.mark(diagnostics.filter((one) => one.file === file && one.line).map((one) => ({ ...one, severity: severity(one) })));
  say(diagnostics);
  // A list that says the same stays: it is not read out again, and a button of it keeps the focus.
  const text = JSON.stringify([diagnostics, file]);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...diagnostics.map((one) => item(one, file, open)));
  reach();
}

// What scrolls has to be reached by the keyboard; what does not is no stop on the way.
function reach() {
  if (box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
  else box.removeAttribute('tabindex');
}
new ResizeObserver(reach).observe(box);


// Only a change of the words is read out, so that typing on does not repeat them.
function say(diagnostics) {
  const errors = diagnostics.filter((one) => severity(one) === 'error').length;
  const warnings = diagnostics.length - errors;
  const count = (number, word) => number && `${number} ${word}${number === 1 ? '' : 's'}`;
  const counts = [count(errors, 'error'), count(warnings, 'warning')].filter(Boolean).join(', ');
  const text = counts ? `${counts}.${errors ? ' The relay would not use it.' : ''}` : 'No errors, no warnings.';
  if (verdict.textContent !== text) verdict.textContent = text;
  verdict.dataset.state = errors ? 'error' : warnings ? 'warning' : 'good';
}

function item(one, file, open) {
  const row = element('li', `remark ${severity(one)}`);
  const place = [one.file !== file && one.file, one.line && `line ${one.line}`].filter(Boolean).join(', ');
  const text = [element('b', '', severity(one)), element('span', '', [place, one.message].filter(Boolean).join(': '))];
  if (one.line || one.file !== file) {
    const button = element('button', '');
    button.type = 'button';
    button.append(...text);
    button.addEventListener('click', () => open(one.file, one.line ?? 1));
    row.append(button);
  } else {
    row.append(...text);
  }
  return row;
}

function severity(one) {
  return one.severity === 'warning' ? 'warning' : 'error';
}
