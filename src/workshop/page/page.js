// Wires the workshop: the folder into the editor, the editor into the preview, once a second what has changed.

import { Refused, ask } from './api.js';
import { frameSwitches, onSwitch, sides, tabs } from './choices.js';
import * as deliveries from './deliveries.js';
import * as diff from './diff.js';
import { createEditor } from './editor.js';
import { setDefault } from './fit.js';
import * as gallery from './gallery.js';
import * as names from './names.js';
import * as notification from './notification.js';
import * as paste from './paste.js';
import * as place from './place.js';
import * as preview from './preview.js';
import { errors } from './remarks.js';
import * as result from './result.js';
import { wireSending } from './send.js';
import * as selection from './selection.js';
import * as sequence from './sequence.js';
import * as standing from './standing.js';
import { trouble, wire as wireTrouble } from './trouble.js';

const POLL_MS = 1000;
// A tag in which somebody still types is judged a little later.
const IN_TAG_MS = 600;
const PARTS = ['templates', 'deliveries'];
const byId = (id) => document.getElementById(id);
const { folder } = selection;
let part = 'templates';
let side = 'edit';
let state = { editable: false, routes: [] };
let namesAreOf = '';
let isArriving = false;

const editor = createEditor({
  host: byId('editor'),
  offer: names.offer,
  onSave: standing.saveByKey,
  onEdit(text) {
    folder.edit(selection.path(), text);
    standing.goOn();
    render(names.endsInTag(editor.before) ? IN_TAG_MS : undefined);
  },
});
const request = () => selection.request(editor.text, notification.request());

function render(wait) {
  preview.render(wait);
  remember();
}

function choices() {
  return {
    ...selection.choices(), ...notification.choices(), step: result.step(), ...frames.choices(),
    side: side === 'names' ? side : '', part: part === 'templates' ? '' : part,
    ...(part === 'deliveries' ? deliveries.choices() : {}),
  };
}

function remember() {
  if (selection.name() && !isArriving) place.write(choices());
}

/** Shows what an address says; edits stay what they are. */
function arrive(asked) {
  isArriving = true;
  frames.restore(asked);
  result.restoreStep(asked.step);
  deliveries.restore(asked);
  turn(asked.side ?? (side === 'names' ? 'see' : side));
  turnPart(asked.part ?? 'templates');
  selection.restore(asked, state.default_template);
  notification.restore(asked);
  notification.offer(state);
  openEditor();
  isArriving = false;
  place.write(choices(), true);
  render(0);
}

function openEditor() {
  editor.mark([]);
  editor.open(selection.path(), folder.text(selection.path()));
  standing.show('');
  notification.suitTemplate(selection.name());
  notification.suitFile(selection.path());
  loadBody();
}

function loadBody() {
  notification.loadBody(preview.hasBody).catch((error) => trouble('preview', error));
  loadNames();
}

// The values of what is looked at, as long as somebody looks at them or may complete by them.
function loadNames() {
  const chosen = notification.value();
  // Which template it is decides what a pasted body may be.
  const of = notification.isPasted() ? `${chosen} ${selection.name()}` : chosen;
  if (!chosen || of === namesAreOf) return;
  namesAreOf = of;
  names.loadValues(request(), notification.title()).then(() => trouble('names', null), (error) => {
    // That the body is not for the template is said on the message.
    trouble('names', error instanceof Refused && error.status === 422 ? null : error);
  });
}

/** Opens a template, and of it a file. */
function open(name, path) {
  selection.choose(name, path);
  openEditor();
  render(0);
}

function goTo(path, line) {
  if (path !== selection.path() && folder.files.has(path)) {
    const own = folder.templates.find((entry) => entry.file === path);
    open(own?.name ?? selection.name(), path);
  }
  toEditor();
  editor.goTo(line);
}

async function look() {
  state = await ask('workshop/state');
  trouble('look', null);
  setDefault(state.default_template);
  result.tellMentions(state.routes);
  const changed = folder.apply(state.templates);
  const [shownFile, shown] = [selection.path(), notification.value()];
  if (selection.offer(state.default_template, state.languages)) return arrive(place.read());
  notification.offer(state);
  const moved = selection.path() !== shownFile;
  if (moved) openEditor();
  else if (changed.includes(selection.path()) && !folder.edited(selection.path())) editor.replace(folder.text(selection.path()));
  standing.show();
  if (moved || changed.length || notification.value() !== shown) render(0);
  return loadBody();
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

byId('template').addEventListener('change', () => {
  standing.goOn();
  open(selection.name());
});
byId('file').addEventListener('change', () => {
  standing.goOn();
  openEditor();
  render(0);
});
byId('language').addEventListener('change', () => render(0));
byId('notification').addEventListener('change', () => {
  notification.chosen();
  render(0);
  loadBody();
});
byId('newest').addEventListener('click', () => notification.choose(byId('newest').dataset.value));
byId('lines-edit').addEventListener('click', () => open('update'));

preview.wire({ editor, request, open, goTo, drawn: remember });
standing.wire({
  editor, editable: () => state.editable, settled: preview.settled, errors, isShown: preview.isShown, goTo,
  link: () => place.link({ ...choices(), ...frames.all() }),
  leftOut: () => [
    ...(folder.unsaved.length ? [`your unsaved edit of ${folder.unsaved.join(', ')}`] : []), ...(notification.isPasted() ? ['the pasted body'] : []),
  ],
  discarded() {
    if (folder.files.has(selection.path())) editor.replace(folder.text(selection.path()));
    else look().catch((error) => trouble('look', error));
    render(0);
  },
  restored(path) {
    selection.offer(state.default_template, state.languages);
    open(folder.templates.find((entry) => entry.file === path)?.name ?? selection.name(), path);
  },
});
wireTrouble(() => render(0));
place.follow(arrive);
addEventListener('beforeunload', (event) => {
  if (!folder.kept) event.preventDefault();
});

sequence.wire({
  current: notification.step,
  changed() {
    notification.forgetOwn();
    look().then(() => render(0)).catch((error) => trouble('look', error));
  },
});
paste.wire((template) => {
  namesAreOf = '';
  notification.offer(state);
  notification.choose(notification.PASTED_VALUE);
  if (template) open(template);
});
wireSending({
  routes: () => state.routes, request, title: notification.title,
  sent: (room) => standing.show(`Test sent to ${room}`),
});
diff.wire(() => {
  const entry = selection.entry();
  const builtin = entry?.builtin ? entry.text : entry?.builtin_text ?? null;
  return { now: editor.text, builtin, disk: entry?.builtin || entry?.isNew ? null : entry?.text ?? null };
}, (builtin) => editor.take(builtin));
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
    selection.offer(state.default_template, state.languages);
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
const turnPart = tabs(PARTS, 'tab', (name) => {
  part = name;
  for (const one of PARTS) byId(one).hidden = one !== name;
  if (name === 'deliveries') deliveries.refresh().catch((error) => trouble('look', error));
  remember();
});
const frames = frameSwitches(() => {
  result.frames();
  remember();
});
onSwitch('source', 'event', result.source);
byId('steps').addEventListener('change', () => {
  result.frames();
  remember();
});
deliveries.wire(remember);
await watch();
