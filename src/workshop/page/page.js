// Wires the workshop: the folder into the editor, the editor into the preview, once a second what has changed.

import { ask } from './api.js';
import { fill, frameSwitches, onSwitch, sides, tabs } from './choices.js';
import * as deliveries from './deliveries.js';
import * as diff from './diff.js';
import { createEditor } from './editor.js';
import { Folder } from './folder.js';
import * as gallery from './gallery.js';
import * as names from './names.js';
import * as notification from './notification.js';
import * as paste from './paste.js';
import * as place from './place.js';
import { showRemarks } from './remarks.js';
import { Renderer } from './render.js';
import * as result from './result.js';
import { wireSending } from './send.js';
import * as sequence from './sequence.js';
import * as standing from './standing.js';
import { trouble, wire as wireTrouble } from './trouble.js';

const POLL_MS = 1000;
const byId = (id) => document.getElementById(id);
const template = byId('template');
const file = byId('file');
const language = byId('language');
const folder = new Folder();
const asked = place.read();
let part = 'templates';
let side = 'edit';
let state = { editable: false, routes: [] };
let namesAreOf = '';

const editor = createEditor({
  host: byId('editor'),
  offer: names.offer,
  onSave: standing.saveByKey,
  onEdit(text) {
    folder.edit(file.value, text);
    standing.show('');
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
  standing.show('');
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
  standing.show();
  if (moved || changed.length || notification.value() !== shown) preview(0);
  loadBody();
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

standing.wire({
  folder, editor, path: () => file.value, editable: () => state.editable,
  discarded() {
    if (folder.files.has(file.value)) editor.replace(folder.text(file.value));
    else look().catch((error) => trouble('look', error));
    preview(0);
  },
});
wireTrouble(() => preview(0));
addEventListener('beforeunload', (event) => {
  if (!folder.kept) event.preventDefault();
});

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
  sent: (room) => standing.show(`Sent to ${room} as a test`),
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
