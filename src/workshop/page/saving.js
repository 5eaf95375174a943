// *Save*: where the text has errors, what the relay would do is said first, and saved only if it is still wanted.

import { Refused, ask } from './api.js';
import * as selection from './selection.js';
import { trouble } from './trouble.js';

const byId = (id) => document.getElementById(id);
const box = byId('broken');
const count = (number) => `${number} error${number === 1 ? '' : 's'}`;

/**
 * Saves a file; returns what is to be said of it, `{ text, kind }`, or `null` if it was not saved. `settled` waits for the judgement
 * of the newest text, `errors` tells it, `isShown` whether the text works all the same for what is looked at, `goTo` shows an error.
 */
export async function save(path, { settled, errors, isShown, goTo }) {
  await settled();
  const wrong = errors();
  const then = wrong.length ? consequence(path, isShown()) : '';
  if (wrong.length && !(await confirmed(wrong, then, goTo))) return null;
  try {
    await write(path);
    trouble('save', null);
  } catch (error) {
    trouble('save', error);
    return { text: error instanceof Refused ? 'Not saved' : 'Not saved: the relay does not answer', kind: 'error' };
  }
  return wrong.length ? { text: `Saved with ${count(wrong.length)}: ${then}`, kind: 'error' } : { text: 'Saved', kind: 'good' };
}

/** Writes a draft into its file; throws `Refused` with status 409 if the file is another one by now. */
async function write(path) {
  const text = selection.folder.text(path);
  const { etag } = await ask('workshop/template', { method: 'PUT', body: { file: path, text, etag: selection.folder.etag(path) } });
  selection.folder.saved(path, text, etag);
}

// The relay takes the folder as a whole or not at all; what was never in use has a built-in text, or none.
function consequence(path, works) {
  const entry = selection.folder.files.get(path);
  if (works) return 'the relay uses its built-in text where the error counts, and says so in those messages.';
  if (entry?.isNew) return 'the relay does not use it, and takes no other change of the folder, until that is mended.';
  if (entry?.builtin) return 'the relay goes on with its built-in text, and every message says so.';
  return 'the relay goes on with what it uses now, and takes no other change of the folder, until that is mended.';
}

function confirmed(wrong, then, goTo) {
  const first = wrong.find((one) => one.line) ?? wrong[0];
  byId('broken-title').textContent = `This has ${count(wrong.length)}`;
  byId('broken-then').textContent = `If you save it, ${then}`;
  byId('broken-first').textContent = [first.file, first.line && `line ${first.line}`, first.message].filter(Boolean).join(': ');
  byId('broken-go').textContent = first.line ? `Go to line ${first.line}` : 'Go to the text';
  box.returnValue = '';
  box.showModal();
  return new Promise((resolve) => {
    box.addEventListener('close', () => {
      if (box.returnValue === 'go') goTo(first.file, first.line ?? 1);
      resolve(box.returnValue === 'save');
    }, { once: true });
  });
}
