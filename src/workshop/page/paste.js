// A body of one's own: pasted, kept in this tab, and looked at like a sample.

import { dialog } from './dialogs.js';

const KEY = 'relay-pasted';
const byId = (id) => document.getElementById(id);

/** What was pasted, or `null`. */
export let pasted = parse(sessionStorage.getItem(KEY));

/** What it is, in a few words. */
export function title() {
  const alerts = Array.isArray(pasted.alerts) ? pasted.alerts : [];
  const given = [alerts[0]?.labels?.alertname, pasted.title, pasted.name, pasted.text].find((one) => typeof one === 'string' && one);
  const name = given?.slice(0, 40) ?? 'no name';
  return alerts.length > 1 ? `pasted: ${name}, ${alerts.length} alerts` : `pasted: ${name}`;
}

/** `used` is called when something new was pasted. */
export function wire(used) {
  const box = dialog('paste', () => {
    byId('paste-wrong').textContent = '';
    byId('paste-text').value ||= pasted ? JSON.stringify(pasted, null, 2) : '';
  });
  byId('paste-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = byId('paste-text').value;
    const wrong = fault(text);
    byId('paste-wrong').textContent = wrong;
    if (wrong) return;
    pasted = JSON.parse(text);
    try {
      sessionStorage.setItem(KEY, text);
    } catch {
      // Too large to keep; it is shown all the same.
    }
    box.close();
    used();
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function fault(text) {
  try {
    const body = JSON.parse(text);
    return body && typeof body === 'object' && !Array.isArray(body) ? '' : 'This is JSON, but no object: a body begins with {.';
  } catch (error) {
    return `This is no JSON: ${error.message}`;
  }
}
