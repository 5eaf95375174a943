// What a template can use: values of the chosen notification, filters, functions, tests, recipes and snippets; searched,
// put into the text by a button, and offered by the editor while one types.

import { ask } from './api.js';
import { element } from './message.js';

const byId = (id) => document.getElementById(id);
const SNIPPETS = [
  ['Only if there is one', '{% if alert.runbookURL %}‸{% endif %}'],
  ['For each alert that fires', '{% for alert in firing %}\n* {{ alert.name }}‸\n{% endfor %}'],
  ['By severity', '{% for severity, alerts in firing | by_severity %}\n{{ severity | emoji }} {{ severity }}: {{ alerts | length }}‸\n{% endfor %}'],
  ['Another text when it is over', '{% if status == "resolved" %}‸{% else %}{% endif %}'],
  ['A value of one’s own', '{% set host = alert.labels.instance %}‸'],
  ['A part that stands in a file', '{% include "partials/header.md.j2" %}‸'],
  ['A remark that nobody sees', '{# ‸ #}'],
];
const KEYWORDS = ['if', 'elif', 'else', 'endif', 'for', 'endfor', 'set', 'include', 'macro', 'endmacro', 'raw', 'endraw'];
let reference = { variables: [], filters: [], functions: [], tests: [], nested: [], recipes: [] };
let values = [];
// The newest values that were asked for; the first ones are asked for as soon as the page knows what there is.
let toLoad = null;
let loadingValues = new Promise((resolve) => { toLoad = resolve; });

let loading = null;

/** Loads what does not change, once. */
export function load() {
  loading ??= ask('workshop/reference').then((answer) => {
    reference = answer;
    draw();
  });
  return loading;
}

/** The whole templates of the cookbook. */
export async function recipes() {
  await load();
  return reference.recipes;
}

/** Loads the values of what is looked at; `title` says what that is. */
export async function loadValues(request, title) {
  loadingValues = ask('workshop/values', { method: 'POST', body: request });
  toLoad(loadingValues);
  ({ values } = await loadingValues);
  byId('names-hint').textContent = `Press one to put it where the cursor is. The values are those of ${title}.`;
  draw();
}

// A name that stands in a loop is called `alert` there.
const short = (path) => path.replace(/^alerts\[0\]/, 'alert');

function about(path) {
  const plain = short(path).replace(/\[\d+\]/g, '');
  return reference.variables.find((one) => one.name === plain)?.about ?? '';
}

let insert = () => {};

/** `put` takes a text for the editor; `isInTag` says whether the cursor stands between braces. */
export function wire(put, isInTag) {
  insert = (code, isTag) => put(isTag || isInTag() ? code : `{{ ${code} }}`);
  byId('names-search').addEventListener('input', draw);
}

function draw() {
  const wanted = byId('names-search').value.trim().toLowerCase();
  const fits = (...texts) => !wanted || texts.some((text) => text?.toLowerCase().includes(wanted));
  const entry = (one, code) => fits(one.name, one.about) && row(code, signature(one), one.example, one.about, one.example.startsWith('{%') ? one.example : null);
  // What `alert` leads to as well is listed once.
  const isSingle = values.some(({ path }) => path.startsWith('alert.'));
  const listed = values.filter(({ path }) => !(isSingle && path.startsWith('alerts[0].')));
  const groups = [
    ['Values', listed.map(({ path, value }) => fits(path, value, about(path)) && row(path, path, value, about(path)))],
    ['Snippets', SNIPPETS.map(([title, code]) => fits(title, code) && row(code, title, code.replace('‸', ''), '', code, 'span'))],
    ['Filters', reference.filters.map((one) => entry(one, `‸ | ${one.name}`))],
    ['Functions', reference.functions.map((one) => entry(one, `${one.name}(‸)`))],
    ['Tests', reference.tests.map((one) => entry(one, `‸ is ${one.name}`))],
  ];
  const sections = groups.map(([title, rows]) => [title, rows.filter(Boolean)]).filter(([, rows]) => rows.length);
  const parts = sections.map(([title, rows]) => {
    const list = element('ul', '');
    list.append(...rows);
    const section = element('section', '');
    section.append(element('h3', '', `${title} (${rows.length})`), list);
    return [title, section];
  });
  byId('names-list').replaceChildren(...parts.map(([, section]) => section));
  jumps(parts);
  if (!sections.length) byId('names-list').append(element('p', 'none', 'Nothing matches.'));
}

