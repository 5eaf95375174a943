// The sample notifications: their times are moved to now, then they are posted to /alert like any other.

import { watch } from './outcome.js';

const byId = (id) => document.getElementById(id);
const menu = byId('more');
const outcome = byId('outcome');
// What the choices of the menu do, by name.
const others = new Map();
// As buttons; the others are in the menu.
const SHOWN = ['firing', 'mixed', 'resolved', 'no-data', 'test'];
const TIMES = new Set(['startsAt', 'endsAt']);
// Samples about the same alert group keep their distance in time, so that "resolved" ends what "firing" began.
const groups = new Map();

/** Loads the samples and offers them: the first ones as buttons, the others in a menu. */
export async function loadSamples() {
  const list = await (await fetch('demo/samples')).json();
  for (const sample of list) {
    const parsed = parse(sample.body);
    const group = groups.get(groupOf(parsed, sample)) ?? { newest: 0, base: 0, posted: new Set() };
    group.newest = Math.max(group.newest, ...times(parsed), 0);
    groups.set(groupOf(parsed, sample), group);
    const post = () => send(sample, parsed, group);
    if (SHOWN.includes(sample.name) || list.length <= SHOWN.length) byId('more-label').before(button(sample, parsed, post));
    else others.set(sample.name, post);
    if (others.has(sample.name)) menu.append(new Option(sample.title, sample.name));
  }
  byId('more-label').hidden = others.size === 0;
  menu.addEventListener('change', () => {
    others.get(menu.value)?.();
    menu.value = '';
  });
}

function button(sample, parsed, post) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'sample';
  made.dataset.sample = sample.name;
  made.dataset.status = parsed?.status ?? '';
  made.textContent = sample.title;
  made.addEventListener('click', post);
  return made;
}

async function send(sample, parsed, group) {
  // Posting the same again means a new episode, not a repeat of the old one.
  if (group.posted.has(sample.name) || group.posted.size === 0) {
    group.posted.clear();
    group.base = Date.now();
  }
  group.posted.add(sample.name);
  const body = parsed ? JSON.stringify(moved(parsed, group.base - group.newest)) : sample.body;
  const became = watch();
  try {
    const answer = await fetch('alert', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    if (!answer.ok) {
      tell(`${answer.status} ${await reason(answer)}`, false);
      return;
    }
    tell('accepted …', true);
    tell(await became(await answer.json()), true);
  } catch {
    tell('The relay does not answer.', false);
  }
}

async function reason(answer) {
  try {
    const problem = await answer.json();
    return problem.detail || problem.title || answer.statusText;
  } catch {
    return answer.statusText;
  }
}

function tell(text, good) {
  outcome.textContent = text;
  outcome.dataset.good = good;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function groupOf(parsed, sample) {
  return parsed?.groupKey || parsed?.alerts?.[0]?.fingerprint || sample.name;
}

// Years before 1970 stand for "not known" in Go programs.
function when(value) {
  const time = Date.parse(value);
  return time > 0 ? time : null;
}

function times(parsed) {
  return (parsed?.alerts ?? []).flatMap((alert) => [...TIMES].map((name) => when(alert[name]))).filter(Boolean);
}

function moved(parsed, by) {
  if (!Array.isArray(parsed.alerts)) return parsed;
  const alerts = parsed.alerts.map((alert) => {
    const copy = { ...alert };
    for (const name of TIMES) {
      const time = when(alert[name]);
      if (time) copy[name] = new Date(time + by).toISOString();
    }
    return copy;
  });
  return { ...parsed, alerts };
}
