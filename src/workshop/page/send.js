// *Save* and *Send to my room*: the two things here that leave the browser.

import { ask } from './api.js';
import { dialog } from './dialogs.js';

const byId = (id) => document.getElementById(id);

/** Writes a draft into its file; throws `Refused` with status 409 if the file is another one by now. */
export function save(folder, file) {
  const text = folder.text(file);
  return ask('workshop/template', { method: 'PUT', body: { file, text, etag: folder.etag(file) } })
    .then(({ etag }) => folder.saved(file, text, etag));
}

/**
 * The dialog that sends the draft. `routes` tells the relay's routes, `request` what is previewed, `title` what that is, `sent` is
 * called with the room's name.
 */
export function wireSending({ routes, request, title, sent }) {
  const box = dialog('send', () => {
    const isSequence = Boolean(request().sequence);
    byId('send-what').textContent = isSequence
      ? 'A test is one notification: choose one in place of the sequence.'
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
      sent(option.text);
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
    Object.assign(option.dataset, { route: name, room });
    return option;
  }));
  return made;
}
