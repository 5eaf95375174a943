// Which notification is looked at: a sample, one that was received, a pasted one, or a sequence of them.

import { ask } from './api.js';
import { fill } from './choices.js';
import * as paste from './paste.js';
import * as sequence from './sequence.js';

const LINES = 'update.md.j2';
const OWN = 'sequence:own';
const PASTED = 'payload:pasted';
const byId = (id) => document.getElementById(id);
const select = byId('notification');
const bodies = new Map();
// The relay's own spelling of a recorded notification's ID, by the option's value, which is always text.
const ids = new Map();
const sequences = new Map();
// What was looked at before the template of thread lines was opened, which only a sequence has.
let before = null;
// What the address asks for, until it is there to be chosen.
let wanted = null;
// The samples, of which those of a program suit the template for it alone; what was looked at before one of them was; and the
// template that the choice suits, which at first is what the address says.
let samples = [];
let beforeProgram = null;
let suited = null;

export const value = () => select.value;
export const isPasted = () => select.value === PASTED;
export const isSequence = () => select.value.startsWith('sequence:');
/** Whether it is one notification, of alerts. */
export const isOfAlerts = () => !isSequence() && !samples.some(({ name, template }) => template && select.value === `sample:${name}`);
export const title = () => select.selectedOptions[0]?.text ?? '';
export const body = () => (isPasted() ? paste.pasted : bodies.get(select.value));

/** What of a request says which notification is meant. */
export function request() {
  const [kind, name] = split(select.value);
  if (kind === 'payload') return { payload: paste.pasted };
  const shown = kind === 'sequence' ? sequences.get(name) : ids.get(select.value) ?? name;
  return kind === 'sequence' ? { sequence: shown, mode: sequence.mode() } : { [kind]: shown };
}

/** Takes what an address says: `show`, and the `steps` of a sequence of one's own. What it does not say stays. */
export function restore({ show, steps, mode }) {
  wanted = show ?? null;
  suited = show ? undefined : null;
  before = null;
  if (mode) byId('mode').value = mode;
  const named = (steps ?? '').split(',').filter(Boolean).map((step) => (/^\d+$/.test(step) ? Number(step) : step));
  if (!named.length) return;
  sequence.own.splice(0, sequence.MOST, ...named.slice(0, sequence.MOST));
  forgetOwn();
}

/** The same for the address, as it is now. */
export function choices() {
  const own = select.value === OWN;
  return {
    show: select.value === PASTED ? '' : select.value,
    steps: own ? sequence.own.join(',') : '',
    mode: isSequence() ? sequence.mode() : '',
  };
}

/** Offers what there is, and keeps the choice. */
export function offer({ samples: known, sequences: all, recorded }) {
  samples = known;
  const named = (list) => list.map((sample) => [`sample:${sample.name}`, `${sample.name}: ${sample.title}`]);
  const received = (entry) => `${when(entry.received_at)} · ${entry.title}`;
  for (const { id } of recorded) ids.set(`recorded:${id}`, id);
  for (const { name, steps } of all) sequences.set(name, steps);
  const first = select.options.length === 0;
  const mine = sequence.own.length ? [[OWN, sequence.ownTitle()]] : [];
  if (mine.length) sequences.set('own', sequence.own);
  fill(select, [
    ['Sequences', [...all.map(({ name, title: text }) => [`sequence:${name}`, `${name}: ${text}`]), ...mine]],
    ['Pasted', paste.pasted ? [[PASTED, paste.title()]] : []],
    ['Last received', recorded.map((entry) => [`recorded:${entry.id}`, received(entry)])],
    ['Samples', named(samples.filter((sample) => !sample.template))],
    ['Samples of other programs', named(samples.filter((sample) => sample.template))],
  ]);
  if (first) select.value = `sample:${samples[0].name}`;
  if (wanted && [...select.options].some((option) => option.value === wanted)) select.value = wanted;
  wanted = null;
  const [newest] = recorded;
  byId('newest').hidden = !newest;
  byId('newest').textContent = newest ? `Last received: ${newest.title}` : '';
  byId('newest').dataset.value = newest ? `recorded:${newest.id}` : '';
  suit();
}

function when(moment) {
  return new Date(moment).toLocaleString([], { dateStyle: 'short', timeStyle: 'medium' });
}

/** Chooses one, as if by hand. */
export function choose(one) {
  select.value = one;
  select.dispatchEvent(new Event('change'));
}

export const PASTED_VALUE = PASTED;

/** One that is looked at can be a step of a sequence; a sequence has a mode. */
export function suit() {
  sequence.suit(isSequence(), step());
}

export function step() {
  const [kind, name] = split(select.value);
  return { sample: name, recorded: ids.get(select.value) }[kind] ?? null;
}

/** The user has chosen: what was looked at before is forgotten. */
export function chosen() {
  before = null;
  suit();
}

/** The body of a program that a template is for; null for a template of alerts. */
export function sampleFor(template) {
  return samples.find((sample) => sample.template === template)?.name ?? null;
}

/** With another template goes a body that it is for, and with one of alerts what was seen before. */
export function suitTemplate(template) {
  const isLinked = suited === undefined;
  if (suited === template) return;
  suited = template;
  const [kind, name] = split(select.value);
  if (isLinked || !['sample', 'sequence'].includes(kind)) return;
  const program = samples.find((sample) => kind === 'sample' && sample.name === name)?.template ?? null;
  const own = sampleFor(template);
  if (own && program !== template) {
    if (!program) beforeProgram = select.value;
    select.value = `sample:${own}`;
  } else if (!own && program) {
    select.value = beforeProgram ?? `sample:${samples[0].name}`;
  }
  suit();
}

/** Lines are seen in their thread only: with their template goes a sequence, and with another one what was seen before. */
export function suitFile(file) {
  const isLine = file === LINES;
  if (isLine && !isSequence()) {
    before = select.value;
    select.value = `sequence:${[...sequences.keys()][0]}`;
  } else if (!isLine && before && isSequence()) {
    select.value = before;
  }
  if (!isLine) before = null;
  suit();
}

/** Forgets the bodies of the sequence of one's own, which is another one now. */
export function forgetOwn() {
  bodies.delete(OWN);
}

/** Loads what was posted; `shown` is called with it if it is still looked at. */
export async function loadBody(shown) {
  const one = select.value;
  if (!one) return;
  const [kind, name] = split(one);
  if (kind === 'payload') bodies.set(one, paste.pasted);
  if (!bodies.has(one)) {
    const load = (id) => ask(`workshop/${typeof id === 'number' ? 'recorded' : 'samples'}/${encodeURIComponent(id)}`);
    bodies.set(one, await (kind === 'sequence' ? Promise.all(sequences.get(name).map(load)) : load(ids.get(one) ?? name)));
  }
  if (select.value === one) shown(bodies.get(one));
}

function split(text) {
  const at = text.indexOf(':');
  return [text.slice(0, at), text.slice(at + 1)];
}
