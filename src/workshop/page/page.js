// Wires the workshop: the folder into the editor, the editor into the preview, once a second what has changed.

import { ask, Refused } from './api.js';
import { fill, frameSwitches, onSwitch, sides, tabs } from './choices.js';
import * as deliveries from './deliveries.js';
import * as diff from './diff.js';
import { createEditor } from './editor.js';
import { Folder } from './folder.js';
import * as gallery from './gallery.js';
import { copy, download } from './handover.js';
import * as names from './names.js';
import * as notification from './notification.js';
import * as paste from './paste.js';
import * as place from './place.js';
import { showRemarks } from './remarks.js';
import { Renderer } from './render.js';
import * as result from './result.js';
import { save, wireSending } from './send.js';
import * as sequence from './sequence.js';

const POLL_MS = 1000;
const byId = (id) => document.getElementById(id);
const template = byId('template');
const file = byId('file');
const language = byId('language');
const folder = new Folder();
const troubles = new Map();
const asked = place.read();
let part = 'templates';
let side = 'edit';
let state = { editable: false, routes: [] };
// What was said of the last save, until the text changes.
let said = '';
let namesAreOf = '';

const editor = createEditor({
  host: byId('editor'),
  offer: names.offer,
  onSave: () => { if (!byId('save').hidden) byId('save').click(); },
  onEdit(text) {
    folder.edit(file.value, text);
    said = '';
    showStanding();
    preview();
  },
});

const renderer = new Renderer({
  show(answer, sent) {
    trouble('preview', null);
    result.show(answer, notification.body());
    if (openFile(sent) === file.value) showRemarks(answer, file.value, editor, goTo);
    byId('side-see').dataset.state = byId('verdict').dataset.state;
  },
  fail: (error) => trouble('preview', error),
});

function preview(wait) {
  byId('result').setAttribute('aria-busy', 'true');
  renderer.soon(request, wait);
  remember();
}

// The text in the editor is sent even when it is the file's: then the remarks are about exactly what is seen. Edits of
// other files go with it, so that a template and its partials are tried together.
function request() {
  const body = { template: template.value, source: editor.text, ...notification.request() };
  if (language.value) body.language = language.value;
  if (file.value !== ownFile()) body.file = file.value;
  const others = folder.unsaved.filter((path) => path !== file.value);
  if (others.length) body.sources = Object.fromEntries(others.map((path) => [path, folder.text(path)]));
  return body;
}

function remember() {
  if (!template.value) return;
  place.write({
    template: template.value, file: file.value === ownFile() ? '' : file.value, ...notification.choices(),
    language: language.value, side: side === 'names' ? side : '', part: part === 'templates' ? '' : part,
  });
}

function openFile(sent) {
  return sent.file ?? folder.templates.find((entry) => entry.name === sent.template)?.file;
}

function ownFile() {
  return folder.templates.find((entry) => entry.name === template.value)?.file;
}

function openEditor() {
  editor.mark([]);
  editor.open(file.value, folder.text(file.value));
  said = '';
  showStanding();
  notification.suitTemplate(template.value);
  notification.suitFile(file.value);
  loadBody();
}

function loadBody() {
  notification.loadBody(result.setPayload).catch((error) => trouble('preview', error));
  loadNames();
}

// The values of what is looked at, as long as somebody looks at them or may complete by them.
function loadNames() {
  const chosen = notification.value();
  // Which template it is decides what a pasted body may be.
  const of = chosen === notification.PASTED_VALUE ? `${chosen} ${template.value}` : chosen;
  if (!chosen || of === namesAreOf) return;
  namesAreOf = of;
  names.loadValues(request(), notification.title()).then(() => trouble('names', null), (error) => trouble('names', error));
}

/** Opens a template, and of it a file. */
function open(name, path) {
  template.value = name;
  fillFiles();
  file.value = path ?? ownFile();
  openEditor();
  preview(0);
}

function goTo(path, line) {
  if (path !== file.value && folder.files.has(path)) {
    const own = folder.templates.find((entry) => entry.file === path);
    open(own?.name ?? template.value, path);
  }
  toEditor();
  editor.goTo(line);
}

// What the text in the editor is: the file's, built in, or an edit; and whether the file went on without it.
function showStanding() {
  const path = file.value;
  const edited = folder.edited(path);
  const entry = folder.files.get(path);
  const others = folder.unsaved.filter((other) => other !== path);
  const kept = folder.kept ? 'Edited, kept in this browser' : 'Edited, and lost when this page goes';
  const standing = said || (edited ? kept : entry?.builtin ? 'Built in' : 'As on disk');
  byId('saved').textContent = others.length ? `${standing} · with your edit of ${others.join(', ')}` : standing;
  byId('saved').dataset.edited = edited;
  byId('revert').hidden = !edited;
  byId('save').hidden = !state.editable;
  byId('save').disabled = !edited || folder.overtaken(path);
  byId('save-hint').textContent = state.editable ? '' : 'Nothing is saved here (RELAY_WORKSHOP=edit): put the text into the file. ';
  byId('compare-open').hidden = !(edited || entry?.builtin_text);
  byId('changed').hidden = !folder.overtaken(path);
  byId('changed-text').textContent = folder.overtaken(path) ? `${path} has changed on disk.` : '';
}

function fillTemplates(fallback) {
  const first = template.options.length === 0;
  const title = (entry) => `${entry.name}${entry.name === fallback ? ' (default)' : entry.isNew ? ' (new)' : ''}`;
  fill(template, [['', folder.templates.map((entry) => [entry.name, title(entry)])]]);
  const there = (name) => folder.templates.some((entry) => entry.name === name);
  if (first) template.value = [asked.template, fallback].find(there) ?? template.value;
  return first;
}

