// What the text in the editor is (the file's, built in, or an edit), whether the file went on without it, and the buttons that
// change that. No button comes or goes: what cannot be pressed now is dimmed in its place.

import * as selection from './selection.js';
import { copy, download } from './handover.js';
import { save } from './saving.js';

const byId = (id) => document.getElementById(id);
const { folder } = selection;
const UNDO = 'Undo discarding';
const NOTHING = { text: '', kind: '' };
// What was said of the last thing that was done, until the text changes.
let said = NOTHING;
// The edit that was given up last, `{ path, edit }`, until the user goes on with something else.
let discarded = null;
let isSaving = false;
let page;

/** Shows it, and with it what was just done: `kind` is `good` or `error`. */
export function show(text, kind = 'good') {
  if (text !== undefined) said = text ? { text, kind } : NOTHING;
  const [path, editable] = [selection.path(), page.editable()];
  const [edited, overtaken, entry] = [folder.edited(path), folder.overtaken(path), folder.files.get(path)];
  // A template that no file held is gone with its edit.
  const canUndo = Boolean(discarded) && (discarded.path === path || !folder.files.has(discarded.path));
  const others = folder.unsaved.filter((other) => other !== path);
  const kept = folder.kept ? 'Edited, kept in this browser' : 'Edited, and lost when this page goes';
  const standing = said.text || (edited ? kept : entry?.builtin ? 'Built in' : 'As on disk');
  byId('saved').textContent = others.length ? `${standing} · not saved yet: ${others.join(', ')}` : standing;
  byId('saved').dataset.edited = edited;
  byId('saved').dataset.said = said.kind;
  byId('revert').disabled = !edited && !canUndo;
  byId('revert').textContent = canUndo ? UNDO : 'Discard my edit';
  byId('save').hidden = !editable;
  // It can still be reached: the focus stays on it when it was pressed.
  byId('save').ariaDisabled = String(!edited || overtaken || isSaving);
  byId('save-hint').textContent = editable ? '' : 'Nothing is saved here (RELAY_WORKSHOP=edit): put the text into the file. ';
  byId('save-key').hidden = !editable;
  byId('compare-open').disabled = !(edited || entry?.builtin_text);
  byId('changed').hidden = !overtaken;
  byId('changed-text').textContent = overtaken ? `${path} has changed on disk.` : '';
}

/** The user goes on: what was said and given up before is past. */
export function goOn() {
  discarded = null;
  show('');
}

/** `discarded` is called when the edit was given up for what the file says, `restored` with the path when it came back. */
export function wire(of) {
  page = of;
  const { editor } = page;
  byId('take').addEventListener('click', discard);
  byId('revert').addEventListener('click', () => (byId('revert').textContent === UNDO ? restore() : discard()));
  byId('keep').addEventListener('click', () => {
    folder.keep(selection.path());
    show();
    editor.focus();
  });
  byId('save').addEventListener('click', () => saveFile(selection.path()));
  byId('copy').addEventListener('click', () => copied(byId('copy'), 'Copy', editor.text));
  byId('share').addEventListener('click', async () => {
    const left = page.leftOut();
    if (await copied(byId('share'), 'Copy link', page.link()) && left.length) show(`Copied. Not in the link: ${left.join(', ')}.`);
  });
  byId('download').addEventListener('click', () => download(selection.path(), editor.text));
}

function discard() {
  const path = selection.path();
  const edit = folder.discard(path);
  page.discarded();
  discarded = edit ? { path, edit } : null;
  show('');
  page.editor.focus();
}

function restore() {
  const { path, edit } = discarded;
  folder.restore(path, edit);
  page.restored(path);
  goOn();
  page.editor.focus();
}

/** Saves as the key of the editor asks for it. */
export function saveByKey() {
  if (!byId('save').hidden) byId('save').click();
}

async function saveFile(path) {
  if (byId('save').ariaDisabled === 'true') return;
  isSaving = true;
  show();
  const done = await save(path, page);
  isSaving = false;
  if (done) show(done.text, done.kind);
  else show();
}

async function copied(button, text, what) {
  const isCopied = await copy(what);
  button.textContent = isCopied ? 'Copied' : 'Not copied';
  setTimeout(() => { button.textContent = text; }, 2000);
  return isCopied;
}
