// *Send a test*: the draft goes to a room, marked as a test.

import { ask } from './api.js';
import { dialog } from './dialogs.js';

const byId = (id) => document.getElementById(id);

/**
 * The dialog that sends the draft. `routes` tells the relay's routes, `request` what is previewed, `title` what that is, `sent` is
 * called with the room's name.
 */
export function wireSending({ routes, request, title, sent }) {
  const box = dialog('send', () => {
    const isSequence = Boolean(request().sequence);
    byId('send-what').textContent = isSequence
      ? 'A test is one notification. Choose one in place of the sequence first.'
      : `${request().template}, with ${title()}.`;
    byId('send-wrong').textContent = '';
    byId('send-go').disabled = isSequence;
    byId('send-room').replaceChildren(...routes().map(group));
    if (!byId('send-room').options.length) byId('send-go').disabled = true;
  });
  byId('send-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    const option = byId('send-room').selectedOptions[0];
    byId('send-go').disabled = true;
    try {
      const { route, room } = option.dataset;
      await ask('workshop/send', { method: 'POST', body: { preview: request(), route, room } });
      box.close();
      sent(option.dataset.called);
    } catch (error) {
      byId('send-wrong').textContent = error.message;
    }
    byId('send-go').disabled = false;
  });
}

function group({ name, rooms }) {
  const made = document.createElement('optgroup');
  made.label = `Route ${name}`;
  made.append(...rooms.map(({ room, name: called }) => {
    const option = new Option(called ? `${called} (${room})` : room, `${name} ${room}`);
    Object.assign(option.dataset, { route: name, room, called: called ?? room });
    return option;
  }));
  return made;
}
