// The side panel: what is running, and the newest message as a phone's notification.

// As little as a notification has to have, and what a person would add first.
const BODY = JSON.stringify({
  alerts: [{ status: 'firing', labels: { alertname: 'MyFirstAlert', severity: 'warning' }, annotations: { summary: 'Sent with curl' } }],
});
const byId = (id) => document.getElementById(id);
const panel = byId('panel');
const open = byId('panel-open');

/** Shows what the relay says about the room and itself. */
export async function loadRoom() {
  const room = await (await fetch('demo/room')).json();
  const people = room.members.length === 1 ? '1 member' : `${room.members.length} members`;
  byId('room-name').textContent = room.name;
  byId('room-avatar').textContent = room.name.slice(0, 1);
  const lock = room.encrypted ? '🔒 end-to-end encrypted' : '';
  byId('room-topic').textContent = [room.topic, room.alias, people, lock].filter(Boolean).join(' · ');
  byId('push-room').textContent = room.name;
  byId('homeserver').textContent = room.homeserver;
  byId('version').textContent = room.version;
  document.title = `${room.name} · grafana-matrix-relay demo`;
  const target = new URL('alert', document.baseURI).href;
  byId('curl').textContent = `curl -H 'Content-Type: application/json' -d '${BODY}' ${target}`;
}

/** The plain body, as the push rules and a lock screen treat it. */
export function notify({ event, name }) {
  // A phone says nothing of edits, reactions and deletions.
  const relation = event.content['m.relates_to'] ?? {};
  if (event.type !== 'm.room.message' || relation.rel_type === 'm.replace') return;
  const silent = event.content.msgtype === 'm.notice';
  byId('push').dataset.state = silent ? 'silent' : 'rings';
  byId('push-sender').textContent = name;
  byId('push-body').textContent = event.content.body;
  byId('push-time').textContent = new Date(event.origin_server_ts)
    .toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  byId('push-hint').textContent = silent
    ? 'This one stays silent: an m.notice never notifies.'
    : 'Notifies by the default push rules. Phones show the plain body of a message.';
}

function toggle(show) {
  panel.classList.toggle('open', show);
  open.setAttribute('aria-expanded', String(show));
  (show ? byId('panel-close') : open).focus();
}

open.addEventListener('click', () => toggle(true));
byId('panel-close').addEventListener('click', () => toggle(false));
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && panel.classList.contains('open')) toggle(false);
});
byId('copy').addEventListener('click', async () => {
  const copy = byId('copy');
  try {
    await navigator.clipboard.writeText(byId('curl').textContent);
    copy.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(byId('curl'));
    copy.textContent = 'Selected';
  }
  setTimeout(() => { copy.textContent = 'Copy'; }, 2000);
});
