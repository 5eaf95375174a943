// The room's messages: one list item for each event, found again by its ID (edits and threads will need that).

import { element, messageItem } from './message.js';

const SAME_BREATH_MS = 5 * 60 * 1000;
const NEAR_BOTTOM_PX = 80;
const byId = (id) => document.getElementById(id);

const list = byId('timeline');
const scroll = byId('scroll');
const jump = byId('jump');
const source = byId('source');
const shown = new Map();
let last = null;

/** Empties the room, for another run of the program. */
export function reset() {
  shown.clear();
  list.replaceChildren();
  last = null;
  byId('empty').hidden = false;
}

/** Adds a message at the end; one that is there already stays as it is. */
export function add({ event, name }) {
  if (shown.has(event.event_id)) return;
  const follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM_PX;
  byId('empty').hidden = true;
  const day = dayOf(event);
  if (!last || dayOf(last) !== day) list.append(separator(day));
  const item = message(event, name, continues(event));
  list.append(item);
  shown.set(event.event_id, item);
  last = event;
  if (follow) toEnd();
  else jump.hidden = false;
}

function continues(event) {
  return last && last.sender === event.sender && dayOf(last) === dayOf(event)
    && event.origin_server_ts - last.origin_server_ts < SAME_BREATH_MS;
}

function message(event, name, continued) {
  const item = messageItem(event, name, continued);
  item.append(tools(event));
  return item;
}

function tools(event) {
  const button = element('button', 'quiet tool', 'Source');
  button.type = 'button';
  button.setAttribute('aria-label', `Source of the message of ${new Date(event.origin_server_ts).toLocaleTimeString()}`);
  button.addEventListener('click', () => {
    byId('source-text').textContent = JSON.stringify(event, null, 2);
    source.showModal();
  });
  return button;
}

function separator(day) {
  const item = element('li', 'day');
  item.append(element('span', '', day));
  return item;
}

function dayOf(event) {
  const date = new Date(event.origin_server_ts);
  if (date.toDateString() === new Date().toDateString()) return 'Today';
  return date.toLocaleDateString([], { weekday: 'long', day: 'numeric', month: 'long' });
}

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
  jump.hidden = true;
}

jump.addEventListener('click', () => {
  toEnd();
  scroll.focus();
});
scroll.addEventListener('scroll', () => {
  if (scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM_PX) jump.hidden = true;
});
byId('source-close').addEventListener('click', () => source.close());
source.addEventListener('click', (event) => {
  if (event.target === source) source.close();
});
