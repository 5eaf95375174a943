// Wires the workshop: the folder into the editor, the editor into the preview, once a second what has changed.

import { ask, Refused } from './api.js';
import { fill, frameSwitches, onSwitch, tabs } from './choices.js';
import * as deliveries from './deliveries.js';
import { createEditor } from './editor.js';
import { Folder } from './folder.js';
import { copy, download } from './handover.js';
import { showRemarks } from './remarks.js';
import { Renderer } from './render.js';
import * as result from './result.js';
import * as sequence from './sequence.js';

const POLL_MS = 1000;
const LINES = 'update.md.j2';
const OWN = 'sequence:own';
const byId = (id) => document.getElementById(id);
const template = byId('template');
const file = byId('file');
const notification = byId('notification');
const language = byId('language');
const folder = new Folder();
const bodies = new Map();
// The relay's own spelling of a recorded notification's ID, by the option's value, which is always text.
const ids = new Map();
const sequences = new Map();
const troubles = new Map();
// What was looked at before the template of thread lines was opened, which only a sequence has.
let before = null;
let part = 'templates';

const editor = createEditor({
  host: byId('editor'),
  onEdit(text) {
    folder.edit(file.value, text);
    showStanding();
    preview();
  },
});

const renderer = new Renderer({
  show(answer, request) {
    trouble('preview', null);
    result.show(answer, bodies.get(notification.value));
    if (openFile(request) === file.value) showRemarks(answer.diagnostics, file.value, editor, goTo);
  },
  fail: (error) => trouble('preview', error),
});

function preview(wait) {
  byId('result').setAttribute('aria-busy', 'true');
  renderer.soon(request, wait);
}

// The text in the editor is sent even when it is the file's: then the remarks are about exactly what is seen. Edits of
// other files go with it, so that a template and its partials are tried together.
function request() {
  const [kind, name] = split(notification.value);
  const shown = kind === 'sequence' ? sequences.get(name) : ids.get(notification.value) ?? name;
  const body = { template: template.value, source: editor.text, [kind]: shown };
  if (kind === 'sequence') body.mode = sequence.mode();
  if (language.value) body.language = language.value;
  if (file.value !== ownFile()) body.file = file.value;
  const others = folder.unsaved.filter((path) => path !== file.value);
  if (others.length) body.sources = Object.fromEntries(others.map((path) => [path, folder.text(path)]));
  return body;
}

function openFile(sent) {
  return sent.file ?? folder.templates.find((entry) => entry.name === sent.template)?.file;
}

function ownFile() {
  return folder.templates.find((entry) => entry.name === template.value)?.file;
}

function split(value) {
  const at = value.indexOf(':');
  return [value.slice(0, at), value.slice(at + 1)];
}

function openEditor() {
  editor.mark([]);
  editor.open(file.value, folder.text(file.value));
  showStanding();
  suitNotification();
  loadBody().catch((error) => trouble('preview', error));
}

function goTo(path, line) {
  if (path !== file.value && folder.files.has(path)) {
    const own = folder.templates.find((entry) => entry.file === path);
    if (own) template.value = own.name;
    fillFiles();
    file.value = path;
    openEditor();
    preview(0);
  }
  editor.goTo(line);
}

// What the text in the editor is: the file's, built in, or an edit; and whether the file went on without it.
function showStanding() {
  const path = file.value;
  const edited = folder.edited(path);
  const entry = folder.files.get(path);
  const others = folder.unsaved.filter((other) => other !== path);
  const standing = edited ? 'Edited, not saved' : entry?.builtin ? 'Built in' : 'As on disk';
  byId('saved').textContent = others.length ? `${standing} · with your edit of ${others.join(', ')}` : standing;
  byId('saved').dataset.edited = edited;
  byId('revert').hidden = !edited;
  byId('changed').hidden = !folder.overtaken(path);
  byId('changed-text').textContent = folder.overtaken(path) ? `${path} has changed on disk.` : '';
}

function fillTemplates(fallback) {
  const first = template.options.length === 0;
  const title = (entry) => (entry.name === fallback ? `${entry.name} (default)` : entry.name);
  fill(template, [['', folder.templates.map((entry) => [entry.name, title(entry)])]]);
  if (first && folder.templates.some((entry) => entry.name === fallback)) template.value = fallback;
}

function fillFiles() {
  fill(file, [['', folder.related(template.value).map((entry) => [entry.file, entry.file])]]);
}

