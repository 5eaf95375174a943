// The list of deliveries: newest first, kept current while it is seen; searched, and each row opens to all that is known.

import { ask } from './api.js';
import { fill } from './choices.js';
import { STATES, details } from './delivery.js';
import { clock, element } from './message.js';

const PAGE = 50;
// A search that finds little asks for no more pages than this at once.
const MOST_PAGES = 5;
const FILTERS = ['state', 'room', 'kind', 'from', 'until', 'deliveries-search'];
// How a choice is called in the address, where not as here.
const NAMES = { 'deliveries-search': 'search' };
const byId = (id) => document.getElementById(id);
const older = byId('older');
const open = new Set();
// What is opened stays as it is, with its buttons half pressed, until something of the delivery has changed.
const boxes = new Map();
let wanted = PAGE;
let drawn = '';
let typing = null;
let changed = () => {};

/** Asks for the list and shows it, if it has changed. */
export async function refresh() {
  const { rows, next, rooms } = await load();
  const text = JSON.stringify([rows, next, query(), rooms]);
  if (text === drawn) return;
  drawn = text;
  const active = document.activeElement;
  const focused = active?.closest?.('tr')?.dataset.id;
  showRooms(rooms, rows);
  byId('rows').replaceChildren(...rows.flatMap((one) => (open.has(one.name) ? [row(one), opened(one)] : [row(one)])));
  older.hidden = next === null;
  byId('no-rows').hidden = rows.length > 0;
  byId('no-rows').textContent = query() ? 'No delivery matches.' : 'Nothing has been accepted yet.';
  if (focused) byId('rows').querySelector(`tr[data-id="${CSS.escape(focused)}"] .open`)?.focus();
  else if (active?.isConnected && byId('rows').contains(active)) active.focus();
}

function query() {
  const given = {
    state: byId('state').value, room: byId('room').value, kind: byId('kind').value, text: byId('deliveries-search').value.trim(),
    from: day('from', 0), until: day('until', 1),
  };
  return new URLSearchParams(Object.entries(given).filter(([, value]) => value)).toString();
}

// A day as the user's clock has it; `until` means to its end.
function day(name, further) {
  const [year, month, date] = byId(name).value.split('-').map(Number);
  return date ? new Date(year, month - 1, date + further).toISOString() : '';
}

// As many pages as the user has asked for, from the newest row on.
async function load() {
  const [rows, filter] = [[], query()];
  let next = null;
  let page = null;
  let pages = 0;
  do {
    const asked = new URLSearchParams(filter);
    asked.set('limit', PAGE);
    if (next !== null) asked.set('before', next);
    page = await ask(`workshop/deliveries?${asked}`);
    rows.push(...page.edits, ...page.deliveries);
    next = page.next ?? null;
    pages += 1;
  } while (next !== null && rows.length < wanted && pages < MOST_PAGES + wanted / PAGE);
  return { rows, next, rooms: page.rooms };
}

function showRooms(rooms, rows) {
  const known = new Map([['', 'all']]);
  for (const { room, name, waiting, dead } of rooms) {
    const counts = [waiting && `${waiting} waiting`, dead && `${dead} given up`].filter(Boolean).join(', ');
    known.set(room, [name ?? room, counts].filter(Boolean).join(' · '));
  }
  for (const { room, room_name: name } of rows) if (!known.has(room)) known.set(room, name ?? room);
  const chosen = byId('room').value;
  if (chosen && !known.has(chosen)) known.set(chosen, chosen);
  fill(byId('room'), [['', [...known]]]);
}

function row(delivery) {
  const { id, name, state, kind, room, room_name: called, headline, accepted_at: accepted, attempts, last_error: error, members } = delivery;
  const made = element('tr', '');
  made.dataset.id = name;
  const badge = element('span', `badge ${state}`, STATES[state] ?? state);
  const button = element('button', 'open', headline);
  button.type = 'button';
  button.setAttribute('aria-expanded', String(open.has(name)));
  button.addEventListener('click', () => toggle(delivery, made, button));
  const what = element('td', 'what');
  const mark = { line: 'in a thread', edit: 'edit', message: members ? `digest of ${members}` : '' }[kind];
  what.append(button, mark ? element('span', 'kind', mark) : '');
  if (error && state !== 'delivered') what.append(element('p', 'why', error));
  const where = element('td', 'room', called ?? room);
  where.title = room;
  const when = element('time', '', moment(new Date(accepted)));
  when.dateTime = accepted;
  made.append(cell('number', id > 0 ? String(id) : name), cell('', badge), what, where, cell('when', when), cell('number tries', String(attempts)));
  return made;
}

function toggle(delivery, after, button) {
  const isOpen = open.delete(delivery.name);
  button.setAttribute('aria-expanded', String(!isOpen));
  if (isOpen) {
    boxes.delete(delivery.name);
    return after.nextElementSibling?.remove();
  }
  open.add(delivery.name);
  return after.after(opened(delivery));
}

function opened(delivery) {
  const made = element('tr', 'opened');
  const box = element('td', '');
  box.colSpan = 6;
  const state = JSON.stringify([delivery.state, delivery.attempts, delivery.last_error, delivery.event_id]);
  const known = boxes.get(delivery.name);
  const content = known?.state === state ? known.content : details(delivery, { say: tell, again, show });
  boxes.set(delivery.name, { state, content });
  box.append(content);
  made.append(box);
  return made;
}

// Something was done to a delivery.
function again() {
  drawn = '';
  boxes.clear();
  refresh().catch((error) => tell(error.message));
}

// Another one is to be seen: it may stand on another page, so it is searched by nothing but itself.
function show(delivery) {
  open.add(delivery.name);
  const there = byId('rows').querySelector(`tr[data-id="${CSS.escape(delivery.name)}"]`);
  if (there && !there.nextElementSibling?.classList.contains('opened')) there.after(opened(delivery));
  const target = there ?? byId('rows').firstElementChild;
  target?.scrollIntoView({ block: 'center' });
  target?.querySelector('.open')?.focus();
  return Boolean(there);
}

function cell(className, content) {
  const made = element('td', className);
  made.append(content);
  return made;
}

/** A moment in few signs: the day only where it is not today. */
export function moment(date) {
  const isToday = date.toDateString() === new Date().toDateString();
  return `${isToday ? '' : `${date.toLocaleDateString([], { day: 'numeric', month: 'short' })} `}${clock(date)}`;
}

function tell(text) {
  byId('deliveries-said').textContent = text;
}

function filtered() {
  wanted = PAGE;
  changed();
  refresh().catch((error) => tell(error.message));
}

/** `told` is called when another choice is made. */
export function wire(told) {
  changed = told;
}

/** What is chosen, by its name in the address. */
export function choices() {
  return Object.fromEntries(FILTERS.map((name) => [NAMES[name] ?? name, byId(name).value.trim()]));
}

/** The same from an address. */
export function restore(asked) {
  for (const name of FILTERS) {
    const value = asked[NAMES[name] ?? name] ?? '';
    const field = byId(name);
    // Which rooms there are is not known yet.
    if (name === 'room' && value && ![...field.options].some((option) => option.value === value)) field.add(new Option(value));
    field.value = value;
  }
}

for (const name of FILTERS) {
  byId(name).addEventListener('change', filtered);
}
byId('deliveries-search').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(filtered, 250);
});
byId('deliveries-filter').addEventListener('submit', (event) => {
  event.preventDefault();
  filtered();
});
older.addEventListener('click', () => {
  wanted += PAGE;
  refresh().catch((error) => tell(error.message));
});
