// What a notification that was posted here did to the room: found by the events that its deliveries became, said, and shown.

import { messageOf, show, state } from './timeline.js';
import { clock } from './message.js';

const PATIENCE_MS = 4000;
const EDIT_MS = 1500;
const LOOK_MS = 100;

/** Remembers how the room is now; gives what says, of the relay's answer, what has changed since. */
export function watch() {
  const before = state();
  return async ({ deliveries, note }) => {
    if (!deliveries.length) return `accepted: ${lowered(note)}`;
    const message = await arrived(deliveries.at(-1));
    if (!message) return 'accepted: it is on its way to the room';
    const root = message.root ?? message;
    const edited = () => root.edits > (before.get(root.event.event_id) ?? 0);
    // An edit comes behind the line that it belongs to.
    if (!note && before.has(root.event.event_id)) await until(edited, EDIT_MS);
    show(message);
    return `accepted: ${note ? lowered(note) : said(message, root, before, edited())}`;
  };
}

function said(message, root, before, isEdited) {
  const ofRoot = `the message of ${clock(new Date(root.event.origin_server_ts))}`;
  if (!before.has(root.event.event_id)) return 'a new message';
  if (message === root) return isEdited ? `edited ${ofRoot}` : `in ${ofRoot}`;
  return isEdited ? `edited ${ofRoot}, and added a line to its thread` : `added a line to the thread of ${ofRoot}`;
}

// The message of the room that a delivery became, once it is here.
async function arrived({ id }) {
  let eventId = null;
  let message = null;
  await until(async () => {
    if (!eventId) {
      const answer = await fetch(`workshop/deliveries/${id}`);
      eventId = answer.ok ? (await answer.json()).row.event_id : null;
    }
    message = eventId && messageOf(eventId);
    return Boolean(message);
  }, PATIENCE_MS);
  return message;
}

async function until(holds, patience) {
  const end = performance.now() + patience;
  while (!(await holds()) && performance.now() < end) await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
}

const lowered = (text) => text.slice(0, 1).toLowerCase() + text.slice(1);