function fillNotifications({ samples, sequences: all, recorded }) {
  const received = (entry) => `${entry.title} · ${new Date(entry.received_at).toLocaleString([], { dateStyle: 'short', timeStyle: 'short' })}`;
  for (const { id } of recorded) ids.set(`recorded:${id}`, id);
  for (const { name, steps } of all) sequences.set(name, steps);
  const first = notification.options.length === 0;
  const mine = sequence.own.length ? [[OWN, sequence.ownTitle()]] : [];
  if (mine.length) sequences.set('own', sequence.own);
  fill(notification, [
    ['Sequences', [...all.map(({ name, title }) => [`sequence:${name}`, `${name}: ${title}`]), ...mine]],
    ['Samples', samples.map((sample) => [`sample:${sample.name}`, `${sample.name}: ${sample.title}`])],
    ['Last received', recorded.map((entry) => [`recorded:${entry.id}`, received(entry)])],
  ]);
  if (first) notification.value = `sample:${samples[0].name}`;
  suitSequence();
}

// One that is looked at can be a step of a sequence; a sequence has a mode.
function suitSequence() {
  sequence.suit(notification.value.startsWith('sequence:'), step());
}

function step() {
  const [kind, name] = split(notification.value);
  return { sample: name, recorded: ids.get(notification.value) }[kind] ?? null;
}

// Lines are seen in their thread only: with their template goes a sequence, and with another one what was seen before.
function suitNotification() {
  const isLine = file.value === LINES;
  const isSequence = notification.value.startsWith('sequence:');
  if (isLine && !isSequence) {
    before = notification.value;
    notification.value = `sequence:${[...sequences.keys()][0]}`;
  } else if (!isLine && before && isSequence) {
    notification.value = before;
  }
  if (!isLine) before = null;
  suitSequence();
}

async function loadBody() {
  const { value } = notification;
  if (!value || bodies.has(value)) return;
  const [kind, name] = split(value);
  const load = (one) => ask(`workshop/${typeof one === 'number' ? 'recorded' : 'samples'}/${encodeURIComponent(one)}`);
  bodies.set(value, await (kind === 'sequence' ? Promise.all(sequences.get(name).map(load)) : load(ids.get(value) ?? name)));
  if (notification.value === value) result.setPayload(bodies.get(value));
}

async function look() {
  const state = await ask('workshop/state');
  trouble('look', null);
  const changed = folder.apply(state.templates);
  const [shownFile, shownNotification] = [file.value, notification.value];
  fillTemplates(state.default_template);
  fillFiles();
  fillNotifications(state);
  fill(language, [['', [['', 'the relay’s'], ...state.languages.map((name) => [name, name])]]]);
  const moved = file.value !== shownFile;
  if (moved) openEditor();
  else if (changed.includes(file.value) && !folder.edited(file.value)) editor.replace(folder.text(file.value));
  showStanding();
  if (moved || changed.length || notification.value !== shownNotification) preview(0);
  loadBody().catch((error) => trouble('preview', error));
}

// What does not work now, by who found out; `null` when it works again. Says whether there is no point in going on.
function trouble(who, error) {
  const refused = error instanceof Refused;
  const text = refused ? error.message : 'The relay does not answer. This page goes on when it does.';
  if (error) troubles.set(who, text);
  else if (troubles.delete(who) && who === 'look') preview(0);
  const said = [...new Set(troubles.values())].join(' ');
  if (byId('trouble').textContent !== said) byId('trouble').textContent = said;
  byId('trouble').hidden = said === '';
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

template.addEventListener('change', () => {
  fillFiles();
  file.value = ownFile();
  openEditor();
  preview(0);
});
file.addEventListener('change', () => {
  openEditor();
  preview(0);
});
language.addEventListener('change', () => preview(0));
notification.addEventListener('change', () => {
  before = null;
  suitSequence();
  preview(0);
  loadBody().catch((error) => trouble('preview', error));
});

function toFile() {
  folder.discard(file.value);
  editor.replace(folder.text(file.value));
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
byId('copy').addEventListener('click', async () => {
  const button = byId('copy');
  button.textContent = (await copy(editor.text)) ? 'Copied' : 'Not copied';
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
});
byId('download').addEventListener('click', () => download(file.value, editor.text));
addEventListener('beforeunload', (event) => {
  if (folder.unsaved.length) event.preventDefault();
});

sequence.wire({
  current: step,
  changed() {
    bodies.delete(OWN);
    look().then(() => preview(0)).catch((error) => trouble('look', error));
  },
});
tabs(['templates', 'deliveries'], (name) => {
  part = name;
  if (name === 'deliveries') deliveries.refresh().catch((error) => trouble('look', error));
});
frameSwitches(result.frames);
onSwitch('source', 'event', result.source);
byId('steps').addEventListener('change', result.frames);
await watch();
