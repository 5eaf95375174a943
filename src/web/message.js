// One message as an item of a room's list, as a Matrix client shows it; the room page and the workshop share it.

import { sanitise } from './sanitise.js';

/** An `m.room.message` event; `continued` leaves out who sent it. */
export function messageItem(event, name, continued) {
  const { content } = event;
  const mentions = content['m.mentions'] ?? {};
  const item = element('li', 'message');
  item.classList.toggle('continued', Boolean(continued));
  item.classList.toggle('notice', content.msgtype === 'm.notice');
  item.classList.toggle('mentions', Boolean(mentions.room || mentions.user_ids?.length));
  if (!continued) item.append(avatar(event.sender, name), element('p', 'sender', name));
  item.append(time(event), bodyOf(content));
  return item;
}

/** The text of a content, formatted where it can be. */
export function bodyOf(content) {
  const formatted = content.format === 'org.matrix.custom.html' && typeof content.formatted_body === 'string';
  const box = element('div', formatted ? 'body' : 'body plain');
  if (formatted) box.append(sanitise(content.formatted_body));
  else box.textContent = content.body;
  return box;
}

function avatar(sender, name) {
  const box = element('span', 'avatar', [...name.replace(/^@/, '')][0]?.toUpperCase() ?? '?');
  const sum = [...sender].reduce((total, char) => total + char.codePointAt(0), 0);
  box.dataset.tone = sum % 6;
  box.setAttribute('aria-hidden', 'true');
  return box;
}

function time(event) {
  const date = new Date(event.origin_server_ts);
  const stamp = element('time', 'stamp', clock(date));
  stamp.dateTime = date.toISOString();
  stamp.title = date.toLocaleString();
  return stamp;
}

/** Hours and minutes. */
export function clock(date) {
  return date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}

/** An element with its class and text. */
export function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
