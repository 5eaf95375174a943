// A body of one's own: pasted, kept in this tab, and looked at like a sample.

import { dialog } from './dialogs.js';
import { misfit } from './fit.js';
import { prose } from './prose.js';

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

/** `used` is called when something new was pasted, with the template that is to show it if the open one cannot. */
export function wire(used) {
  let better = null;
  // Whether the body is for the open template is said before it is used.
  const judge = () => {
    const body = parse(byId('paste-text').value);
    const wrong = isObject(body) ? misfit(body) : null;
    better = wrong?.template ?? null;
    byId('paste-fit').hidden = !wrong;
    byId('paste-fit').replaceChildren(...prose(wrong?.text ?? ''));
    byId('paste-other').hidden = !wrong;
    byId('paste-other').replaceChildren(...prose(`Show it with \`${better}\``));
  };
  const box = dialog('paste', () => {
    byId('paste-wrong').textContent = '';
    byId('paste-text').value ||= pasted ? JSON.stringify(pasted, null, 2) : '';
    judge();
  });
  const use = (template) => {
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
    used(template);
  };
  byId('paste-text').addEventListener('input', judge);
  byId('paste-other').addEventListener('click', () => use(better));
  byId('paste-form').addEventListener('submit', (event) => {
    event.preventDefault();
    use(null);
  });
}

const isObject = (body) => body && typeof body === 'object' && !Array.isArray(body);

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
    return isObject(body) ? '' : 'This is JSON, but no object: a body begins with {.';
  } catch (error) {
    return `This is not valid JSON: ${error.message}`;
  }
}