// A button for each part: filters stand below more than a hundred values.
function jumps(parts) {
  const titles = parts.map(([title]) => title).join();
  const box = byId('names-jump');
  if (box.dataset.parts === titles) return;
  box.dataset.parts = titles;
  box.replaceChildren(...parts.map(([title], index) => {
    const made = element('button', 'quiet', title);
    made.type = 'button';
    made.addEventListener('click', () => {
      const section = byId('names-list').children[index];
      section.querySelector('.name').focus({ preventScroll: true });
      section.scrollIntoView();
    });
    return made;
  }));
}

function signature({ name, arguments: given }) {
  return given ? `${name}(${given})` : name;
}

function row(code, title, value, why, tag = null, kind = 'code') {
  const item = element('li', '');
  const button = element('button', 'name');
  button.type = 'button';
  button.append(element(kind, '', title), element('span', 'value', value));
  if (why) {
    const about = element('span', 'about');
    about.append(...why.split('`').map((part, index) => (index % 2 ? element('code', '', part) : part)));
    button.append(about);
  }
  button.addEventListener('click', () => insert(tag ?? code, tag !== null));
  item.append(button);
  return item;
}

const OPEN = /\{[{%](?:(?![}%]\})[\s\S])*$/;

/** Whether a text ends inside of `{{ … }}` or `{% … %}`. */
export const endsInTag = (before) => OPEN.test(before);

/** What the editor offers at its cursor: see `complete.js` of the editor. */
export async function offer(before, after, isAsked) {
  // Whoever types before all of it is here waits for it, and gets nothing where it does not come.
  await Promise.allSettled([load(), loadingValues]);
  const tag = OPEN.exec(before)?.[0];
  if (tag === undefined) return outside(before, isAsked);
  const filter = /\|\s*(\w*)$/.exec(tag);
  if (filter) return { length: filter[1].length, options: reference.filters.map(called) };
  const test = /\bis\s+(?:not\s+)?(\w*)$/.exec(tag);
  if (test) return { length: test[1].length, options: reference.tests.map(called) };
  const member = /([\w.[\]"]+)\.(\w*)$/.exec(tag);
  if (member) return { length: member[2].length, options: members(member[1]) };
  const word = /(\w*)$/.exec(tag)[1];
  if (!word && !isAsked && !/\{[{%][-+]?\s*$/.test(tag)) return null;
  const keywords = tag.startsWith('{%') ? KEYWORDS.map((label) => ({ label, type: 'keyword' })) : [];
  const tops = [...new Set(reference.variables.map(({ name }) => name.split('.')[0]))];
  return { length: word.length, options: [...keywords, ...tops.map((name) => variable(name, name)), ...reference.functions.map(called)] };
}

function outside(before, isAsked) {
  const open = /\{$/.exec(before);
  if (!isAsked && !open) return null;
  const options = [...SNIPPETS.map(([title, code]) => ({ label: title, apply: code, detail: code.split('\n')[0].replace('‸', '') }))];
  return { length: 0, options: open ? [] : options };
}

// Of what a path leads to: names of records, and labels as the chosen notification has them.
function members(path) {
  const [kind] = path.split('.').slice(-1);
  const isAlert = ['alert', 'alerts[0]', 'firing[0]', 'resolved[0]', 'a', 'one'].includes(path);
  const prefix = path === 'alert' || isAlert ? 'alerts[0]' : path.replace(/^alert\./, 'alerts[0].');
  const known = isAlert
    ? reference.variables.filter(({ name }) => name.startsWith('alert.')).map(({ name }) => name.slice(6))
    : reference.nested.filter((one) => one.path.replace('[]', '').split('.').at(-1) === kind.replace(/\[\d+\]/, '')).flatMap(({ names }) => names);
  const seen = values.filter(({ path: one }) => one.startsWith(`${prefix}.`)).map(({ path: one }) => one.slice(prefix.length + 1))
    .filter((rest) => /^\w+$/.test(rest));
  return [...new Set([...known, ...seen])].map((name) => variable(name, `${prefix}.${name}`));
}

function variable(label, path) {
  const found = values.find((one) => one.path === path) ?? values.find((one) => one.path === `alerts[0].${path.replace(/^alert\./, '')}`);
  return { label, type: 'variable', detail: found?.value ?? '', info: about(path) || undefined };
}

function called(one) {
  return { label: one.name, type: 'function', detail: one.types, info: `${one.about}\n${one.example}` };
}