function fillFiles() {
  fill(file, [['', folder.related(template.value).map((entry) => [entry.file, entry.file])]]);
}

async function look() {
  state = await ask('workshop/state');
  trouble('look', null);
  const changed = folder.apply(state.templates);
  const [shownFile, shown] = [file.value, notification.value()];
  const first = fillTemplates(state.default_template);
  fillFiles();
  if (first) file.value = folder.related(template.value).some((entry) => entry.file === asked.file) ? asked.file : ownFile();
  notification.offer(state);
  fill(language, [['', [['', 'the relay’s'], ...state.languages.map((name) => [name, name])]]]);
  if (first && state.languages.includes(asked.language)) language.value = asked.language;
  const moved = file.value !== shownFile;
  if (moved) openEditor();
  else if (changed.includes(file.value) && !folder.edited(file.value)) editor.replace(folder.text(file.value));
  showStanding();
  if (moved || changed.length || notification.value() !== shown) preview(0);
  loadBody();
}

// What does not work now, by who found out; `null` when it works again. Says whether there is no point in going on.
function trouble(who, error) {
  const refused = error instanceof Refused;
  const text = refused ? error.message : 'The relay does not answer. This page goes on when it does.';
  if (error) troubles.set(who, text);
  else if (troubles.delete(who) && who === 'look') preview(0);
  const all = [...new Set(troubles.values())].join(' ');
  if (byId('trouble').textContent !== all) byId('trouble').textContent = all;
  byId('trouble').hidden = all === '';
  return refused && error.status === 401;
}

// One look after the other, never two at once; none while nobody sees the page.
async function watch() {
  for (;;) {
    try {
      await look();
      if (part === 'deliveries') await deliveries.refresh();
    } catch (error) {
      if (trouble('look', error)) return;
    }
    await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
    if (document.hidden) await new Promise((resolve) => { document.addEventListener('visibilitychange', resolve, { once: true }); });
  }
}

template.addEventListener('change', () => open(template.value));
file.addEventListener('change', () => {
  openEditor();
  preview(0);
});
language.addEventListener('change', () => preview(0));
byId('notification').addEventListener('change', () => {
  notification.chosen();
  preview(0);
  loadBody();
});
byId('newest').addEventListener('click', () => notification.choose(byId('newest').dataset.value));

function toFile() {
  folder.discard(file.value);
  if (folder.files.has(file.value)) editor.replace(folder.text(file.value));
  else look().catch((error) => trouble('look', error));
  said = '';
  showStanding();
  preview(0);
  editor.focus();
}

byId('take').addEventListener('click', toFile);
byId('revert').addEventListener('click', toFile);
byId('keep').addEventListener('click', () => {
  folder.keep(file.value);
  showStanding();
  editor.focus();
});
byId('save').addEventListener('click', async () => {
  const path = file.value;
  byId('save').disabled = true;
  try {
    await save(folder, path);
    said = byId('verdict').dataset.state === 'error' ? 'Saved, but it does not work: the last version that did stays in use' : 'Saved';
    trouble('save', null);
  } catch (error) {
    trouble('save', error);
  }
  showStanding();
});
byId('copy').addEventListener('click', () => copied(byId('copy'), 'Copy', editor.text));
byId('share').addEventListener('click', () => copied(byId('share'), 'Copy link', location.href));
byId('download').addEventListener('click', () => download(file.value, editor.text));
addEventListener('beforeunload', (event) => {
  if (!folder.kept) event.preventDefault();
});

async function copied(button, text, what) {
  button.textContent = (await copy(what)) ? 'Copied' : 'Not copied';
  setTimeout(() => { button.textContent = text; }, 2000);
}

sequence.wire({
  current: notification.step,
  changed() {
    notification.forgetOwn();
    look().then(() => preview(0)).catch((error) => trouble('look', error));
  },
});
paste.wire(() => {
  namesAreOf = '';
  notification.offer(state);
  notification.choose(notification.PASTED_VALUE);
});
wireSending({
  routes: () => state.routes, request, title: notification.title,
  sent(room) {
    said = `Sent to ${room} as a test`;
    showStanding();
  },
});
diff.wire(() => {
  const entry = folder.files.get(file.value);
  const builtin = entry?.builtin ? entry.text : entry?.builtin_text ?? null;
  return { now: editor.text, builtin, disk: entry?.builtin || entry?.isNew ? null : entry?.text ?? null };
});
gallery.wire({
  templates: () => folder.templates,
  recipes: names.recipes,
  show: (name) => {
    const own = notification.sampleFor(name);
    if (own) return { sample: own };
    return notification.isOfAlerts() ? notification.request() : { sample: 'firing' };
  },
  exists: (name) => folder.templates.some((entry) => entry.name === name),
  edit: (name) => open(name),
  create(name, text) {
    folder.create(name, text);
    fillTemplates(state.default_template);
    open(name);
    editor.focus();
  },
});
names.wire((code) => {
  toEditor();
  editor.insert(code);
}, () => names.endsInTag(editor.before));
names.load().catch((error) => trouble('names', error));

const { turn, toEditor } = sides((name) => {
  side = name;
  remember();
});
const turnPart = tabs(['templates', 'deliveries'], 'tab', (name) => {
  part = name;
  for (const one of ['templates', 'deliveries']) byId(one).hidden = one !== name;
  if (name === 'deliveries') deliveries.refresh().catch((error) => trouble('look', error));
  remember();
});
notification.restore(asked);
frameSwitches(result.frames);
onSwitch('source', 'event', result.source);
byId('steps').addEventListener('change', result.frames);
if (asked.side) turn(asked.side);
if (asked.part) turnPart(asked.part);
await watch();
