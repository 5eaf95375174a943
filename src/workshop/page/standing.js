// What the text in the editor is (the file's, built in, or an edit), whether the file went on without it, and the buttons that
// change that.

import { copy, download } from './handover.js';
import { save } from './send.js';
import { trouble } from './trouble.js';

const byId = (id) => document.getElementById(id);
// What was said of the last save, until the text changes.
let said = '';
let page;

/** Shows it, and with it a sentence about what was just done. */
export function show(sentence = said) {
  said = sentence;
  const { folder } = page;
  const [path, editable] = [page.path(), page.editable()];
  const edited = folder.edited(path);
  const entry = folder.files.get(path);
  const others = folder.unsaved.filter((other) => other !== path);
  const kept = folder.kept ? 'Edited, kept in this browser' : 'Edited, and lost when this page goes';
  const standing = said || (edited ? kept : entry?.builtin ? 'Built in' : 'As on disk');
  byId('saved').textContent = others.length ? `${standing} · with your edit of ${others.join(', ')}` : standing;
  byId('saved').dataset.edited = edited;
  byId('revert').hidden = !edited;
  byId('save').hidden = !editable;
  byId('save').disabled = !edited || folder.overtaken(path);
  byId('save-hint').textContent = editable ? '' : 'Nothing is saved here (RELAY_WORKSHOP=edit): put the text into the file. ';
  byId('compare-open').hidden = !(edited || entry?.builtin_text);
  byId('changed').hidden = !folder.overtaken(path);
  byId('changed-text').textContent = folder.overtaken(path) ? `${path} has changed on disk.` : '';
}

/** `discarded` is called when the edit was given up for what the file says. */
export function wire(of) {
  page = of;
  const { folder, path, editor, discarded } = page;
  const toFile = () => {
    folder.discard(path());
    discarded();
    show('');
    editor.focus();
  };
  byId('take').addEventListener('click', toFile);
  byId('revert').addEventListener('click', toFile);
  byId('keep').addEventListener('click', () => {
    folder.keep(path());
    show();
    editor.focus();
  });
  byId('save').addEventListener('click', () => saveFile(path()));
  byId('copy').addEventListener('click', () => copied(byId('copy'), 'Copy', editor.text));
  byId('share').addEventListener('click', () => copied(byId('share'), 'Copy link', location.href));
  byId('download').addEventListener('click', () => download(path(), editor.text));
}

/** Saves as the key of the editor asks for it. */
export function saveByKey() {
  if (!byId('save').hidden) byId('save').click();
}

async function saveFile(path) {
  byId('save').disabled = true;
  try {
    await save(page.folder, path);
    const works = byId('verdict').dataset.state !== 'error';
    said = works ? 'Saved' : 'Saved, but it does not work: the last version that did stays in use';
    trouble('save', null);
  } catch (error) {
    trouble('save', error);
  }
  show();
}

async function copied(button, text, what) {
  button.textContent = (await copy(what)) ? 'Copied' : 'Not copied';
  setTimeout(() => { button.textContent = text; }, 2000);
}
